// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LittleEndian} from "./exact/LittleEndian.sol";
import {OpLeaf} from "./exact/OpLeaf.sol";

/// @title Where each number that a segment of an element's chain reads comes from: the table of `docs/disputes.md`.
library OpReads {
    using OpLeaf for bytes;
    using LittleEndian for bytes;

    uint256 private constant TERMS = 64;

    /// @notice Read number `read` is element `element` of the op's input `input`, `offset` bytes into the operands.
    struct Read {
        uint256 input;
        uint256 element;
        uint256 offset;
    }

    error NoSuchRead(uint256 read);

    /// @notice Where a read comes from. `segment` is the chain's, or the finish after it.
    /// @param op a leaf that was checked, of an op.
    /// @param operands what the claimant says that the segment reads: an index among them leads to other reads.
    function readOf(bytes calldata op, uint256 element, uint256 segment, uint256 read, bytes calldata operands)
        internal
        pure
        returns (Read memory)
    {
        uint256 kind = op.kind();
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.CONTRACT_I8) return _ofProduct(op, element, segment, read);
        if (kind == OpLeaf.REDUCE) return _ofReduce(op, element, segment, read);
        if (kind == OpLeaf.SCATTER_ADD) return _ofScatterAdd(op, element, segment, read);
        if (kind == OpLeaf.GATHER) return _ofGather(op, element, read, operands);
        if (kind == OpLeaf.PLACE) return _ofPlace(op, element, read, operands);
        if (kind == OpLeaf.PHILOX) {
            if (read > 2) revert NoSuchRead(read);
            return read == 2 ? Read(1, 0, 8) : Read(0, read, 4 * read);
        }
        if (kind == OpLeaf.MAP) {
            if (read >= op.inputs()) revert NoSuchRead(read);
            return Read(read, _broadcast(op, element, read), 4 * read);
        }
        if (read > 0) revert NoSuchRead(read);
        if (kind == OpLeaf.CONCAT) return _ofConcat(op, element);
        if (kind == OpLeaf.RESHAPE) return Read(0, element, 0);
        if (kind == OpLeaf.BROADCAST) return Read(0, _broadcast(op, element, 0), 0);
        if (kind == OpLeaf.TRANSPOSE || kind == OpLeaf.SLICE) return Read(0, _moved(op, element, kind), 0);
        revert NoSuchRead(read);
    }

    /// @dev The a[m, k] of all terms, then the b[k, n]; in the finish of integers the two scales.
    function _ofProduct(bytes calldata op, uint256 element, uint256 segment, uint256 read)
        private
        pure
        returns (Read memory)
    {
        uint256 axes = op.axes();
        (uint256 rows, uint256 columns) = (op.size(axes - 2), op.size(axes - 1));
        uint256 n = element % columns;
        uint256 m = element / columns % rows;
        uint256 batch = element / columns / rows;
        uint256 k = op.sizeOf(0, op.axesOf(0) - (op.attribute(0) == 1 ? 2 : 1));
        if (TERMS * segment >= k) {
            if (op.kind() == OpLeaf.CONTRACT || read > 1) revert NoSuchRead(read);
            return read == 0
                ? Read(2, (op.axesOf(2) > 1 ? batch * rows : 0) + m, 0)
                : Read(3, (op.axesOf(3) > 1 ? batch * columns : 0) + n, 4);
        }
        uint256 terms = _least(TERMS, k - TERMS * segment);
        if (read >= 2 * terms) revert NoSuchRead(read);
        uint256 offset = read * (op.kind() == OpLeaf.CONTRACT ? 4 : 1);
        uint256 term = TERMS * segment + read % terms;
        if (read < terms) {
            uint256 before = op.axesOf(0) > 2 ? batch * rows * k : 0;
            return Read(0, before + (op.attribute(0) == 1 ? term * rows + m : m * k + term), offset);
        }
        uint256 first = op.axesOf(1) > 2 ? batch * columns * k : 0;
        return Read(1, first + (op.attribute(1) == 1 ? n * k + term : term * columns + n), offset);
    }

    function _ofReduce(bytes calldata op, uint256 element, uint256 segment, uint256 read)
        private
        pure
        returns (Read memory)
    {
        uint256 axis = op.attribute(1);
        uint256 size = op.sizeOf(0, axis);
        uint256 term = TERMS * segment + read;
        if (read >= TERMS || term >= size) revert NoSuchRead(read);
        uint256 inner = _after(op, axis);
        return Read(0, (element / inner * size + term) * inner + element % inner, 4 * read);
    }

    /// @dev The indices of all positions, then the update of each.
    function _ofScatterAdd(bytes calldata op, uint256 element, uint256 segment, uint256 read)
        private
        pure
        returns (Read memory)
    {
        uint256 positions = op.countOf(1);
        if (TERMS * segment >= positions) revert NoSuchRead(read);
        uint256 terms = _least(TERMS, positions - TERMS * segment);
        if (read >= 2 * terms) revert NoSuchRead(read);
        uint256 position = TERMS * segment + read % terms;
        if (read < terms) return Read(1, position, 4 * read);
        uint256 rowLength = op.countOf(0) / positions;
        return Read(0, position * rowLength + element % rowLength, 4 * read);
    }

    /// @dev The index, then the element of that row if there is one.
    function _ofGather(bytes calldata op, uint256 element, uint256 read, bytes calldata operands)
        private
        pure
        returns (Read memory)
    {
        uint256 inner = op.countOf(0) / op.sizeOf(0, 0);
        if (read == 0) return Read(1, element / inner, 0);
        if (read > 1 || operands.length < 4 || operands.number(0) >= op.sizeOf(0, 0)) revert NoSuchRead(read);
        return Read(0, operands.number(0) * inner + element % inner, 4);
    }

    /// @dev The index, then the element of the update where that covers the place, else of the base.
    function _ofPlace(bytes calldata op, uint256 element, uint256 read, bytes calldata operands)
        private
        pure
        returns (Read memory)
    {
        if (read == 0) return Read(2, 0, 0);
        if (read > 1 || operands.length < 4) revert NoSuchRead(read);
        uint256 axis = op.attribute(0);
        uint256 inner = _after(op, axis);
        uint256 size = op.size(axis);
        uint256 row = element / inner % size;
        (uint256 index, uint256 covered) = (operands.number(0), op.sizeOf(1, axis));
        if (row < index || row - index >= covered) return Read(0, element, 4);
        uint256 outer = element / inner / size;
        return Read(1, (outer * covered + row - index) * inner + element % inner, 4);
    }

    function _ofConcat(bytes calldata op, uint256 element) private pure returns (Read memory) {
        uint256 axis = op.attribute(0);
        uint256 inner = _after(op, axis);
        uint256 size = op.size(axis);
        uint256 rest = element / inner % size;
        for (uint256 input = 0; input < op.inputs(); ++input) {
            uint256 part = op.sizeOf(input, axis);
            if (rest < part) {
                return Read(input, (element / inner / size * part + rest) * inner + element % inner, 0);
            }
            rest -= part;
        }
        revert NoSuchRead(0);
    }

    /// @dev Axes of the input, from the last, each with the step that its neighbours lie apart.
    function _moved(bytes calldata op, uint256 element, uint256 kind) private pure returns (uint256 index) {
        uint256 axes = op.axes();
        uint256[6] memory steps;
        uint256 step = 1;
        for (uint256 axis = axes; axis > 0; --axis) {
            steps[axis - 1] = step;
            step *= op.sizeOf(0, axis - 1);
        }
        for (uint256 axis = axes; axis > 0; --axis) {
            uint256 size = op.size(axis - 1);
            uint256 attribute = op.attribute(axis - 1);
            uint256 place = element % size;
            element /= size;
            index += kind == OpLeaf.SLICE ? (place + attribute) * steps[axis - 1] : place * steps[attribute];
        }
    }

    /// @dev The element of an input that broadcasting puts at an element of the result: shapes meet at the last axis.
    function _broadcast(bytes calldata op, uint256 element, uint256 input) private pure returns (uint256 index) {
        uint256 skipped = op.axes() - op.axesOf(input);
        uint256 step = 1;
        for (uint256 axis = op.axesOf(input); axis > 0; --axis) {
            uint256 whole = op.size(skipped + axis - 1);
            uint256 size = op.sizeOf(input, axis - 1);
            if (size > 1) index += element % whole * step;
            element /= whole;
            step *= size;
        }
    }

    /// @dev How many elements of the result lie after one another along the axes behind this one.
    function _after(bytes calldata op, uint256 axis) private pure returns (uint256 inner) {
        inner = 1;
        for (uint256 next = axis + 1; next < op.axes(); ++next) {
            inner *= op.size(next);
        }
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
