// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {DisputeBase} from "./DisputeBase.sol";

/// @title Two claimants, two challengers and a stranger do anything with their money at any time.
contract DisputesHandler is DisputeBase {
    struct Known {
        IDisputes.Claim claim;
        address challenger;
    }

    Known[] private _disputes;
    IDisputes.Claim[] private _claims;
    bytes32[] private _rejected;
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public slashedSum;

    function begin() external {
        setUp();
        for (uint256 i = 0; i < 4; ++i) {
            address account = partyOf(i);
            usd.mint(account, 1e6);
            vm.prank(account);
            usd.approve(address(registry), 1e6);
            if (i < 2) {
                vm.prank(account);
                registry.register("peer", "uri", 1e6);
            }
        }
    }

    function deposit(uint256 who, uint256 to, uint64 amount) external {
        amount = uint64(bound(amount, 1, 1e12));
        address from = partyOf(who);
        usd.mint(from, amount);
        vm.prank(from);
        usd.approve(address(disputes), amount);
        vm.prank(from);
        disputes.deposit(partyOf(to), amount);
        paidIn += amount;
    }

    function claim(uint256 who, uint96 bond, uint32 window, uint32 steps) external {
        IDisputes.Claim memory made = simpleClaim();
        (made.claimant, made.job) = (partyOf(who % 2), bytes32(_claims.length));
        (made.bond, made.steps) = (uint96(bound(bond, 0, 1e12)), uint32(bound(steps, 1, 1e6)));
        made.challengeUntil = uint40(block.timestamp + bound(window, 0, 2 hours));
        _claims.push(made);
    }

    function challenge(uint256 which, uint256 who) external {
        if (_claims.length == 0) return;
        IDisputes.Claim memory made = _claims[which % _claims.length];
        address by = partyOf(who);
        IDisputes.Key memory key = IDisputes.Key(disputes.claimId(made), by);
        if (by == made.claimant || block.timestamp > made.challengeUntil) return;
        if (stateOf(key) != IDisputes.DisputeState.None) return;
        if (disputes.stateOf(made) == IDisputes.ClaimState.Rejected) return;
        (address known, uint64 bond,,) = disputes.claims(key.claim);
        uint256 free = freeOf(made.claimant);
        uint256 needed = known == address(0) ? (made.bond < free ? made.bond : free) : bond;
        if (freeOf(by) < needed) return;
        bytes memory signature = sign(keyOf(made.claimant == partyOf(0) ? 0 : 1), claimDigest(made));
        vm.prank(by);
        disputes.challenge(made, signature);
        _disputes.push(Known(made, by));
    }

    function concede(uint256 which) external {
        if (_disputes.length == 0) return;
        Known memory known = _disputes[which % _disputes.length];
        IDisputes.Key memory key = keyOf(known);
        if (stateOf(key) != IDisputes.DisputeState.Open) return;
        if (disputes.stateOf(known.claim) == IDisputes.ClaimState.Rejected) return;
        (,, uint8 turn,,,,) = disputes.disputes(disputes.disputeId(key));
        vm.prank(turn == 0 ? known.claim.claimant : known.challenger);
        disputes.concede(key);
        if (turn == 0) _rejected.push(key.claim);
    }

    /// @dev The challenger's clock: the position that both sign gives it the turn and no time.
    function exhaust(uint256 which) external {
        if (_disputes.length == 0) return;
        Known memory known = _disputes[which % _disputes.length];
        IDisputes.Key memory key = keyOf(known);
        if (stateOf(key) != IDisputes.DisputeState.Open) return;
        if (disputes.stateOf(known.claim) == IDisputes.ClaimState.Rejected) return;
        IDisputes.Position memory p;
        p.turn = 1;
        bytes32 id = disputes.disputeId(key);
        (, uint32 number,,,,,) = disputes.disputes(id);
        IDisputes.Ply memory ply = IDisputes.Ply(id, number + 1, keccak256(abi.encode(p)), 1, uint32(CLOCK), 0);
        bytes32 typeHash = keccak256(
            "Ply(bytes32 dispute,uint32 number,bytes32 position,uint8 turn,uint32 claimantSeconds,uint32 challengerSeconds)"
        );
        bytes32 digest = digestOf(keccak256(abi.encode(typeHash, ply)));
        bytes memory ofClaimant = sign(keyOf(known.claim.claimant == partyOf(0) ? 0 : 1), digest);
        bytes memory ofChallenger = sign(keyOf(indexOf(known.challenger)), digest);
        disputes.adopt(key, p, ply, ofClaimant, ofChallenger);
    }

    function timeout(uint256 which) external {
        if (_disputes.length == 0) return;
        Known memory known = _disputes[which % _disputes.length];
        IDisputes.Key memory key = keyOf(known);
        (,, uint8 turn, uint32 ofClaimant, uint32 ofChallenger, uint40 movedAt, IDisputes.DisputeState state) =
            disputes.disputes(disputes.disputeId(key));
        if (state != IDisputes.DisputeState.Open) return;
        if (disputes.stateOf(known.claim) == IDisputes.ClaimState.Rejected) return;
        if (block.timestamp - movedAt <= (turn == 0 ? ofClaimant : ofChallenger)) return;
        disputes.timeout(key);
        if (turn == 0) _rejected.push(key.claim);
    }

    function close(uint256 which) external {
        if (_disputes.length == 0) return;
        Known memory known = _disputes[which % _disputes.length];
        if (stateOf(keyOf(known)) != IDisputes.DisputeState.Open) return;
        if (disputes.stateOf(known.claim) != IDisputes.ClaimState.Rejected) return;
        disputes.close(keyOf(known));
    }

    function release(uint256 which) external {
        if (_claims.length == 0) return;
        IDisputes.Claim memory made = _claims[which % _claims.length];
        (,, uint24 open, IDisputes.ClaimState state) = disputes.claims(disputes.claimId(made));
        bool isOver = state == IDisputes.ClaimState.Challenged && open == 0 && block.timestamp > made.challengeUntil;
        if (isOver) disputes.release(made);
    }

    function slash(uint256 which) external {
        if (_disputes.length == 0) return;
        Known memory known = _disputes[which % _disputes.length];
        if (stateOf(keyOf(known)) != IDisputes.DisputeState.ChallengerWon) return;
        uint256 before = usd.balanceOf(address(disputes));
        try disputes.slash(known.claim, known.challenger) {
            slashedSum += usd.balanceOf(address(disputes)) - before;
        } catch {}
    }

    function burn(uint256 which) external {
        if (_rejected.length == 0) return;
        try disputes.burn(_rejected[which % _rejected.length]) {} catch {}
    }

    function requestWithdrawal(uint256 who, uint128 amount) external {
        vm.prank(partyOf(who));
        disputes.requestWithdrawal(bound(amount, 1, type(uint128).max));
    }

    function withdraw(uint256 who) external {
        address from = partyOf(who);
        (uint128 free,, uint128 asked, uint40 withdrawableAt) = disputes.credits(from);
        if (free == 0 || asked == 0 || block.timestamp < withdrawableAt) return;
        uint256 before = usd.balanceOf(from);
        vm.prank(from);
        disputes.withdraw();
        paidOut += usd.balanceOf(from) - before;
    }

    function wait_(uint16 time) external {
        vm.warp(block.timestamp + bound(time, 1, 30 minutes));
    }

    /// @dev The books: in all, and what each has reserved.
    function check() external view {
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            sum += freeOf(partyOf(i)) + reservedOf(partyOf(i));
            eq(reservedOf(partyOf(i)), bondsOf(partyOf(i)), "reserved is the sum of the bonds");
        }
        uint256 unburned;
        uint256 lost;
        for (uint256 i = 0; i < _rejected.length; ++i) {
            (, uint64 bond,,) = disputes.claims(_rejected[i]);
            lost += bond / 5;
        }
        unburned = lost - usd.balanceOf(disputes.NOBODY());
        eq(sum + unburned, usd.balanceOf(address(disputes)), "conserved");
        uint256 left = paidIn + slashedSum - paidOut - usd.balanceOf(disputes.NOBODY());
        eq(left, usd.balanceOf(address(disputes)), "what came in and did not leave is there");
    }

    function bondsOf(address account) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _claims.length; ++i) {
            (address claimant_, uint64 bond,, IDisputes.ClaimState state) =
                disputes.claims(disputes.claimId(_claims[i]));
            if (claimant_ == account && state == IDisputes.ClaimState.Challenged) sum += bond;
        }
        for (uint256 i = 0; i < _disputes.length; ++i) {
            if (_disputes[i].challenger != account) continue;
            if (stateOf(keyOf(_disputes[i])) != IDisputes.DisputeState.Open) continue;
            (, uint64 bond,,) = disputes.claims(disputes.claimId(_disputes[i].claim));
            sum += bond;
        }
    }

    function keyOf(Known memory known) private view returns (IDisputes.Key memory) {
        return IDisputes.Key(disputes.claimId(known.claim), known.challenger);
    }

    function partyOf(uint256 who) private pure returns (address) {
        return vm.addr(keyOf(who));
    }

    function indexOf(address account) private pure returns (uint256 index) {
        while (partyOf(index) != account) ++index;
    }

    function keyOf(uint256 who) private pure returns (uint256) {
        return 0xD15B + who % 4;
    }
}

/// @title What holds after every call of anybody.
contract DisputesInvariants is DisputeBase {
    DisputesHandler private _handler;

    function setUp() public override {
        _handler = new DisputesHandler();
        _handler.begin();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        bytes4[] memory selectors = new bytes4[](3);
        (selectors[0], selectors[1]) = (DisputesHandler.begin.selector, DisputesHandler.check.selector);
        selectors[2] = DisputeBase.setUp.selector;
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(address(_handler), selectors);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function invariant_books() external view {
        _handler.check();
    }
}
