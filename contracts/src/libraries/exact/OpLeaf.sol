// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Reads the leaf of a graph's op: kind, type, axes, six sizes, six attributes, number of inputs; for each input
/// its value's number, type, axes, six sizes; for a map its program. A word each.
library OpLeaf {
    uint256 internal constant STATE = 0;
    uint256 internal constant BATCH = 1;
    uint256 internal constant CONTRACT = 2;
    uint256 internal constant CONTRACT_I8 = 3;
    uint256 internal constant MAP = 4;
    uint256 internal constant REDUCE = 5;
    uint256 internal constant RESHAPE = 6;
    uint256 internal constant TRANSPOSE = 7;
    uint256 internal constant SLICE = 8;
    uint256 internal constant CONCAT = 9;
    uint256 internal constant BROADCAST = 10;
    uint256 internal constant GATHER = 11;
    uint256 internal constant PLACE = 12;
    uint256 internal constant SCATTER_ADD = 13;
    uint256 internal constant PHILOX = 14;

    uint256 internal constant F32 = 0;
    uint256 internal constant U32 = 1;
    uint256 internal constant I8 = 2;

    uint256 private constant HEAD_WORDS = 16;
    uint256 private constant INPUT_WORDS = 9;
    uint256 private constant TYPE_AT = 1;
    uint256 private constant MAX_INPUTS = 64;
    uint256 private constant MAX_AXES = 6;
    uint256 private constant MAX_ELEMENTS = 0x7fffffff;

    /// @notice No graph has such a leaf.
    error MalformedLeaf(uint256 length);
    error NoSuchInput(uint256 input);
    error NoSuchAxis(uint256 axis);

    /// @notice Reverts unless the leaf is as long as its inputs take, and every type is one: f32, u32 or i8, up to six axes
    /// of at least one element, 2^31 - 1 elements at most. All other functions count on that.
    function check(bytes calldata leaf) internal pure {
        if (!_isSound(leaf)) revert MalformedLeaf(leaf.length);
    }

    function _isSound(bytes calldata leaf) private pure returns (bool isSound) {
        unchecked {
            if (leaf.length < HEAD_WORDS * 32) return false;
            uint256 count_ = inputs(leaf);
            if (count_ > MAX_INPUTS) return false;
            uint256 length = (HEAD_WORDS + INPUT_WORDS * count_) * 32;
            if (kind(leaf) == MAP ? leaf.length <= length : leaf.length != length) return false;
            isSound = _isType(leaf, TYPE_AT);
            for (uint256 i = 0; i < count_; ++i) {
                isSound = _isType(leaf, _typeOf(i)) && isSound;
            }
        }
    }

    function kind(bytes calldata leaf) internal pure returns (uint256) {
        return word(leaf, 0);
    }

    function dtype(bytes calldata leaf) internal pure returns (uint256) {
        return word(leaf, TYPE_AT);
    }

    function axes(bytes calldata leaf) internal pure returns (uint256) {
        return word(leaf, TYPE_AT + 1);
    }

    /// @notice The size along an axis, 0 where there is none.
    function size(bytes calldata leaf, uint256 axis) internal pure returns (uint256) {
        return _size(leaf, TYPE_AT, axis);
    }

    /// @notice How many elements the value has.
    function count(bytes calldata leaf) internal pure returns (uint256) {
        return _count(leaf, TYPE_AT);
    }

    function attribute(bytes calldata leaf, uint256 index) internal pure returns (uint256) {
        if (index >= MAX_AXES) revert NoSuchAxis(index);
        return word(leaf, 9 + index);
    }

    function inputs(bytes calldata leaf) internal pure returns (uint256) {
        return word(leaf, 15);
    }

    /// @notice The number of the value that an input is.
    function valueOf(bytes calldata leaf, uint256 input) internal pure returns (uint256) {
        return word(leaf, _typeAt(leaf, input) - 1);
    }

    function dtypeOf(bytes calldata leaf, uint256 input) internal pure returns (uint256) {
        return word(leaf, _typeAt(leaf, input));
    }

    function axesOf(bytes calldata leaf, uint256 input) internal pure returns (uint256) {
        return word(leaf, _typeAt(leaf, input) + 1);
    }

    /// @notice The size of an input along an axis, 0 where there is none.
    function sizeOf(bytes calldata leaf, uint256 input, uint256 axis) internal pure returns (uint256) {
        return _size(leaf, _typeAt(leaf, input), axis);
    }

    /// @notice How many elements an input has.
    function countOf(bytes calldata leaf, uint256 input) internal pure returns (uint256) {
        return _count(leaf, _typeAt(leaf, input));
    }

    /// @notice Bytes of an element: 1 for i8, 4 for all others.
    function elementBytes(uint256 dtype_) internal pure returns (uint256) {
        return dtype_ == I8 ? 1 : 4;
    }

    /// @notice The program of a map.
    function program(bytes calldata leaf) internal pure returns (bytes calldata) {
        return leaf[(HEAD_WORDS + INPUT_WORDS * inputs(leaf)) * 32:];
    }

    /// @dev Where the type of an input stands among the words of the leaf: type, axes, six sizes.
    function _typeAt(bytes calldata leaf, uint256 input) private pure returns (uint256) {
        if (input >= inputs(leaf)) revert NoSuchInput(input);
        return _typeOf(input);
    }

    function _typeOf(uint256 input) private pure returns (uint256) {
        unchecked {
            return HEAD_WORDS + INPUT_WORDS * input + 1;
        }
    }

    function _size(bytes calldata leaf, uint256 type_, uint256 axis) private pure returns (uint256) {
        if (axis >= MAX_AXES) revert NoSuchAxis(axis);
        unchecked {
            return word(leaf, type_ + 2 + axis);
        }
    }

    /// @dev Of a sound type the product of six sizes is below 2^31.
    function _count(bytes calldata leaf, uint256 type_) private pure returns (uint256 product) {
        unchecked {
            product = 1;
            uint256 end = type_ + 2 + word(leaf, type_ + 1);
            for (uint256 i = type_ + 2; i < end; ++i) {
                product *= word(leaf, i);
            }
        }
    }

    function _isType(bytes calldata leaf, uint256 type_) private pure returns (bool isType) {
        assembly ("memory-safe") {
            let from := add(leaf.offset, shl(5, type_))
            let axes_ := calldataload(add(from, 32))
            isType := and(lt(calldataload(from), add(I8, 1)), lt(axes_, add(MAX_AXES, 1)))
            if isType {
                // Six sizes below 2^31: their product fits.
                let product := 1
                from := add(from, 64)
                for { let end := add(from, shl(5, axes_)) } lt(from, end) { from := add(from, 32) } {
                    let length := calldataload(from)
                    isType := and(isType, lt(sub(length, 1), MAX_ELEMENTS))
                    product := mul(product, length)
                }
                isType := and(isType, lt(product, add(MAX_ELEMENTS, 1)))
            }
        }
    }

    /// @notice A word of the leaf by its place.
    function word(bytes calldata leaf, uint256 index) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := calldataload(add(leaf.offset, shl(5, index)))
        }
    }
}
