// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {IExactJudge} from "../interfaces/IExactJudge.sol";
import {OpLeaf} from "./exact/OpLeaf.sol";
import {Sha256Tree} from "./exact/Sha256Tree.sol";

/// @title The game of a dispute: what each move must be, and the position that it leads to.
/// @notice `docs/disputes.md` is the whole of it; money and clocks are elsewhere. Functions change the position they get.
library DisputePosition {
    using OpLeaf for bytes;
    using SafeCast for uint256;

    uint8 internal constant CLAIMANT = 0;
    uint8 internal constant CHALLENGER = 1;

    uint8 internal constant RUN = 0;
    uint8 internal constant STEP = 1;
    uint8 internal constant TRACE = 2;
    uint8 internal constant AFTER = 3;
    uint8 internal constant VALUE = 4;
    uint8 internal constant TENSOR = 5;
    uint8 internal constant LEAF = 6;
    uint8 internal constant CHAIN = 7;
    uint8 internal constant SEGMENT = 8;
    uint8 internal constant SLOT = 9;

    uint256 internal constant LEAF_BYTES = 256;
    uint256 private constant MAX_OPERANDS = 1024;
    uint256 private constant GRAPH_VERSION = 1;

    function hash(IDisputes.Position memory position) internal pure returns (bytes32) {
        return keccak256(abi.encode(position));
    }

    /// @notice Where a dispute begins.
    function first(IDisputes.Claim calldata claim) internal pure returns (IDisputes.Position memory p) {
        p.node = claim.run;
        p.level = uint8(Sha256Tree.depthOf(claim.steps));
        p.phase = claim.steps == 1 ? STEP : RUN;
    }

    /// @notice The claimant shows the nodes under the node.
    function reveal(IDisputes.Position memory p, bytes32[] calldata nodes, uint256 steps) internal view {
        if (!_isTree(p.phase) || p.level == 0) revert IDisputes.WrongMove(p.phase, p.level);
        _checkNodes(p, nodes, steps);
        p.turn = CHALLENGER;
    }

    /// @notice The challenger points at one of them.
    function pick(
        IDisputes.Position memory p,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings,
        uint256 steps
    ) internal view {
        _descend(p, child, picked, siblings, steps);
        if (p.level > 0) {
            p.turn = CLAIMANT;
            return;
        }
        if (p.phase == TRACE) revert IDisputes.WrongMove(p.phase, p.level);
        if (p.phase == AFTER) {
            p.phase = SLOT;
            return;
        }
        (p.phase, p.turn) = (p.phase == RUN ? STEP : LEAF, CLAIMANT);
    }

    /// @notice The same at the bottom of a trace.
    function pickValue(
        IDisputes.Position memory p,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings,
        bytes calldata opLeaf,
        bytes32[] calldata opPath,
        IExactJudge judge
    ) internal view {
        if (p.phase != TRACE) revert IDisputes.WrongMove(p.phase, p.level);
        _descend(p, child, picked, siblings, 0);
        if (p.level > 0) revert IDisputes.WrongMove(p.phase, p.level);
        uint256 value = uint256(p.stateCount) + p.index;
        openGraph(p, value, opLeaf, opPath);
        (uint256 segments, uint256 width, bytes memory initial) = judge.chainOf(opLeaf);
        uint256 size = OpLeaf.elementBytes(opLeaf.dtype());
        p.value = value.toUint32();
        p.op = keccak256(opLeaf);
        p.byteLength = (countOf(opLeaf) * size).toUint64();
        p.elementBytes = uint8(size);
        p.width = uint8(width);
        p.low = 0;
        p.high = (segments + 1).toUint32();
        p.accIn = keccak256(initial);
        (p.phase, p.turn) = (VALUE, CLAIMANT);
    }

    /// @notice The claimant shows the states around a step, and what lies highest in its trace.
    function enter(
        IDisputes.Position memory p,
        IDisputes.Claim calldata claim,
        bytes32 stateBefore,
        bytes32[] calldata path,
        bytes32 stateAfter,
        IDisputes.Header calldata header,
        bytes32 trace,
        bytes32[] calldata nodes
    ) internal view {
        if (p.phase != STEP) revert IDisputes.WrongMove(p.phase, p.level);
        _same(Sha256Tree.leafHashOf(stateAfter), p.node);
        uint256 step = p.index;
        if (step + 1 == claim.steps) _same(stateAfter, claim.end);
        if (step == 0) {
            _same(stateBefore, claim.start);
            if (path.length > 0) revert IDisputes.WrongCount(path.length, 0);
        } else {
            _same(Sha256Tree.rootFrom(Sha256Tree.leafHashOf(stateBefore), step - 1, claim.steps, path), claim.run);
        }
        if (header.stateCount == 0 || header.batchCount > 1 || header.opCount == 0) {
            revert IDisputes.UnknownGraph(header.stateCount, header.batchCount, header.opCount);
        }
        _same(sha256(abi.encode(GRAPH_VERSION, header)), claim.graph);
        p.step = uint32(step);
        (p.stateBefore, p.stateAfter, p.leaves) = (stateBefore, stateAfter, header.leaves);
        (p.stateCount, p.batchCount) = (header.stateCount, header.batchCount);
        (p.opCount, p.resultCount) = (header.opCount, header.resultCount);
        (p.trace, p.node, p.index) = (trace, trace, 0);
        (p.phase, p.turn) = (TRACE, CHALLENGER);
        p.level = uint8(Sha256Tree.depthOf(_countOf(p, 0)));
        _checkNodes(p, nodes, 0);
    }

    /// @notice The challenger concedes the trace.
    function disputeAfter(IDisputes.Position memory p) internal pure {
        bool isWhole = p.phase == TRACE && p.level == Sha256Tree.depthOf(_countOf(p, 0));
        if (!isWhole) revert IDisputes.WrongMove(p.phase, p.level);
        (p.node, p.index) = (p.stateAfter, 0);
        p.level = uint8(Sha256Tree.depthOf(p.stateCount));
        (p.phase, p.turn) = p.stateCount == 1 ? (SLOT, CHALLENGER) : (AFTER, CLAIMANT);
    }

    /// @notice The claimant shows a value's tensor: the nodes under its root, or the bytes of its only leaf.
    function tensor(IDisputes.Position memory p, bytes32 root, bytes32[] calldata nodes, bytes calldata leaf)
        internal
        view
    {
        if (p.phase != VALUE) revert IDisputes.WrongMove(p.phase, p.level);
        _same(Sha256Tree.leafHashOf(root), p.node);
        (p.node, p.index) = (root, 0);
        p.level = uint8(Sha256Tree.depthOf(leavesIn(p.byteLength)));
        if (p.level == 0) {
            if (nodes.length > 0) revert IDisputes.WrongCount(nodes.length, 0);
            p.phase = LEAF;
            showLeaf(p, leaf);
        } else {
            if (leaf.length > 0) revert IDisputes.WrongLength(leaf.length, 0);
            (p.phase, p.turn) = (TENSOR, CHALLENGER);
            _checkNodes(p, nodes, 0);
        }
    }

    /// @notice The claimant shows the bytes of a leaf.
    function showLeaf(IDisputes.Position memory p, bytes calldata leaf) internal view {
        if (p.phase != LEAF) revert IDisputes.WrongMove(p.phase, p.level);
        checkLeaf(p.node, leaf, p.index, p.byteLength);
        _show(p, leaf);
    }

    /// @notice The challenger points at an element of them.
    function pickElement(IDisputes.Position memory p, uint256 place, bytes calldata leaf) internal pure {
        if (p.phase != LEAF) revert IDisputes.WrongMove(p.phase, p.level);
        _takeShown(p, leaf);
        uint256 size = p.elementBytes;
        if (place >= leaf.length / size) revert IDisputes.OutOfRange(place, leaf.length / size);
        p.element = (p.index * LEAF_BYTES / size + place).toUint64();
        bytes4 element = size == 1 ? bytes4(leaf[place]) : bytes4(leaf[4 * place:4 * place + 4]);
        p.accOut = keccak256(abi.encodePacked(element));
        (p.phase, p.turn) = (p.high == 1 ? SEGMENT : CHAIN, CLAIMANT);
    }

    /// @notice The claimant shows the accumulators between parts of the chain.
    function accumulators(IDisputes.Position memory p, bytes calldata shown) internal pure {
        if (p.phase != CHAIN) revert IDisputes.WrongMove(p.phase, p.level);
        uint256 expected = (_partsOf(p) - 1) * p.width;
        if (shown.length != expected) revert IDisputes.WrongLength(shown.length, expected);
        _show(p, shown);
    }

    /// @notice The challenger points at a part.
    function pickPart(IDisputes.Position memory p, uint256 part, bytes calldata shown) internal pure {
        if (p.phase != CHAIN) revert IDisputes.WrongMove(p.phase, p.level);
        _takeShown(p, shown);
        (uint256 parts, uint256 width) = (_partsOf(p), p.width);
        if (part >= parts) revert IDisputes.OutOfRange(part, parts);
        (uint256 low, uint256 number) = (p.low, p.high - p.low);
        p.low = uint32(low + part * number / parts);
        p.high = uint32(low + (part + 1) * number / parts);
        if (part > 0) p.accIn = keccak256(shown[(part - 1) * width:part * width]);
        if (part + 1 < parts) p.accOut = keccak256(shown[part * width:(part + 1) * width]);
        (p.phase, p.turn) = (p.high - p.low == 1 ? SEGMENT : CHAIN, CLAIMANT);
    }

    /// @notice The claimant shows what the segment reads. Whether that is enough, `proveArithmetic` says.
    function operands(IDisputes.Position memory p, bytes calldata shown) internal pure {
        if (p.phase != SEGMENT) revert IDisputes.WrongMove(p.phase, p.level);
        if (shown.length > MAX_OPERANDS) revert IDisputes.WrongLength(shown.length, MAX_OPERANDS);
        _show(p, shown);
    }

    /// @notice Reverts unless a leaf of the graph is the one of this number.
    function openGraph(
        IDisputes.Position memory p,
        uint256 index,
        bytes calldata leaf,
        bytes32[] calldata path
    ) internal view {
        uint256 count = uint256(p.stateCount) + p.batchCount + p.opCount + p.resultCount;
        _same(Sha256Tree.rootFrom(Sha256Tree.leafHash(leaf), index, count, path), p.leaves);
    }

    /// @notice Reverts unless `root` is that of a value's tensor, as it was before the step or was computed in it.
    /// @param stateLeaf the value's leaf where it is one of the state.
    function openRoot(
        IDisputes.Position memory p,
        uint256 value,
        bytes32 root,
        bytes memory stateLeaf,
        bytes32[] calldata path
    ) internal view {
        if (value < p.stateCount) {
            _same(
                Sha256Tree.rootFrom(Sha256Tree.leafHashOf(stateLeaf), value, p.stateCount, path), p.stateBefore
            );
        } else {
            uint256 index = value - p.stateCount;
            _same(Sha256Tree.rootFrom(Sha256Tree.leafHashOf(root), index, _traceCount(p), path), p.trace);
        }
    }

    /// @notice Reverts unless these are the bytes of leaf `index` of some bytes, by the leaf's hash.
    function checkLeaf(bytes32 node, bytes calldata leaf, uint256 index, uint256 byteLength) internal view {
        checkLeafLength(leaf, index, byteLength);
        _same(Sha256Tree.leafHash(leaf), node);
    }

    /// @notice Reverts unless these are the bytes of leaf `index` of some bytes, by their root.
    function openLeaf(bytes32 root, bytes calldata leaf, uint256 index, uint256 byteLength, bytes32[] calldata path)
        internal
        view
    {
        checkLeafLength(leaf, index, byteLength);
        _same(Sha256Tree.rootFrom(Sha256Tree.leafHash(leaf), index, leavesIn(byteLength), path), root);
    }

    function checkLeafLength(bytes calldata leaf, uint256 index, uint256 byteLength) internal pure {
        uint256 rest = byteLength - index * LEAF_BYTES;
        uint256 expected = rest < LEAF_BYTES ? rest : LEAF_BYTES;
        if (leaf.length != expected) revert IDisputes.WrongLength(leaf.length, expected);
    }

    function leavesIn(uint256 byteLength) internal pure returns (uint256) {
        return (byteLength + LEAF_BYTES - 1) / LEAF_BYTES;
    }

    /// @notice How many elements the value has that a leaf of the graph computes.
    function countOf(bytes calldata opLeaf) internal pure returns (uint256 count) {
        count = 1;
        for (uint256 axis = 0; axis < opLeaf.axes(); ++axis) {
            count *= opLeaf.size(axis);
        }
    }

    /// @notice How far a reveal goes down from a level.
    function strideOf(uint256 level) internal pure returns (uint256) {
        if (level <= 5) return level;
        return level % 4 == 0 ? 4 : 5;
    }

    function _isTree(uint8 phase) private pure returns (bool) {
        return phase == RUN || phase == TRACE || phase == AFTER || phase == TENSOR;
    }

    /// @dev How many leaves the tree of this phase has.
    function _countOf(IDisputes.Position memory p, uint256 steps) private pure returns (uint256) {
        if (p.phase == RUN) return steps;
        if (p.phase == TRACE) return _traceCount(p);
        return p.phase == AFTER ? p.stateCount : leavesIn(p.byteLength);
    }

    function _traceCount(IDisputes.Position memory p) private pure returns (uint256) {
        return uint256(p.batchCount) + p.opCount;
    }

    /// @dev How many nodes a reveal under the position's node shows.
    function _nodesUnder(IDisputes.Position memory p, uint256 steps) private pure returns (uint256 number) {
        (, number) = Sha256Tree.nodesUnder(p.level, p.index, _countOf(p, steps), strideOf(p.level));
    }

    function _checkNodes(IDisputes.Position memory p, bytes32[] calldata nodes, uint256 steps) private view {
        uint256 expected = _nodesUnder(p, steps);
        if (nodes.length != expected) revert IDisputes.WrongCount(nodes.length, expected);
        _same(Sha256Tree.fold(nodes), p.node);
    }

    function _descend(
        IDisputes.Position memory p,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings,
        uint256 steps
    ) private view {
        if (!_isTree(p.phase)) revert IDisputes.WrongMove(p.phase, p.level);
        uint256 count = _nodesUnder(p, steps);
        _same(Sha256Tree.rootFrom(picked, child, count, siblings), p.node);
        uint256 stride = strideOf(p.level);
        p.node = picked;
        p.level -= uint8(stride);
        p.index = ((uint256(p.index) << stride) + child).toUint64();
    }

    /// @dev How many parts the segments in dispute fall into.
    function _partsOf(IDisputes.Position memory p) private pure returns (uint256) {
        uint256 most = p.width == 4 ? 64 : 16;
        uint256 number = p.high - p.low;
        return number < most ? number : most;
    }

    function _show(IDisputes.Position memory p, bytes calldata shown) private pure {
        p.shown = keccak256(shown);
        p.turn = CHALLENGER;
    }

    function _takeShown(IDisputes.Position memory p, bytes calldata shown) private pure {
        _same(keccak256(shown), p.shown);
        p.shown = 0;
    }

    function _same(bytes32 given, bytes32 expected) private pure {
        if (given != expected) revert IDisputes.NotCommitted(given, expected);
    }
}
