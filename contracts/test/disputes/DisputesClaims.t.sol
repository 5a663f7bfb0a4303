// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {Wallet} from "../Tokens.sol";
import {DisputeBase} from "./DisputeBase.sol";

/// @title Challenging a claim, and every way in which that ends without a proof.
contract DisputesClaimsTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        credit(claimant, 10 * BOND);
        credit(challenger, 10 * BOND);
        credit(stranger, 10 * BOND);
    }

    function test_claimId_isTheDigest() public view {
        IDisputes.Claim memory claim = simpleClaim();
        ok(disputes.claimId(claim) == claimDigest(claim), "claim");
        IDisputes.Key memory key = IDisputes.Key(bytes32("claim"), challenger);
        ok(disputes.disputeId(key) == keccak256(abi.encode(bytes32("claim"), challenger)), "dispute");
    }

    function test_challenge_reverts() public {
        IDisputes.Claim memory claim = simpleClaim();
        bytes memory signature = sign(CLAIMANT_KEY, claimDigest(claim));
        bytes32 id = disputes.claimId(claim);

        vm.prank(claimant);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.SelfChallenge.selector, claimant));
        disputes.challenge(claim, signature);

        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.InvalidSignature.selector, id));
        disputes.challenge(claim, sign(CHALLENGER_KEY, claimDigest(claim)));
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.InvalidSignature.selector, id));
        disputes.challenge(claim, "");

        vm.prank(address(0x9009));
        vm.expectRevert(
            abi.encodeWithSelector(IDisputes.InsufficientCredit.selector, address(0x9009), 0, uint256(BOND))
        );
        disputes.challenge(claim, signature);

        vm.warp(claim.challengeUntil + 1);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ChallengeTooLate.selector, claim.challengeUntil));
        disputes.challenge(claim, signature);
    }

    /// @dev A run without steps, and nobody's claim.
    function test_challenge_reverts_whenEmpty() public {
        IDisputes.Claim memory claim = simpleClaim();
        claim.steps = 0;
        bytes memory signature = sign(CLAIMANT_KEY, claimDigest(claim));
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.InvalidClaim.selector, disputes.claimId(claim)));
        disputes.challenge(claim, signature);
        (claim.steps, claim.claimant) = (1, address(0));
        bytes32 id = disputes.claimId(claim);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.InvalidClaim.selector, id));
        disputes.challenge(claim, new bytes(65));
        vm.warp(claim.challengeUntil + 1);
        state(claim, IDisputes.ClaimState.None);
    }

    function test_challenge(uint32 steps, uint96 bond) public {
        IDisputes.Claim memory claim = simpleClaim();
        (claim.steps, claim.bond) = (uint32(bound(steps, 1, type(uint32).max)), uint96(bound(bond, 0, 10 * BOND)));
        state(claim, IDisputes.ClaimState.None);
        IDisputes.Key memory key = challengeIt(claim, challenger);
        state(claim, IDisputes.ClaimState.Challenged);
        eq(reservedOf(claimant), claim.bond, "claimant's bond");
        eq(reservedOf(challenger), claim.bond, "challenger's bond");
        (bytes32 position, uint32 number, uint8 turn, uint32 left, uint32 other, uint40 movedAt,) =
            disputes.disputes(disputes.disputeId(key));
        eq(uint256(number) + turn, 0, "the claimant's first move");
        ok(left == CLOCK && other == CLOCK && movedAt == block.timestamp, "clocks");
        IDisputes.Position memory p;
        p.node = claim.run;
        while (2 ** uint256(p.level) < claim.steps) ++p.level;
        p.phase = claim.steps == 1 ? 1 : 0;
        ok(position == keccak256(abi.encode(p)), "position");
    }

    function test_challenge_withoutEnoughCredit() public {
        IDisputes.Claim memory claim = simpleClaim();
        claim.bond = type(uint96).max;
        challengeIt(claim, challenger);
        eq(reservedOf(claimant), 10 * BOND, "all there is");
        eq(reservedOf(challenger), 10 * BOND, "as much");
        claim.job = bytes32("another");
        challengeIt(claim, address(0x9009));
        eq(reservedOf(address(0x9009)), 0, "none is left, and none is needed");
    }

    /// @dev The claimant's bond is reserved once, and the signature asked for once.
    function test_challenge_byMany() public {
        IDisputes.Claim memory claim = simpleClaim();
        challengeIt(claim, challenger);
        vm.prank(stranger);
        disputes.challenge(claim, "");
        eq(reservedOf(claimant), BOND, "claimant's bond");
        eq(reservedOf(stranger), BOND, "stranger's bond");
        (, uint64 bond, uint24 open,) = disputes.claims(disputes.claimId(claim));
        ok(bond == BOND && open == 2, "open");
    }

    function test_challenge_reverts_twice() public {
        IDisputes.Claim memory claim = simpleClaim();
        IDisputes.Key memory key = challengeIt(claim, challenger);
        bytes memory again =
            abi.encodeWithSelector(IDisputes.AlreadyChallenged.selector, disputes.disputeId(key));
        vm.prank(challenger);
        vm.expectRevert(again);
        disputes.challenge(claim, "");
        vm.warp(block.timestamp + CLOCK + 1);
        disputes.timeout(key);
        vm.prank(challenger);
        vm.expectRevert(again);
        disputes.challenge(claim, "");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ClaimRejected.selector, key.claim));
        disputes.challenge(claim, "");
    }

    function test_challenge_ofAWallet() public {
        Wallet wallet = new Wallet(claimant);
        credit(address(wallet), BOND);
        IDisputes.Claim memory claim = simpleClaim();
        claim.claimant = address(wallet);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CLAIMANT_KEY, claimDigest(claim));
        vm.prank(challenger);
        disputes.challenge(claim, abi.encodePacked(bytes1(0x07), r, s, v));
        eq(reservedOf(address(wallet)), BOND, "bond");
        IDisputes.Key memory key = IDisputes.Key(disputes.claimId(claim), challenger);
        vm.prank(claimant);
        wallet.run(address(disputes), abi.encodeCall(disputes.concede, (key)));
        state(claim, IDisputes.ClaimState.Rejected);
    }

    function test_timeout_reverts() public {
        IDisputes.Key memory key = IDisputes.Key(bytes32("none"), challenger);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputes.DisputeNotOpen.selector, disputes.disputeId(key))
        );
        disputes.timeout(key);
        key = challengeIt(simpleClaim(), challenger);
        vm.warp(block.timestamp + CLOCK);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ClockStillRuns.selector, 0));
        disputes.timeout(key);
    }

    /// @dev A claimant that stalls loses its bond, of which a fifth is nobody's.
    function test_timeout_ofTheClaimant(uint64 bond) public {
        bond = uint64(bound(bond, 1, type(uint64).max));
        credit(claimant, bond);
        credit(challenger, bond);
        IDisputes.Claim memory claim = simpleClaim();
        claim.bond = bond;
        IDisputes.Key memory key = challengeIt(claim, challenger);
        vm.warp(block.timestamp + CLOCK + 1);
        vm.expectEmit(true, true, true, true);
        emit IDisputes.Ended(
            disputes.disputeId(key), key.claim, IDisputes.DisputeState.ChallengerWon, IDisputes.Move.Timeout
        );
        vm.prank(address(0x9009));
        disputes.timeout(key);
        eq(freeOf(challenger), 10 * uint256(BOND) + bond + bond - bond / 5, "won");
        eq(freeOf(claimant), 10 * BOND, "lost");
        eq(reservedOf(claimant) + reservedOf(challenger), 0, "nothing is reserved");
        state(claim, IDisputes.ClaimState.Rejected);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputes.DisputeNotOpen.selector, disputes.disputeId(key))
        );
        disputes.timeout(key);
        conserved(bond / 5);
    }

    function test_concede_reverts() public {
        IDisputes.Key memory key = challengeIt(simpleClaim(), challenger);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotYourTurn.selector, challenger));
        disputes.concede(key);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotYourTurn.selector, stranger));
        disputes.concede(key);
    }

    function test_concede_ofTheClaimant() public {
        IDisputes.Claim memory claim = simpleClaim();
        IDisputes.Key memory key = challengeIt(claim, challenger);
        vm.prank(claimant);
        disputes.concede(key);
        eq(uint256(stateOf(key)), uint256(IDisputes.DisputeState.ChallengerWon), "won");
        state(claim, IDisputes.ClaimState.Rejected);
    }

    function test_close_reverts() public {
        IDisputes.Key memory key = challengeIt(simpleClaim(), challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ClaimNotRejected.selector, key.claim));
        disputes.close(key);
        vm.prank(claimant);
        disputes.concede(key);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputeNotOpen.selector, disputes.disputeId(key)));
        disputes.close(key);
    }

    /// @dev When one challenger has won, no other can lose its bond any more, nor win.
    function test_close() public {
        IDisputes.Claim memory claim = simpleClaim();
        IDisputes.Key memory key = challengeIt(claim, challenger);
        IDisputes.Key memory other = challengeIt(claim, stranger);
        vm.prank(claimant);
        disputes.concede(key);
        bytes memory rejected = abi.encodeWithSelector(IDisputes.ClaimRejected.selector, key.claim);
        vm.prank(claimant);
        vm.expectRevert(rejected);
        disputes.concede(other);
        vm.warp(block.timestamp + CLOCK + 1);
        vm.expectRevert(rejected);
        disputes.timeout(other);
        disputes.close(other);
        eq(freeOf(stranger), 10 * BOND, "the bond is back");
        eq(uint256(stateOf(other)), uint256(IDisputes.DisputeState.Closed), "closed");
        conserved(BOND / 5);
    }

    function test_release_reverts() public {
        IDisputes.Claim memory claim = simpleClaim();
        bytes memory refusal = abi.encodeWithSelector(IDisputes.ClaimNotFinal.selector, disputes.claimId(claim));
        vm.warp(claim.challengeUntil);
        IDisputes.Key memory key = challengeIt(claim, challenger);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(refusal);
        disputes.release(claim); // a dispute is open
        state(claim, IDisputes.ClaimState.Challenged);
        vm.prank(claimant);
        disputes.concede(key);
        vm.expectRevert(refusal);
        disputes.release(claim); // rejected
        claim.job = bytes32("unchallenged");
        refusal = abi.encodeWithSelector(IDisputes.ClaimNotFinal.selector, disputes.claimId(claim));
        vm.expectRevert(refusal);
        disputes.release(claim);
        state(claim, IDisputes.ClaimState.Final);
    }

    function test_slash_reverts() public {
        IDisputes.Claim memory claim = simpleClaim();
        IDisputes.Key memory key = challengeIt(claim, challenger);
        bytes32 id = disputes.disputeId(key);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputeNotWon.selector, id));
        disputes.slash(claim, challenger);
        vm.prank(claimant);
        disputes.concede(key);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NothingToSlash.selector, id));
        disputes.slash(claim, challenger);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputes.DisputeNotWon.selector, disputes.disputeId(IDisputes.Key(key.claim, stranger))
            )
        );
        disputes.slash(claim, stranger);
    }

    function test_slash(uint64 stake, uint64 leaving, uint64 bond) public {
        stake = uint64(bound(stake, 1, type(uint64).max));
        leaving = uint64(bound(leaving, 0, stake));
        bond = uint64(bound(bond, 1, type(uint64).max));
        usd.mint(claimant, stake);
        vm.prank(claimant);
        usd.approve(address(registry), stake);
        vm.prank(claimant);
        registry.register("peer", "uri", stake);
        if (leaving > 0) {
            vm.prank(claimant);
            registry.requestUnbond(leaving);
        }
        credit(claimant, bond);
        credit(challenger, bond);
        IDisputes.Claim memory claim = simpleClaim();
        claim.bond = bond;
        IDisputes.Key memory key = challengeIt(claim, challenger);
        vm.prank(claimant);
        disputes.concede(key);
        uint256 before = freeOf(challenger);
        uint256 taken = bond < stake ? bond : stake;
        vm.expectEmit(true, true, true, true);
        emit IDisputes.Slashed(disputes.disputeId(key), claimant, challenger, taken);
        disputes.slash(claim, challenger);
        eq(freeOf(challenger), before + taken, "taken");
        bytes memory refusal = abi.encodeWithSelector(IDisputes.AlreadySlashed.selector, disputes.disputeId(key));
        vm.expectRevert(refusal);
        disputes.slash(claim, challenger);
        conserved(bond / 5);
    }

    function test_burn() public {
        IDisputes.Claim memory claim = simpleClaim();
        IDisputes.Key memory key = challengeIt(claim, challenger);
        bytes memory refusal = abi.encodeWithSelector(IDisputes.NothingToBurn.selector, key.claim);
        vm.expectRevert(refusal);
        disputes.burn(key.claim);
        vm.prank(claimant);
        disputes.concede(key);
        disputes.burn(key.claim);
        eq(usd.balanceOf(disputes.NOBODY()), BOND / disputes.BURNED(), "burned");
        vm.expectRevert(refusal);
        disputes.burn(key.claim);
        state(claim, IDisputes.ClaimState.Rejected);
        conserved(0);
    }

    function state(IDisputes.Claim memory claim, IDisputes.ClaimState expected) private view {
        eq(uint256(disputes.stateOf(claim)), uint256(expected), "state");
    }

    function conserved(uint256 burning) private view {
        uint256 sum = freeOf(claimant) + reservedOf(claimant) + freeOf(challenger) + reservedOf(challenger)
            + freeOf(stranger) + reservedOf(stranger);
        eq(sum + burning, usd.balanceOf(address(disputes)), "conserved");
    }
}
