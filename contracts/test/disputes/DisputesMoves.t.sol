// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeRules} from "../../src/interfaces/IDisputeRules.sol";
import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {Sha256Tree} from "../../src/libraries/exact/Sha256Tree.sol";
import {DisputeBase} from "./DisputeBase.sol";
import {Trees} from "./Trees.sol";

/// @title Every move between the challenge and the segment: what it must be, in whose turn, and where it leads.
contract DisputesMovesTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        credit(claimant, 10 * BOND);
        credit(challenger, 10 * BOND);
    }

    /// @dev Calls are sent on to the rules as they come, so that both must know them by the same selectors.
    function test_rules_haveTheSameMoves() public pure {
        ok(IDisputes.reveal.selector == IDisputeRules.reveal.selector, "reveal");
        ok(IDisputes.pick.selector == IDisputeRules.pick.selector, "pick");
        ok(IDisputes.pickValue.selector == IDisputeRules.pickValue.selector, "pickValue");
        ok(IDisputes.enter.selector == IDisputeRules.enter.selector, "enter");
        ok(IDisputes.disputeAfter.selector == IDisputeRules.disputeAfter.selector, "disputeAfter");
        ok(IDisputes.tensor.selector == IDisputeRules.tensor.selector, "tensor");
        ok(IDisputes.showLeaf.selector == IDisputeRules.showLeaf.selector, "showLeaf");
        ok(IDisputes.pickElement.selector == IDisputeRules.pickElement.selector, "pickElement");
        ok(IDisputes.accumulators.selector == IDisputeRules.accumulators.selector, "accumulators");
        ok(IDisputes.pickPart.selector == IDisputeRules.pickPart.selector, "pickPart");
        ok(IDisputes.operands.selector == IDisputeRules.operands.selector, "operands");
        ok(IDisputes.proveRead.selector == IDisputeRules.proveRead.selector, "proveRead");
        ok(IDisputes.proveDraw.selector == IDisputeRules.proveDraw.selector, "proveDraw");
        ok(IDisputes.proveArithmetic.selector == IDisputeRules.proveArithmetic.selector, "proveArithmetic");
        ok(IDisputes.proveSlot.selector == IDisputeRules.proveSlot.selector, "proveSlot");
    }

    function test_reveal_reverts() public {
        World memory w = build(smallPlan());
        bytes32[] memory nodes = w.run[0].nodes;
        w.key = IDisputes.Key(disputes.claimId(w.claim), challenger);
        refused(claimant, abi.encodeCall(disputes.reveal, (w.key, w.p, nodes)), IDisputes.DisputeNotOpen.selector);
        start(w);
        bytes memory call = abi.encodeCall(disputes.reveal, (w.key, w.p, nodes));
        refused(challenger, call, IDisputes.NotYourTurn.selector);
        refused(stranger, call, IDisputes.NotYourTurn.selector);
        call = abi.encodeCall(disputes.reveal, (w.key, w.p, new bytes32[](nodes.length)));
        refused(claimant, call, IDisputes.NotCommitted.selector);
        call = abi.encodeCall(disputes.reveal, (w.key, w.p, new bytes32[](nodes.length - 1)));
        refused(claimant, call, IDisputes.WrongCount.selector);
        call = abi.encodeCall(disputes.reveal, (w.key, w.p, new bytes32[](0)));
        refused(claimant, call, IDisputes.WrongCount.selector);
        w.p.level = 2;
        call = abi.encodeCall(disputes.reveal, (w.key, w.p, nodes));
        refused(claimant, call, IDisputes.WrongPosition.selector);
        w.p.level = 7;
        vm.warp(block.timestamp + CLOCK + 1);
        call = abi.encodeCall(disputes.reveal, (w.key, w.p, nodes));
        refused(claimant, call, IDisputes.ClockRanOut.selector);
    }

    /// @dev A position is known by its words, also by those bits of them that its numbers do not use.
    function test_reveal_reverts_onDirtyWords() public {
        World memory w = build(smallPlan());
        start(w);
        bytes memory call = abi.encodeCall(disputes.reveal, (w.key, w.p, w.run[0].nodes));
        call[4 + 64] = 0x01;
        vm.prank(claimant);
        (bool success,) = address(disputes).call(call);
        ok(!success, "dirty");
    }

    function test_reveal() public {
        World memory w = build(smallPlan());
        start(w);
        vm.warp(block.timestamp + 60);
        IDisputes.Position memory next = w.p;
        vm.expectEmit(true, true, false, false);
        emit IDisputes.Moved(disputes.disputeId(w.key), IDisputes.Move.Reveal, 1, 0, "");
        reveal(w, w.run[0]);
        (bytes32 position, uint32 number, uint8 turn, uint32 left, uint32 other, uint40 movedAt,) =
            disputes.disputes(disputes.disputeId(w.key));
        ok(position == keccak256(abi.encode(next)) && number == 1 && turn == 1, "position");
        ok(left == CLOCK - 60 && other == CLOCK && movedAt == block.timestamp, "clocks");
        refused(claimant, abi.encodeCall(disputes.reveal, (w.key, w.p, w.run[0].nodes)), IDisputes.NotYourTurn.selector);
    }

    /// @dev One clock for all moves of a party: what it used for one is gone for the next.
    function test_clock_runsDown() public {
        World memory w = build(smallPlan());
        start(w);
        vm.warp(block.timestamp + CLOCK / 2);
        reveal(w, w.run[0]);
        vm.warp(block.timestamp + CLOCK);
        pick(w, w.run[0]);
        vm.warp(block.timestamp + CLOCK / 2);
        reveal(w, w.run[1]);
        vm.warp(block.timestamp + 1);
        refused(challenger, abi.encodeCall(disputes.pick, (w.key, w.p, 0, 0, new bytes32[](0))), IDisputes.ClockRanOut.selector);
        disputes.timeout(w.key);
        eq(uint256(stateOf(w.key)), uint256(IDisputes.DisputeState.ClaimantWon), "stalled");
        eq(freeOf(claimant), 9 * BOND + BOND, "the challenger's bond, but not yet its own");
        vm.warp(w.claim.challengeUntil + 1);
        ok(disputes.stateOf(w.claim) == IDisputes.ClaimState.Final, "final");
        disputes.release(w.claim);
        eq(freeOf(claimant), 11 * BOND, "its own too");
        refused(stranger, abi.encodeCall(disputes.release, (w.claim)), IDisputes.ClaimNotFinal.selector);
    }

    function test_pick_reverts() public {
        World memory w = build(smallPlan());
        start(w);
        Trees.Stage memory stage = w.run[0];
        bytes32[] memory path = Trees.siblings(stage.nodes, stage.child);
        bytes32 node = stage.nodes[stage.child];
        refused(challenger, pickCall(w, stage.child, node, path), IDisputes.NotYourTurn.selector);
        reveal(w, stage);
        refused(claimant, pickCall(w, stage.child, node, path), IDisputes.NotYourTurn.selector);
        refused(challenger, pickCall(w, stage.child ^ 1, node, path), IDisputes.NotCommitted.selector);
        refused(challenger, pickCall(w, stage.nodes.length, node, path), Sha256Tree.NoSuchNode.selector);
        refused(challenger, pickCall(w, type(uint256).max, node, path), Sha256Tree.NoSuchNode.selector);
        refused(challenger, pickCall(w, stage.child, stage.nodes[0], path), IDisputes.NotCommitted.selector);
        bytes32[] memory longer = Trees.join(path, path);
        refused(challenger, pickCall(w, stage.child, node, longer), Sha256Tree.WrongPathLength.selector);
        bytes32[] memory none = new bytes32[](0);
        refused(challenger, pickCall(w, stage.child, node, none), Sha256Tree.WrongPathLength.selector);
        path[0] = ~path[0];
        refused(challenger, pickCall(w, stage.child, node, path), IDisputes.NotCommitted.selector);
    }

    function test_enter_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        start(w);
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.WrongMove.selector);
        dissect(w, w.run, 0);
        refused(challenger, enterCall(w, w.claim, w.pathBefore), IDisputes.NotYourTurn.selector);
        w.claim.seed0 ^= 1;
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.WrongClaim.selector);
        w.claim.seed0 ^= 1;
        refused(claimant, enterCall(w, w.claim, new bytes32[](0)), Sha256Tree.WrongPathLength.selector);
        w.stateAfter = ~w.stateAfter;
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.NotCommitted.selector);
        w.stateAfter = ~w.stateAfter;
        w.stateBefore = ~w.stateBefore;
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.NotCommitted.selector);
        w.stateBefore = ~w.stateBefore;
        w.header.opCount += 1;
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.NotCommitted.selector);
        w.header.opCount -= 1;
        bytes32 trace = w.traceRoot;
        w.traceRoot = ~trace;
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.NotCommitted.selector);
        w.traceRoot = trace;
        w.trace[0].nodes = new bytes32[](1);
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.WrongCount.selector);
    }

    /// @dev A graph of a sort that no claim may have.
    function test_enter_reverts_onUnknownGraphs() public {
        for (uint256 i = 0; i < 3; ++i) {
            World memory w = build(smallPlan());
            if (i == 0) w.header.stateCount = 0;
            else if (i == 1) w.header.opCount = 0;
            else w.header.batchCount = 2;
            w.claim.graph = sha256(abi.encode(1, w.header));
            start(w);
            dissect(w, w.run, 0);
            refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.UnknownGraph.selector);
        }
    }

    /// @dev The first step begins at the claim's start, the last ends at its end.
    function test_enter_atTheEnds() public {
        Plan memory plan = smallPlan();
        plan.step = 0;
        World memory w = build(plan);
        w.claim.start = ~w.stateBefore;
        start(w);
        dissect(w, w.run, 0);
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.NotCommitted.selector);
        w = build(plan);
        start(w);
        dissect(w, w.run, 0);
        refused(claimant, enterCall(w, w.claim, new bytes32[](1)), IDisputes.WrongCount.selector);
        enter(w);

        plan.step = plan.steps - 1;
        w = build(plan);
        w.claim.end = ~w.stateAfter;
        start(w);
        dissect(w, w.run, 0);
        refused(claimant, enterCall(w, w.claim, w.pathBefore), IDisputes.NotCommitted.selector);
        w = build(plan);
        start(w);
        dissect(w, w.run, 0);
        enter(w);
    }

    /// @dev A run of one step begins within it.
    function test_enter_ofTheOnlyStep() public {
        Plan memory plan = smallPlan();
        (plan.steps, plan.step) = (1, 0);
        World memory w = build(plan);
        start(w);
        refused(claimant, abi.encodeCall(disputes.reveal, (w.key, w.p, one(w.claim.run))), IDisputes.WrongMove.selector);
        enter(w);
        pick(w, w.trace[0]);
    }

    function test_pickValue_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToTrace(w);
        Trees.Stage memory top = w.trace[0];
        bytes32[] memory path = Trees.siblings(top.nodes, top.child);
        refused(challenger, pickValueCall(w, top, path, w.op, w.opPath), IDisputes.WrongMove.selector);
        pick(w, top);
        reveal(w, w.trace[1]);
        Trees.Stage memory stage = w.trace[1];
        path = Trees.siblings(stage.nodes, stage.child);
        refused(challenger, pickCall(w, stage.child, stage.nodes[stage.child], path), IDisputes.WrongMove.selector);
        bytes memory leaf = slice(w.op, 0, w.op.length);
        leaf[31] ^= 0x01;
        refused(challenger, pickValueCall(w, stage, path, leaf, w.opPath), IDisputes.NotCommitted.selector);
        bytes32[] memory longer = Trees.join(w.opPath, path);
        refused(challenger, pickValueCall(w, stage, path, w.op, longer), Sha256Tree.WrongPathLength.selector);
        // The neighbour's leaf is proven by no path of this one.
        stage.child -= 1;
        path = Trees.siblings(stage.nodes, stage.child);
        refused(challenger, pickValueCall(w, stage, path, w.op, w.opPath), IDisputes.NotCommitted.selector);
        stage.child += 1;
        refused(claimant, pickValueCall(w, stage, path, w.op, w.opPath), IDisputes.NotYourTurn.selector);
        pickValue(w, plan);
    }

    function test_disputeAfter_reverts() public {
        World memory w = build(smallPlan());
        start(w);
        reveal(w, w.run[0]);
        refused(challenger, abi.encodeCall(disputes.disputeAfter, (w.key, w.p)), IDisputes.WrongMove.selector);
        w = build(smallPlan());
        w.claim.job = bytes32("another");
        playToTrace(w);
        refused(claimant, abi.encodeCall(disputes.disputeAfter, (w.key, w.p)), IDisputes.NotYourTurn.selector);
        pick(w, w.trace[0]);
        reveal(w, w.trace[1]);
        refused(challenger, abi.encodeCall(disputes.disputeAfter, (w.key, w.p)), IDisputes.WrongMove.selector);
    }

    function test_tensor_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToTrace(w);
        bytes32[] memory nodes = w.tensor[0].nodes;
        pick(w, w.trace[0]);
        reveal(w, w.trace[1]);
        pickValue(w, plan);
        refused(challenger, tensorCall(w, w.root, nodes, ""), IDisputes.NotYourTurn.selector);
        refused(claimant, tensorCall(w, w.openA.root, nodes, ""), IDisputes.NotCommitted.selector);
        refused(claimant, tensorCall(w, w.root, new bytes32[](nodes.length), ""), IDisputes.NotCommitted.selector);
        refused(claimant, tensorCall(w, w.root, new bytes32[](nodes.length + 1), ""), IDisputes.WrongCount.selector);
        refused(claimant, tensorCall(w, w.root, nodes, w.leaf), IDisputes.WrongLength.selector);
        refused(claimant, abi.encodeCall(disputes.reveal, (w.key, w.p, nodes)), IDisputes.WrongMove.selector);
        tensor(w);
        refused(challenger, abi.encodeCall(disputes.disputeAfter, (w.key, w.p)), IDisputes.WrongMove.selector);
    }

    /// @dev A value of one leaf is shown at once, and its accumulators follow.
    function test_tensor_ofOneLeaf() public {
        Plan memory plan = smallPlan();
        (plan.rows, plan.element) = (1, 33);
        World memory w = build(plan);
        playToValue(w, plan);
        bytes32[] memory none = new bytes32[](0);
        refused(claimant, tensorCall(w, w.root, one(w.root), w.leaf), IDisputes.WrongCount.selector);
        refused(claimant, tensorCall(w, w.root, none, ""), IDisputes.WrongLength.selector);
        refused(claimant, tensorCall(w, w.root, none, noise(256)), IDisputes.NotCommitted.selector);
        tensor(w);
        pickElement(w);
        halve(w, plan.segment);
        eq(w.p.phase, 8, "segment");
    }

    function test_showLeaf_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToTrace(w);
        pick(w, w.trace[0]);
        reveal(w, w.trace[1]);
        pickValue(w, plan);
        tensor(w);
        pick(w, w.tensor[0]);
        bytes memory leaf = w.leaf;
        refused(challenger, abi.encodeCall(disputes.showLeaf, (w.key, w.p, leaf)), IDisputes.NotYourTurn.selector);
        refused(claimant, abi.encodeCall(disputes.showLeaf, (w.key, w.p, slice(leaf, 0, 255))), IDisputes.WrongLength.selector);
        refused(claimant, abi.encodeCall(disputes.showLeaf, (w.key, w.p, noise(256))), IDisputes.NotCommitted.selector);
        refused(claimant, abi.encodeCall(disputes.operands, (w.key, w.p, leaf)), IDisputes.WrongMove.selector);
        showLeaf(w);
        refused(claimant, abi.encodeCall(disputes.showLeaf, (w.key, w.p, leaf)), IDisputes.NotYourTurn.selector);
    }

    function test_pickElement_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToLeaf(w, plan);
        refused(claimant, abi.encodeCall(disputes.pickElement, (w.key, w.p, w.place, w.leaf)), IDisputes.NotYourTurn.selector);
        refused(challenger, abi.encodeCall(disputes.pickElement, (w.key, w.p, 64, w.leaf)), IDisputes.OutOfRange.selector);
        refused(
            challenger,
            abi.encodeCall(disputes.pickElement, (w.key, w.p, type(uint256).max, w.leaf)),
            IDisputes.OutOfRange.selector
        );
        refused(challenger, abi.encodeCall(disputes.pickElement, (w.key, w.p, 0, noise(256))), IDisputes.NotCommitted.selector);
        refused(challenger, abi.encodeCall(disputes.pickPart, (w.key, w.p, 0, w.leaf)), IDisputes.WrongMove.selector);
    }

    function test_accumulators_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToLeaf(w, plan);
        pickElement(w);
        (, bytes memory shown) = shownParts(w);
        eq(shown.length, 12, "three segments and the finish: three in between");
        refused(challenger, abi.encodeCall(disputes.accumulators, (w.key, w.p, shown)), IDisputes.NotYourTurn.selector);
        refused(claimant, abi.encodeCall(disputes.accumulators, (w.key, w.p, "")), IDisputes.WrongLength.selector);
        bytes memory longer = bytes.concat(shown, shown);
        refused(claimant, abi.encodeCall(disputes.accumulators, (w.key, w.p, longer)), IDisputes.WrongLength.selector);
        refused(claimant, abi.encodeCall(disputes.operands, (w.key, w.p, shown)), IDisputes.WrongMove.selector);
        vm.prank(claimant);
        disputes.accumulators(w.key, w.p, shown);
        (w.p.shown, w.p.turn) = (keccak256(shown), 1);
        refused(challenger, abi.encodeCall(disputes.pickPart, (w.key, w.p, 4, shown)), IDisputes.OutOfRange.selector);
        refused(challenger, abi.encodeCall(disputes.pickPart, (w.key, w.p, 0, longer)), IDisputes.NotCommitted.selector);
        refused(claimant, abi.encodeCall(disputes.pickPart, (w.key, w.p, 0, shown)), IDisputes.NotYourTurn.selector);
    }

    function test_operands_reverts() public {
        Plan memory plan = smallPlan();
        World memory w = build(plan);
        playToSegment(w, plan);
        refused(challenger, abi.encodeCall(disputes.operands, (w.key, w.p, w.operands)), IDisputes.NotYourTurn.selector);
        refused(claimant, abi.encodeCall(disputes.operands, (w.key, w.p, new bytes(1025))), IDisputes.WrongLength.selector);
        refused(claimant, abi.encodeCall(disputes.accumulators, (w.key, w.p, "")), IDisputes.WrongMove.selector);
        operands(w);
    }

    function pickCall(World memory w, uint256 child, bytes32 node, bytes32[] memory path)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(disputes.pick, (w.key, w.p, child, node, path));
    }

    function pickValueCall(
        World memory w,
        Trees.Stage memory stage,
        bytes32[] memory path,
        bytes memory leaf,
        bytes32[] memory leafPath
    ) private view returns (bytes memory) {
        bytes32 node = stage.nodes[stage.child];
        return abi.encodeCall(disputes.pickValue, (w.key, w.p, stage.child, node, path, leaf, leafPath));
    }

    function enterCall(World memory w, IDisputes.Claim memory claim, bytes32[] memory path)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            disputes.enter,
            (w.key, w.p, claim, w.stateBefore, path, w.stateAfter, w.header, w.traceRoot, w.trace[0].nodes)
        );
    }

    function tensorCall(World memory w, bytes32 root, bytes32[] memory nodes, bytes memory leaf)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(disputes.tensor, (w.key, w.p, root, nodes, leaf));
    }

    function one(bytes32 node) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](1);
        nodes[0] = node;
    }
}
