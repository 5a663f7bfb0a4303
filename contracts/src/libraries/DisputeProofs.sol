// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IExactJudge} from "../interfaces/IExactJudge.sol";
import {DisputePosition} from "./DisputePosition.sol";
import {OpReads} from "./OpReads.sol";
import {OpLeaf} from "./exact/OpLeaf.sol";
import {Sha256Tree} from "./exact/Sha256Tree.sol";

/// @title The moves by which a challenger wins. Each reverts when it proves nothing.
library DisputeProofs {
    using OpLeaf for bytes;
    using DisputePosition for IDisputes.Position;

    /// @notice A read is not what stands in the tensor that it comes from.
    function proveRead(
        IDisputes.Position memory p,
        bytes calldata opLeaf,
        bytes calldata shown,
        uint256 read,
        IDisputes.TensorOpening calldata opening
    ) internal view {
        _checkSegment(p, opLeaf, shown);
        OpReads.Read memory source = OpReads.readOf(opLeaf, p.element, p.low, read, shown);
        uint256 size = OpLeaf.elementBytes(opLeaf.dtypeOf(source.input));
        _checkWithin(source.offset + size, shown.length);
        p.openRoot(
            opLeaf.valueOf(source.input),
            opening.root,
            _stateLeaf(opLeaf, source.input, opening.name, opening.root),
            opening.rootPath
        );
        uint256 start = source.element * size;
        uint256 length = opLeaf.countOf(source.input) * size;
        DisputePosition.openLeaf(
            opening.root, opening.leaf, start / DisputePosition.LEAF_BYTES, length, opening.leafPath
        );
        start %= DisputePosition.LEAF_BYTES;
        _checkWithin(start + size, opening.leaf.length);
        bytes32 given = keccak256(shown[source.offset:source.offset + size]);
        if (given == keccak256(opening.leaf[start:start + size])) revert IDisputes.NothingProven();
    }

    /// @notice A token is not the byte that was drawn from the data, or the data is shorter than a row.
    function proveDraw(
        IDisputes.Position memory p,
        IDisputes.Claim calldata claim,
        bytes calldata opLeaf,
        bytes calldata shown,
        IDisputes.DataOpening calldata opening,
        IExactJudge judge
    ) internal view {
        _checkSegment(p, opLeaf, shown);
        bool isTokens = opLeaf.kind() == OpLeaf.BATCH && opLeaf.dtype() == OpLeaf.U32 && opLeaf.axes() == 2;
        if (!isTokens) revert IDisputes.NotDrawn(opLeaf.kind());
        _checkWithin(1, shown.length);
        bytes32 root = sha256(abi.encode(opening.byteLength, opening.bytesRoot));
        if (root != claim.data) revert IDisputes.NotCommitted(root, claim.data);
        (uint256 rowLength, uint256 element) = (opLeaf.size(1), p.element);
        if (opening.byteLength < rowLength) return;
        uint256 place = judge.beginning(
            claim.seed0,
            claim.seed1,
            claim.worker,
            p.step,
            uint32(element / rowLength),
            uint64(opening.byteLength - rowLength + 1)
        ) + element % rowLength;
        uint256 leaf = place / DisputePosition.LEAF_BYTES;
        DisputePosition.openLeaf(opening.bytesRoot, opening.leaf, leaf, opening.byteLength, opening.leafPath);
        if (shown[0] == opening.leaf[place % DisputePosition.LEAF_BYTES]) revert IDisputes.NothingProven();
    }

    /// @notice The segment gives something else, or reads more or less than was shown.
    function proveArithmetic(
        IDisputes.Position memory p,
        bytes calldata opLeaf,
        bytes calldata accIn,
        bytes calldata shown,
        IExactJudge judge
    ) internal pure {
        _checkSegment(p, opLeaf, shown);
        _same(keccak256(accIn), p.accIn);
        (bool fits, bytes memory result) = judge.segment(opLeaf, p.element, p.low, accIn, shown);
        if (fits && keccak256(result) == p.accOut) revert IDisputes.NothingProven();
    }

    /// @notice A slot of the state after the step does not hold its next value.
    function proveSlot(
        IDisputes.Position memory p,
        bytes calldata slotLeaf,
        bytes32[] calldata slotPath,
        bytes32 nextName,
        bytes32 root,
        bytes32[] calldata rootPath
    ) internal view {
        if (p.phase != DisputePosition.SLOT) revert IDisputes.WrongMove(p.phase, p.level);
        p.openGraph(p.index, slotLeaf, slotPath);
        slotLeaf.check();
        p.openRoot(slotLeaf.attribute(1), root, _stateLeafOf(slotLeaf[32:288], nextName, root), rootPath);
        bytes32 name = bytes32(slotLeaf.attribute(0));
        bytes32 expected = Sha256Tree.leafHashOf(_stateLeafOf(slotLeaf[32:288], name, root));
        if (expected == p.node) revert IDisputes.NothingProven();
    }

    function _checkSegment(IDisputes.Position memory p, bytes calldata opLeaf, bytes calldata shown) private pure {
        if (p.phase != DisputePosition.SEGMENT) revert IDisputes.WrongMove(p.phase, p.level);
        _same(keccak256(opLeaf), p.op);
        _same(keccak256(shown), p.shown);
    }

    /// @dev The leaf in a state of an op's input, if it is one of the state.
    function _stateLeaf(bytes calldata opLeaf, uint256 input, bytes32 name, bytes32 root)
        private
        pure
        returns (bytes memory)
    {
        // Behind a head of 16 words, 9 words an input: its number, then its type.
        uint256 first = (17 + 9 * input) * 32;
        return _stateLeafOf(opLeaf[first:first + 256], name, root);
    }

    /// @param typeWords type, number of axes, six sizes.
    function _stateLeafOf(bytes calldata typeWords, bytes32 name, bytes32 root) private pure returns (bytes memory) {
        return abi.encodePacked(name, typeWords, root);
    }

    function _checkWithin(uint256 end, uint256 length) private pure {
        if (end > length) revert IDisputes.OutOfRange(end, length);
    }

    function _same(bytes32 given, bytes32 expected) private pure {
        if (given != expected) revert IDisputes.NotCommitted(given, expected);
    }
}
