// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {DisputeBase} from "./DisputeBase.sol";

/// @title Going on from what was played off chain.
contract DisputesAdoptTest is DisputeBase {
    World private _none;

    function setUp() public override {
        super.setUp();
        credit(claimant, 10 * BOND);
        credit(challenger, 10 * BOND);
    }

    function test_adopt_reverts() public {
        World memory w = build(smallPlan());
        IDisputes.Ply memory ply = plyOf(w, 5);
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.DisputeNotOpen.selector);
        start(w);
        reveal(w, w.run[0]);
        ply = plyOf(w, 5);
        refused(stranger, call(w, ply, CHALLENGER_KEY, CHALLENGER_KEY), IDisputes.InvalidSignature.selector);
        refused(stranger, call(w, ply, CLAIMANT_KEY, CLAIMANT_KEY), IDisputes.InvalidSignature.selector);
        ply.number = 1;
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.StalePly.selector);
        ply.number = 0;
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.StalePly.selector);
        ply = plyOf(w, 5);
        ply.turn ^= 1;
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.WrongPly.selector);
        ply = plyOf(w, 5);
        ply.dispute = ~ply.dispute;
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.WrongPly.selector);
        ply = plyOf(w, 5);
        ply.claimantSeconds = uint32(CLOCK + 1);
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.WrongPly.selector);
        ply = plyOf(w, 5);
        ply.challengerSeconds = type(uint32).max;
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.WrongPly.selector);
        ply = plyOf(w, 5);
        w.p.level += 1;
        refused(stranger, call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.WrongPosition.selector);
    }

    /// @dev A turn that is nobody's would stop all clocks.
    function test_adopt_reverts_ofNobodysTurn() public {
        World memory w = build(smallPlan());
        start(w);
        w.p.turn = 2;
        refused(
            stranger, call(w, plyOf(w, 5), CLAIMANT_KEY, CHALLENGER_KEY), IDisputes.WrongPly.selector
        );
    }

    /// forge-config: default.fuzz.runs = 12
    /// @dev The game goes on where it was off chain, with the clocks as they were there.
    function test_adopt(uint32 number, uint32 left, uint32 other) public {
        Plan memory plan = smallPlan();
        plan.wrong = 1;
        World memory w = build(plan);
        uint256 snapshot = vm.snapshotState();
        playToLeaf(w, plan);
        vm.revertToState(snapshot);
        // As it was before any move on chain, with the position that all these moves lead to.
        IDisputes.Position memory later = w.p;
        w.p = _none.p;
        start(w);
        w.p = later;
        IDisputes.Ply memory ply = plyOf(w, uint32(bound(number, 1, type(uint32).max - 100)));
        (ply.claimantSeconds, ply.challengerSeconds) = (uint32(bound(left, 1, CLOCK)), uint32(bound(other, 1, CLOCK)));
        vm.warp(block.timestamp + CLOCK + 50); // nobody called timeout
        bytes memory data = call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY);
        vm.prank(stranger);
        (bool success,) = address(disputes).call(data);
        ok(success, "adopted");
        (bytes32 position, uint32 stored, uint8 turn, uint32 claimants, uint32 challengers, uint40 movedAt,) =
            disputes.disputes(ply.dispute);
        ok(position == ply.position && stored == ply.number && turn == ply.turn, "position");
        ok(claimants == ply.claimantSeconds && challengers == ply.challengerSeconds, "clocks");
        eq(movedAt, block.timestamp, "now");
        refused(stranger, data, IDisputes.StalePly.selector);
        pickElement(w);
        while (w.p.phase == 7) halve(w, plan.segment);
        operands(w);
        proveArithmetic(w);
        eq(uint256(stateOf(w.key)), uint256(IDisputes.DisputeState.ChallengerWon), "won");
    }

    /// @dev Who has signed two positions of the same number gains nothing by it: one is adopted, and the other is not newer.
    function test_adopt_afterEquivocation() public {
        World memory w = build(smallPlan());
        start(w);
        IDisputes.Ply memory ply = plyOf(w, 7);
        bytes memory first = call(w, ply, CLAIMANT_KEY, CHALLENGER_KEY);
        w.p.index = 1;
        bytes memory second = call(w, plyOf(w, 7), CLAIMANT_KEY, CHALLENGER_KEY);
        bytes memory newer = call(w, plyOf(w, 8), CLAIMANT_KEY, CHALLENGER_KEY);
        (bool success,) = address(disputes).call(first);
        ok(success, "the first");
        refused(stranger, second, IDisputes.StalePly.selector);
        (success,) = address(disputes).call(newer);
        ok(success, "a newer one");
    }

    function plyOf(World memory w, uint32 number) private view returns (IDisputes.Ply memory) {
        bytes32 id = disputes.disputeId(w.key);
        bytes32 position = keccak256(abi.encode(w.p));
        return IDisputes.Ply(id, number, position, w.p.turn, uint32(CLOCK), uint32(CLOCK / 2));
    }

    function call(World memory w, IDisputes.Ply memory ply, uint256 claimantKey, uint256 challengerKey)
        private
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256(
            "Ply(bytes32 dispute,uint32 number,bytes32 position,uint8 turn,uint32 claimantSeconds,uint32 challengerSeconds)"
        );
        bytes32 digest = digestOf(keccak256(abi.encode(typeHash, ply)));
        return abi.encodeCall(
            disputes.adopt, (w.key, w.p, ply, sign(claimantKey, digest), sign(challengerKey, digest))
        );
    }
}
