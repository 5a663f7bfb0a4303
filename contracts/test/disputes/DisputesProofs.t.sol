// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {OpReads} from "../../src/libraries/OpReads.sol";
import {Sha256Tree} from "../../src/libraries/exact/Sha256Tree.sol";
import {DisputeBase} from "./DisputeBase.sol";
import {Trees} from "./Trees.sol";

/// @title The proofs by which a challenger wins, and that it wins by nothing else.
contract DisputesProofsTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        credit(claimant, 10 * BOND);
        credit(challenger, 10 * BOND);
    }

    /// @dev Against who has shown only what is true there is no proof, and the challenger's clock runs out.
    function test_honestClaimant_cannotLose() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToEnd(w, plan);
        refused(challenger, arithmeticCall(w, w.accs[1], w.operands), IDisputes.NothingProven.selector);
        for (uint256 term = 0; term < 64; term += 21) {
            plan.lie = 64 + term; // only says which number of b is opened
            World memory same = build(plan);
            (same.key, same.p) = (w.key, w.p);
            refused(challenger, readCall(w, term, w.openA), IDisputes.NothingProven.selector);
        }
        refused(challenger, readCall(w, 64, w.openB), IDisputes.NothingProven.selector);
        vm.warp(block.timestamp + CLOCK + 1);
        disputes.timeout(w.key);
        eq(uint256(stateOf(w.key)), uint256(IDisputes.DisputeState.ClaimantWon), "won");
    }

    function test_proveArithmetic_reverts() public {
        Plan memory plan = smallPlan();
        plan.wrong = 1;
        World memory w = build(plan);
        playToSegment(w, plan);
        refused(challenger, arithmeticCall(w, w.accs[1], w.operands), IDisputes.NotYourTurn.selector);
        operands(w);
        refused(claimant, arithmeticCall(w, w.accs[1], w.operands), IDisputes.NotYourTurn.selector);
        refused(challenger, arithmeticCall(w, w.accs[0], w.operands), IDisputes.NotCommitted.selector);
        refused(challenger, arithmeticCall(w, w.accs[1], noise(512)), IDisputes.NotCommitted.selector);
        bytes memory op = w.op;
        w.op = noise(32);
        refused(challenger, arithmeticCall(w, w.accs[1], w.operands), IDisputes.NotCommitted.selector);
        w.op = op;
        refused(
            challenger,
            abi.encodeCall(disputes.proveSlot, (w.key, w.p, op, w.opPath, 0, w.root, w.opPath)),
            IDisputes.WrongMove.selector
        );
    }

    /// forge-config: default.fuzz.runs = 24
    /// @dev One bit of one accumulator, in any segment.
    function test_proveArithmetic(uint8 segment, uint8 bit) public {
        Plan memory plan = smallPlan();
        (plan.segment, plan.wrong) = (bound(segment, 0, 3), uint8(1 << (bit % 8)));
        World memory w = build(plan);
        playToEnd(w, plan);
        proveArithmetic(w);
        won(w, IDisputes.ClaimState.Rejected);
        refused(challenger, arithmeticCall(w, w.accs[1], w.operands), IDisputes.DisputeNotOpen.selector);
    }

    /// forge-config: default.fuzz.runs = 24
    /// @dev Operands of another length are wrong whatever they hold.
    function test_proveArithmetic_ofTheWrongLength(uint16 length) public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        length = uint16(bound(length, 0, 1024));
        if (length == 512) length = 511;
        playToSegment(w, plan);
        w.operands = noise(length);
        operands(w);
        if (length < 4) refused(challenger, readCall(w, 0, w.openA), IDisputes.OutOfRange.selector);
        proveArithmetic(w);
        won(w, IDisputes.ClaimState.Rejected);
    }

    function test_proveRead_reverts() public {
        Plan memory plan = smallPlan();
        plan.lie = 7;
        World memory w = build(plan);
        playToSegment(w, plan);
        refused(challenger, readCall(w, 7, w.openA), IDisputes.NotYourTurn.selector);
        operands(w);
        refused(claimant, readCall(w, 7, w.openA), IDisputes.NotYourTurn.selector);
        refused(challenger, readCall(w, 6, w.openA), IDisputes.NothingProven.selector);
        refused(challenger, readCall(w, 128, w.openA), OpReads.NoSuchRead.selector);
        refused(challenger, readCall(w, type(uint256).max, w.openA), OpReads.NoSuchRead.selector);
        // Opened in another tensor, with its own root or without it.
        refused(challenger, readCall(w, 7, w.openB), Sha256Tree.WrongPathLength.selector);
        w.openB.rootPath = w.openA.rootPath;
        refused(challenger, readCall(w, 7, w.openB), IDisputes.NotCommitted.selector);
        IDisputes.TensorOpening memory other = w.openA;
        bytes32 root = other.root;
        other.root = w.root;
        refused(challenger, readCall(w, 7, other), IDisputes.NotCommitted.selector);
        other.root = root;
        other.leaf = slice(other.leaf, 0, 252);
        refused(challenger, readCall(w, 7, other), IDisputes.WrongLength.selector);
        other.leaf = noise(256);
        refused(challenger, readCall(w, 7, other), IDisputes.NotCommitted.selector);
        bytes32[] memory path = other.leafPath;
        other.leafPath = Trees.join(path, path);
        refused(challenger, readCall(w, 7, other), Sha256Tree.WrongPathLength.selector);
        other.leafPath = path;
        path = other.rootPath;
        other.rootPath = new bytes32[](path.length - 1);
        refused(challenger, readCall(w, 7, other), Sha256Tree.WrongPathLength.selector);
        other.rootPath = path;
        refused(
            challenger,
            abi.encodeCall(disputes.proveRead, (w.key, w.p, w.op, noise(512), 7, other)),
            IDisputes.NotCommitted.selector
        );
    }

    /// forge-config: default.fuzz.runs = 24
    /// @dev One bit of one operand that comes from a value of the step, or from the state before it.
    function test_proveRead(uint8 read, uint8 segment) public {
        Plan memory plan = smallPlan();
        (plan.lie, plan.segment) = (bound(read, 0, 127), bound(segment, 0, 2));
        World memory w = build(plan);
        playToEnd(w, plan);
        if (plan.lie >= 64) {
            w.openB.name = ~w.openB.name;
            refused(challenger, readCall(w, plan.lie, w.openB), IDisputes.NotCommitted.selector);
            w.openB.name = ~w.openB.name;
        }
        proveRead(w, plan.lie);
        won(w, IDisputes.ClaimState.Rejected);
    }

    function test_proveSlot_reverts() public {
        (World memory w, bytes memory leaf, bytes32[] memory path) = playSlot(false, true);
        bytes memory call = slotCall(w, leaf, w.opPath, w.root, path);
        refused(claimant, call, IDisputes.NotYourTurn.selector);
        refused(challenger, call, IDisputes.NothingProven.selector);
        bytes32[] memory longer = Trees.join(path, path);
        refused(challenger, slotCall(w, leaf, longer, w.root, path), Sha256Tree.WrongPathLength.selector);
        refused(challenger, slotCall(w, leaf, path, w.root, path), IDisputes.NotCommitted.selector);
        refused(challenger, slotCall(w, noise(512), w.opPath, w.root, path), IDisputes.NotCommitted.selector);
        refused(challenger, slotCall(w, leaf, w.opPath, ~w.root, path), IDisputes.NotCommitted.selector);
        refused(challenger, slotCall(w, leaf, w.opPath, w.root, w.opPath), IDisputes.NotCommitted.selector);
        refused(challenger, slotCall(w, leaf, w.opPath, w.root, longer), Sha256Tree.WrongPathLength.selector);
        refused(challenger, arithmeticCall(w, "", ""), IDisputes.WrongMove.selector);
    }

    /// @dev A slot that should have become a value of the step, or another slot, and did not.
    function test_proveSlot(bool fromState) public {
        (World memory w, bytes memory leaf, bytes32[] memory path) = playSlot(fromState, false);
        bytes32 name = sha256("other");
        vm.prank(challenger);
        disputes.proveSlot(w.key, w.p, leaf, w.opPath, name, w.root, path);
        won(w, IDisputes.ClaimState.Rejected);
    }

    /// @dev The claimant shows slot 2 after the step; the graph says that it is value 0, or the one at place 21.
    function playSlot(bool fromState, bool honest)
        private
        returns (World memory w, bytes memory leaf, bytes32[] memory path)
    {
        Plan memory plan = smallPlan();
        w = build(plan);
        bytes memory type_ = typeWords(2, 4, 64);
        leaf = bytes.concat(
            abi.encode(0), type_, sha256("slot"), abi.encode(fromState ? 0 : plan.stateCount + plan.place),
            new bytes(5 * 32)
        );
        if (fromState) {
            bytes memory other = abi.encodePacked(sha256("other"), type_, w.root);
            (path, w.stateBefore) = Trees.pathFor(Trees.leafHash(other), 0, plan.stateCount);
        } else {
            path = Trees.pathOf(w.trace, false);
        }
        bytes memory slot = abi.encodePacked(sha256("slot"), type_, honest ? w.root : ~w.root);
        (w.afterStages, w.stateAfter) = Trees.grow(Trees.leafHash(slot), 2, plan.stateCount, 0);
        buildGraph(w, plan, leaf, 2);
        buildRun(w, plan);
        playToTrace(w);
        vm.prank(challenger);
        disputes.disputeAfter(w.key, w.p);
        (w.p.node, w.p.phase, w.p.turn, w.p.level) = (w.stateAfter, 3, 0, 2);
        dissect(w, w.afterStages, 0);
        eq(w.p.phase * 2 + w.p.turn, 19, "the challenger, at the slot");
    }

    /// @dev With one slot nothing is to be dissected.
    function test_disputeAfter_ofOneSlot() public {
        Plan memory plan = smallPlan();
        plan.stateCount = 1;
        World memory w = build(plan);
        playToTrace(w);
        vm.prank(challenger);
        disputes.disputeAfter(w.key, w.p);
        (w.p.node, w.p.phase, w.p.turn, w.p.level) = (w.stateAfter, 9, 1, 0);
        refused(claimant, abi.encodeCall(disputes.concede, (w.key)), IDisputes.NotYourTurn.selector);
        vm.prank(challenger);
        disputes.concede(w.key);
        eq(uint256(stateOf(w.key)), uint256(IDisputes.DisputeState.ClaimantWon), "conceded");
    }

    function test_proveDraw_reverts() public {
        (World memory w, IDisputes.DataOpening memory data) = playDraw(1000, 1);
        bytes memory call = abi.encodeCall(disputes.proveDraw, (w.key, w.p, w.claim, w.op, w.operands, data));
        refused(claimant, call, IDisputes.NotYourTurn.selector);
        bytes memory leaf = data.leaf;
        data.leaf = slice(leaf, 0, 100);
        refused(challenger, drawCall(w, data), IDisputes.WrongLength.selector);
        data.leaf = new bytes(leaf.length);
        refused(challenger, drawCall(w, data), IDisputes.NotCommitted.selector);
        data.leaf = leaf;
        data.byteLength += 1;
        refused(challenger, drawCall(w, data), IDisputes.NotCommitted.selector);
        data.byteLength -= 1;
        bytes32[] memory path = data.leafPath;
        data.leafPath = new bytes32[](0);
        refused(challenger, drawCall(w, data), Sha256Tree.WrongPathLength.selector);
        data.leafPath = path;
        w.claim.worker += 1;
        refused(challenger, drawCall(w, data), IDisputes.WrongClaim.selector);
        w.claim.worker -= 1;
        refused(challenger, readCall(w, 0, w.openA), OpReads.NoSuchRead.selector);
        vm.prank(challenger);
        disputes.proveDraw(w.key, w.p, w.claim, w.op, w.operands, data);
        won(w, IDisputes.ClaimState.Rejected);
    }

    function test_proveDraw_ofTheRightByte() public {
        (World memory w, IDisputes.DataOpening memory data) = playDraw(1000, 0);
        refused(challenger, drawCall(w, data), IDisputes.NothingProven.selector);
        refused(challenger, arithmeticCall(w, w.accs[0], w.operands), IDisputes.NothingProven.selector);
    }

    function test_proveDraw_ofAnotherOp() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToEnd(w, plan);
        IDisputes.DataOpening memory data;
        refused(challenger, drawCall(w, data), IDisputes.NotDrawn.selector);
    }

    /// @dev Nothing can be drawn from less than a row, so that whatever was claimed is wrong.
    function test_proveDraw_ofShortData() public {
        (World memory w, IDisputes.DataOpening memory data) = playDraw(9, 0);
        (data.leaf, data.leafPath) = ("", new bytes32[](0));
        vm.prank(challenger);
        disputes.proveDraw(w.key, w.p, w.claim, w.op, w.operands, data);
        won(w, IDisputes.ClaimState.Rejected);
    }

    /// @dev Token 3 of row 2 of a batch of 4 rows of 10, at step 37.
    function playDraw(uint64 length, uint8 wrong)
        private
        returns (World memory w, IDisputes.DataOpening memory data)
    {
        Plan memory plan = smallPlan();
        (plan.place, plan.rows, plan.columns, plan.terms, plan.element, plan.segment) = (0, 4, 10, 64, 23, 0);
        w.op = bytes.concat(
            abi.encode(1, 1, 2, 4, 10), new bytes(4 * 32), sha256("tokens"), new bytes(6 * 32)
        );
        uint256 begin = length < 10 ? 0 : judge.beginning(7, 8, 9, 37, 2, length - 9) + 3;
        uint256 leaf = begin / 256;
        data.byteLength = length;
        data.leaf = noise(length - 256 * leaf < 256 ? length - 256 * leaf : 256);
        (data.leafPath, data.bytesRoot) = Trees.pathFor(Trees.leafHash(data.leaf), leaf, (uint256(length) + 255) / 256);
        bytes1 token = data.leaf[begin % 256] ^ bytes1(wrong);
        w.operands = abi.encodePacked(token);
        w.accs = new bytes[](2);
        (w.accs[0], w.accs[1]) = (new bytes(4), bytes.concat(token, new bytes(3)));
        w.place = 23;
        w.leaf = noise(160);
        for (uint256 i = 0; i < 4; ++i) w.leaf[4 * 23 + i] = w.accs[1][i];
        w.root = Trees.leafHash(w.leaf);
        (w.trace, w.traceRoot) = Trees.grow(Trees.leafHash(w.root), 0, plan.opCount + 1, 0);
        buildGraph(w, plan, w.op, plan.stateCount);
        buildRun(w, plan);
        w.claim.data = sha256(abi.encode(length, data.bytesRoot));
        (w.claim.seed0, w.claim.seed1, w.claim.worker) = (7, 8, 9);
        playToValue(w, plan);
        tensor(w);
        pickElement(w);
        operands(w);
    }

    function readCall(World memory w, uint256 read, IDisputes.TensorOpening memory open)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(disputes.proveRead, (w.key, w.p, w.op, w.operands, read, open));
    }

    function arithmeticCall(World memory w, bytes memory acc, bytes memory shown) private view returns (bytes memory) {
        return abi.encodeCall(disputes.proveArithmetic, (w.key, w.p, w.op, acc, shown));
    }

    function slotCall(
        World memory w,
        bytes memory leaf,
        bytes32[] memory leafPath,
        bytes32 root,
        bytes32[] memory path
    ) private view returns (bytes memory) {
        return abi.encodeCall(disputes.proveSlot, (w.key, w.p, leaf, leafPath, sha256("other"), root, path));
    }

    function drawCall(World memory w, IDisputes.DataOpening memory data) private view returns (bytes memory) {
        return abi.encodeCall(disputes.proveDraw, (w.key, w.p, w.claim, w.op, w.operands, data));
    }

    function won(World memory w, IDisputes.ClaimState state) private view {
        eq(uint256(stateOf(w.key)), uint256(IDisputes.DisputeState.ChallengerWon), "won");
        eq(uint256(disputes.stateOf(w.claim)), uint256(state), "claim");
        eq(freeOf(challenger), 10 * BOND + BOND - BOND / 5, "reward");
        eq(reservedOf(claimant) + reservedOf(challenger), 0, "reserved");
    }
}
