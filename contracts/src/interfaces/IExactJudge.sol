// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What one segment of one element of an op reads and gives.
/// @notice `opLeaf` is a graph's leaf (`src/exact/SPEC.md` section 5), `docs/disputes.md` has the table of chains. A leaf
/// that no graph has makes these functions revert, or answer something bounded; who disputes a graph has checked it.
interface IExactJudge {
    /// @notice A value's size, and the chain of each of its elements: `segments` that accumulate, one that finishes.
    struct Shape {
        uint64 byteLength;
        uint8 elementBytes;
        uint8 width;
        uint32 segments;
        /// @dev The accumulator before the first segment.
        bytes initial;
    }

    /// @notice Where a read comes from: element `element` of value `value`, which starts at `offset` of the operands and
    /// takes `elementBytes`. The rest are the words of the value's type: type, axes, six sizes.
    struct Read {
        uint32 value;
        uint64 element;
        uint256 offset;
        uint8 elementBytes;
        uint64 byteLength;
        uint256[8] typeWords;
    }

    error UnknownKind(uint256 kind);
    error MalformedLeaf(uint256 length);
    error NoSuchElement(uint256 element);
    error NoSuchSegment(uint256 segment);
    error NoSuchRead(uint256 read);
    error WrongAccumulator(uint256 length, uint256 expected);

    /// @notice The size and the chains of the value that a leaf computes.
    function shapeOf(bytes calldata opLeaf) external pure returns (Shape memory);

    /// @notice The accumulator after a segment, or after the last the element's four bytes. Nothing (no bytes) when the
    /// operands are not as long as what the segment reads.
    function evaluate(
        bytes calldata opLeaf,
        uint256 element,
        uint256 segment,
        bytes calldata accIn,
        bytes calldata operands
    ) external pure returns (bytes memory accOut);

    /// @notice Where read number `read` of a segment comes from. The operands say so too, where an index is among them.
    function readOf(bytes calldata opLeaf, uint256 element, uint256 segment, uint256 read, bytes calldata operands)
        external
        pure
        returns (Read memory);

    /// @notice Which byte of the data an element of a batch slot is; `short` when the data has no whole row.
    function drawOf(
        bytes calldata slotLeaf,
        uint256 element,
        uint256 dataLength,
        uint256 seed0,
        uint256 seed1,
        uint256 worker,
        uint256 step
    ) external pure returns (bool short, uint256 at);
}
