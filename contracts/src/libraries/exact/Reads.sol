// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LittleEndian} from "./LittleEndian.sol";
import {OpLeaf} from "./OpLeaf.sol";

/// @title Which elements a segment reads: the index maps of all ops (src/exact/SPEC.md, section 2).
/// @dev Counts on `OpLeaf.check`, and on an element that the output has. Divisions by sizes are by at least 1.
library Reads {
    using OpLeaf for bytes;
    using LittleEndian for bytes;

    uint256 internal constant TERMS = 64;

    error NoSuchRead(uint256 read);

    /// @notice How many terms the chain of each element adds up; 0 for what is computed at once.
    function termsOf(bytes calldata leaf) internal pure returns (uint256) {
        uint256 kind = leaf.kind();
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.CONTRACT_I8) {
            _require(leaf, leaf.inputs() == (kind == OpLeaf.CONTRACT ? 2 : 4));
            uint256 a = OpLeaf.typeOf(0);
            _require(leaf, leaf.axesAt(a) >= 2 && leaf.axesAt(OpLeaf.typeOf(1)) >= 2 && _outputAxes(leaf) >= 2);
            return leaf.sizeAt(a, leaf.axesAt(a) - (leaf.attribute(0) == 1 ? 2 : 1));
        }
        if (kind == OpLeaf.REDUCE) {
            uint256 axis = leaf.attribute(1);
            _require(leaf, leaf.inputs() == 1 && axis < leaf.axesAt(OpLeaf.typeOf(0)));
            return leaf.sizeAt(OpLeaf.typeOf(0), axis);
        }
        if (kind == OpLeaf.SCATTER_ADD) {
            _require(leaf, leaf.inputs() == 2);
            return leaf.countFrom(OpLeaf.typeOf(1), 0);
        }
        return 0;
    }

    /// @notice How many terms a segment has; 0 for the one that finishes.
    function termsIn(uint256 terms, uint256 segment) internal pure returns (uint256) {
        uint256 done = TERMS * segment;
        if (done >= terms) return 0;
        return terms - done < TERMS ? terms - done : TERMS;
    }

    /// @notice How many bytes the operands of a segment have. Of a gather the index says whether an element is read.
    function lengthOf(bytes calldata leaf, uint256 segment, bytes calldata operands) internal pure returns (uint256) {
        uint256 kind = leaf.kind();
        uint256 terms = termsIn(termsOf(leaf), segment);
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.SCATTER_ADD) return 8 * terms;
        if (kind == OpLeaf.CONTRACT_I8) return terms > 0 ? 2 * terms : 8;
        if (kind == OpLeaf.REDUCE) return 4 * terms;
        if (kind == OpLeaf.MAP) return 4 * leaf.inputs();
        if (kind == OpLeaf.PHILOX) return 12;
        // A token is a byte of the data.
        if (kind == OpLeaf.BATCH) return 1;
        uint256 copied = leaf.elementBytesAt(OpLeaf.outputType());
        if (kind == OpLeaf.GATHER) {
            _require(leaf, leaf.inputs() == 2 && leaf.axesAt(OpLeaf.typeOf(0)) > 0);
            bool isInside = operands.length >= 4 && operands.number(0) < leaf.sizeAt(OpLeaf.typeOf(0), 0);
            return isInside ? 4 + copied : 4;
        }
        return kind == OpLeaf.PLACE ? 4 + copied : copied;
    }

    /// @notice Where read number `read` comes from: which input, and which of its elements.
    function sourceOf(bytes calldata leaf, uint256 element, uint256 segment, uint256 read, bytes calldata operands)
        internal
        pure
        returns (uint256 input, uint256 source)
    {
        uint256 kind = leaf.kind();
        uint256 terms = termsIn(termsOf(leaf), segment);
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.CONTRACT_I8) {
            return terms > 0
                ? _factor(leaf, element, read, terms, TERMS * segment)
                : _scale(leaf, element, read);
        }
        if (kind == OpLeaf.REDUCE) return (0, _reduced(leaf, element, read, terms, TERMS * segment));
        if (kind == OpLeaf.SCATTER_ADD) return _contribution(leaf, element, read, terms, TERMS * segment);
        if (kind == OpLeaf.MAP) {
            if (read >= leaf.inputs()) revert NoSuchRead(read);
            return (read, _broadcast(leaf, element, OpLeaf.typeOf(read)));
        }
        if (kind == OpLeaf.PHILOX) {
            _require(leaf, leaf.inputs() == 2);
            if (read > 2) revert NoSuchRead(read);
            return read < 2 ? (0, read) : (1, uint256(0));
        }
        if (kind == OpLeaf.GATHER) return _gathered(leaf, element, read, operands);
        if (kind == OpLeaf.PLACE) return _placed(leaf, element, read, operands);
        if (read > 0) revert NoSuchRead(read);
        return _moved(leaf, kind, element);
    }

    function _factor(bytes calldata leaf, uint256 element, uint256 read, uint256 terms, uint256 from)
        private
        pure
        returns (uint256 input, uint256)
    {
        if (read >= 2 * terms) revert NoSuchRead(read);
        (uint256 batch, uint256 m, uint256 n) = _placeOf(leaf, element);
        input = read / terms;
        uint256 k = from + read % terms;
        bool isTurned = leaf.attribute(input) == 1;
        (uint256 row, uint256 column) = input == 0 ? (m, k) : (k, n);
        if (isTurned) (row, column) = (column, row);
        uint256 type_ = OpLeaf.typeOf(input);
        uint256 axes = leaf.axesAt(type_);
        uint256 width = leaf.sizeAt(type_, axes - 1);
        uint256 first = axes > 2 ? batch * leaf.sizeAt(type_, axes - 2) * width : 0;
        return (input, first + row * width + column);
    }

    function _scale(bytes calldata leaf, uint256 element, uint256 read) private pure returns (uint256, uint256) {
        if (leaf.kind() == OpLeaf.CONTRACT || read > 1) revert NoSuchRead(read);
        (uint256 batch, uint256 m, uint256 n) = _placeOf(leaf, element);
        uint256 type_ = OpLeaf.typeOf(2 + read);
        uint256 size = leaf.sizeAt(OpLeaf.outputType(), _outputAxes(leaf) - (read == 0 ? 2 : 1));
        return (2 + read, (leaf.axesAt(type_) > 1 ? batch * size : 0) + (read == 0 ? m : n));
    }

    /// @dev Which matrix, row and column an element of a product is.
    function _placeOf(bytes calldata leaf, uint256 element)
        private
        pure
        returns (uint256 batch, uint256 m, uint256 n)
    {
        uint256 axes = _outputAxes(leaf);
        uint256 columns = leaf.sizeAt(OpLeaf.outputType(), axes - 1);
        uint256 rows = leaf.sizeAt(OpLeaf.outputType(), axes - 2);
        return (element / (rows * columns), element / columns % rows, element % columns);
    }

    function _reduced(bytes calldata leaf, uint256 element, uint256 read, uint256 terms, uint256 from)
        private
        pure
        returns (uint256)
    {
        if (read >= terms) revert NoSuchRead(read);
        // Of the output's sizes only that along the axis differs from the input's, and is 1.
        uint256 axis = leaf.attribute(1);
        uint256 step = leaf.countFrom(OpLeaf.typeOf(0), axis + 1);
        uint256 size = leaf.sizeAt(OpLeaf.typeOf(0), axis);
        return (element / step) * step * size + (from + read) * step + element % step;
    }

    function _contribution(bytes calldata leaf, uint256 element, uint256 read, uint256 terms, uint256 from)
        private
        pure
        returns (uint256, uint256)
    {
        if (read >= 2 * terms) revert NoSuchRead(read);
        if (read < terms) return (1, from + read);
        uint256 width = leaf.countFrom(OpLeaf.outputType(), 1);
        return (0, (from + read - terms) * width + element % width);
    }

    /// @dev The element of an input that broadcasting puts at an element of the output.
    function _broadcast(bytes calldata leaf, uint256 element, uint256 type_) private pure returns (uint256 source) {
        uint256 axes = leaf.axesAt(type_);
        uint256 outputAxes = _outputAxes(leaf);
        _require(leaf, axes <= outputAxes);
        uint256 step = 1;
        for (uint256 i = 1; i <= axes; ++i) {
            uint256 size = leaf.sizeAt(OpLeaf.outputType(), outputAxes - i);
            uint256 sourceSize = leaf.sizeAt(type_, axes - i);
            if (sourceSize > 1) source += element % size * step;
            element /= size;
            step *= sourceSize;
        }
    }

    function _gathered(bytes calldata leaf, uint256 element, uint256 read, bytes calldata operands)
        private
        pure
        returns (uint256, uint256)
    {
        _require(leaf, leaf.inputs() == 2 && leaf.axesAt(OpLeaf.typeOf(0)) > 0);
        uint256 width = leaf.countFrom(OpLeaf.typeOf(0), 1);
        if (read == 0) return (1, element / width);
        if (read > 1 || lengthOf(leaf, 0, operands) == 4) revert NoSuchRead(read);
        return (0, operands.number(0) * width + element % width);
    }

    function _placed(bytes calldata leaf, uint256 element, uint256 read, bytes calldata operands)
        private
        pure
        returns (uint256, uint256)
    {
        uint256 axis = leaf.attribute(0);
        uint256 update = OpLeaf.typeOf(1);
        _require(leaf, leaf.inputs() == 3 && axis < _outputAxes(leaf) && axis < leaf.axesAt(update));
        if (read == 0) return (2, 0);
        if (read > 1 || operands.length < 4) revert NoSuchRead(read);
        uint256 step = leaf.countFrom(OpLeaf.outputType(), axis + 1);
        uint256 size = leaf.sizeAt(OpLeaf.outputType(), axis);
        uint256 place = element / step % size;
        uint256 first = operands.number(0);
        uint256 updateSize = leaf.sizeAt(update, axis);
        if (place < first || place - first >= updateSize) return (0, element);
        uint256 outer = element / (step * size);
        return (1, (outer * updateSize + place - first) * step + element % step);
    }

    /// @dev The moves that read one element, whatever it holds.
    function _moved(bytes calldata leaf, uint256 kind, uint256 element) private pure returns (uint256, uint256) {
        _require(leaf, leaf.inputs() > 0);
        uint256 type_ = OpLeaf.typeOf(0);
        if (kind == OpLeaf.RESHAPE) return (0, element);
        if (kind == OpLeaf.BROADCAST) return (0, _broadcast(leaf, element, type_));
        if (kind == OpLeaf.CONCAT) return _concatenated(leaf, element);
        uint256 axes = _outputAxes(leaf);
        _require(leaf, axes == leaf.axesAt(type_));
        uint256 source;
        for (uint256 i = axes; i > 0; --i) {
            uint256 size = leaf.sizeAt(OpLeaf.outputType(), i - 1);
            uint256 attribute = leaf.attribute(i - 1);
            bool isSlice = kind == OpLeaf.SLICE;
            uint256 axis = isSlice ? i - 1 : attribute;
            _require(leaf, axis < axes && attribute <= type(uint32).max);
            uint256 place = element % size + (isSlice ? attribute : 0);
            source += place * leaf.countFrom(type_, axis + 1);
            element /= size;
        }
        return (0, source);
    }

    function _concatenated(bytes calldata leaf, uint256 element) private pure returns (uint256 input, uint256) {
        uint256 axis = leaf.attribute(0);
        _require(leaf, axis < _outputAxes(leaf));
        uint256 step = leaf.countFrom(OpLeaf.outputType(), axis + 1);
        uint256 size = leaf.sizeAt(OpLeaf.outputType(), axis);
        uint256 place = element / step % size;
        for (; input < leaf.inputs(); ++input) {
            _require(leaf, axis < leaf.axesAt(OpLeaf.typeOf(input)));
            uint256 part = leaf.sizeAt(OpLeaf.typeOf(input), axis);
            if (place < part) return (input, (element / (step * size) * part + place) * step + element % step);
            place -= part;
        }
        revert OpLeaf.MalformedLeaf(leaf.length);
    }

    function _outputAxes(bytes calldata leaf) private pure returns (uint256) {
        return leaf.axesAt(OpLeaf.outputType());
    }

    function _require(bytes calldata leaf, bool condition) private pure {
        if (!condition) revert OpLeaf.MalformedLeaf(leaf.length);
    }
}
