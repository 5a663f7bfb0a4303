// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IExactJudge} from "./interfaces/IExactJudge.sol";
import {Batch} from "./libraries/exact/Batch.sol";
import {Chain} from "./libraries/exact/Chain.sol";
import {Float32} from "./libraries/exact/Float32.sol";
import {IntegerProduct} from "./libraries/exact/IntegerProduct.sol";
import {LittleEndian} from "./libraries/exact/LittleEndian.sol";
import {MapProgram} from "./libraries/exact/MapProgram.sol";
import {Operands} from "./libraries/exact/Operands.sol";
import {OpLeaf} from "./libraries/exact/OpLeaf.sol";
import {Philox} from "./libraries/exact/Philox.sol";
import {ReduceLanes} from "./libraries/exact/ReduceLanes.sol";
import {ScatterAdd} from "./libraries/exact/ScatterAdd.sol";

/// @title ExactJudge
/// @notice Computes one segment of one element of any op of an exact graph. It holds nothing and asks nobody: the same
/// bytes give the same answer for ever. `src/verification/judge/` is its twin in TypeScript.
contract ExactJudge is IExactJudge {
    using OpLeaf for bytes;
    using LittleEndian for bytes;

    uint256 private constant WIDTH = 4;
    uint256 private constant LANES_WIDTH = 64;

    /// @inheritdoc IExactJudge
    function segment(bytes calldata op, uint256 element, uint256 index, bytes calldata acc, bytes calldata operands)
        external
        pure
        returns (bool fits, bytes memory result)
    {
        (uint256 terms, uint256 segments, uint256 width) = _chainOf(op);
        if (index > segments) revert NoSuchSegment(index, segments);
        if (acc.length != width) revert WrongAccumulator(acc.length, width);
        if (operands.length != Operands.lengthOf(op, terms, index, operands)) return (false, "");
        if (index == segments) return (true, LittleEndian.encode(_finished(op, element, acc, operands)));
        if (width == LANES_WIDTH) return (true, ReduceLanes.segment(op.attribute(0), acc, operands));
        return (true, LittleEndian.encode(_accumulated(op, element, acc.number(0), operands)));
    }

    /// @inheritdoc IExactJudge
    function chainOf(bytes calldata op)
        external
        pure
        returns (uint256 segments, uint256 width, bytes memory initial)
    {
        (, segments, width) = _chainOf(op);
        initial = new bytes(width);
        if (width == WIDTH || op.attribute(0) != ReduceLanes.MAX) return (segments, width, initial);
        for (uint256 lane = 0; lane < LANES_WIDTH / 4; ++lane) {
            // -infinity, least byte first.
            initial[4 * lane + 2] = 0x80;
            initial[4 * lane + 3] = 0xff;
        }
    }

    /// @inheritdoc IExactJudge
    function beginning(
        uint32 seed0,
        uint32 seed1,
        uint32 worker,
        uint32 step,
        uint32 row,
        uint64 beginnings
    ) external pure returns (uint256) {
        return Batch.beginning(seed0, seed1, worker, step, row, beginnings);
    }

    /// @dev The result of a segment that accumulates, but for reductions.
    function _accumulated(bytes calldata leaf, uint256 element, uint256 acc, bytes calldata operands)
        private
        pure
        returns (uint256)
    {
        uint256 kind = leaf.kind();
        if (kind == OpLeaf.CONTRACT) return Chain.segment(acc, operands);
        if (kind == OpLeaf.CONTRACT_I8) return IntegerProduct.segment(acc, operands);
        return ScatterAdd.segment(acc, element / (leaf.count() / leaf.size(0)), operands);
    }

    /// @dev The bits of the element, an i8 zero-extended.
    function _finished(bytes calldata leaf, uint256 element, bytes calldata acc, bytes calldata operands)
        private
        pure
        returns (uint256)
    {
        uint256 kind = leaf.kind();
        if (kind == OpLeaf.MAP) return _stored(leaf.dtype(), MapProgram.run(leaf.program(), operands));
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.SCATTER_ADD) return Float32.atOutput(acc.number(0));
        if (kind == OpLeaf.CONTRACT_I8) {
            return Float32.atOutput(IntegerProduct.scaled(acc.number(0), operands.number(0), operands.number(1)));
        }
        if (kind == OpLeaf.REDUCE) return Float32.atOutput(ReduceLanes.tree(leaf.attribute(0), acc));
        if (kind == OpLeaf.PHILOX) {
            return Philox.word(operands.number(0), operands.number(1), leaf.attribute(0), operands.number(2), element);
        }
        bool isIndexed = kind == OpLeaf.GATHER || kind == OpLeaf.PLACE;
        bytes calldata copied = operands[isIndexed ? 4 : 0:];
        if (copied.length == 0) return 0;
        return copied.length == 1 ? uint8(copied[0]) : copied.number(0);
    }

    function _stored(uint256 dtype, uint256 register) private pure returns (uint256) {
        if (dtype == OpLeaf.F32) return Float32.atOutput(register);
        return dtype == OpLeaf.I8 ? register & 0xff : register;
    }

    /// @return terms of each element
    /// @return segments that accumulate them
    /// @return width bytes of an accumulator
    function _chainOf(bytes calldata leaf) private pure returns (uint256 terms, uint256 segments, uint256 width) {
        leaf.check();
        uint256 kind = leaf.kind();
        if (kind == OpLeaf.STATE || kind > OpLeaf.PHILOX) revert NothingToJudge(kind);
        bool isReduce = kind == OpLeaf.REDUCE;
        if (isReduce && leaf.attribute(0) > ReduceLanes.MAX) revert UnknownReduction(leaf.attribute(0));
        terms = Operands.termsOf(leaf);
        segments = (terms + Operands.TERMS - 1) / Operands.TERMS;
        width = isReduce ? LANES_WIDTH : WIDTH;
    }
}
