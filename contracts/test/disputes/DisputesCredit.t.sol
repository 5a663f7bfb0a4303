// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {ExactTransfer} from "../../src/libraries/ExactTransfer.sol";
import {DeployedDisputes} from "../Deployed.sol";
import {FeeToken, ReentrantToken} from "../Tokens.sol";
import {DisputeBase} from "./DisputeBase.sol";

/// @title Credit: how it comes, waits and leaves.
contract DisputesCreditTest is DisputeBase {
    string private constant ARTIFACT = "contracts/out/Disputes.sol/Disputes.json";

    function test_constructor_reverts() public {
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        vm.deployCode(ARTIFACT, abi.encode(address(0), vault, registry, rules, CLOCK, CREDIT_DELAY));
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        vm.deployCode(ARTIFACT, abi.encode(usd, address(0), registry, rules, CLOCK, CREDIT_DELAY));
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        vm.deployCode(ARTIFACT, abi.encode(usd, vault, address(0), rules, CLOCK, CREDIT_DELAY));
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        vm.deployCode(ARTIFACT, abi.encode(usd, vault, registry, address(0), CLOCK, CREDIT_DELAY));
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ClockTooLong.selector, 0));
        vm.deployCode(ARTIFACT, abi.encode(usd, vault, registry, rules, 0, CREDIT_DELAY));
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ClockTooLong.selector, 30 minutes));
        vm.deployCode(ARTIFACT, abi.encode(usd, vault, registry, rules, 30 minutes, CREDIT_DELAY));
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DelayTooShort.selector, WINDOW, WINDOW));
        vm.deployCode(ARTIFACT, abi.encode(usd, vault, registry, rules, CLOCK, WINDOW));
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        vm.deployCode("contracts/out/DisputeRules.sol/DisputeRules.json", abi.encode(address(0)));
    }

    function test_constants() public view {
        eq(disputes.clockSeconds(), CLOCK, "clock");
        eq(disputes.challengeWindow(), WINDOW, "window");
        eq(disputes.withdrawalDelay(), CREDIT_DELAY, "delay");
        ok(disputes.vault() == address(vault), "vault");
        (, string memory name, string memory version, uint256 chainId, address verifying,,) = disputes.eip712Domain();
        ok(keccak256(bytes(name)) == keccak256("Weft") && keccak256(bytes(version)) == keccak256("1"), "name");
        ok(chainId == block.chainid && verifying == address(vault), "domain");
    }

    function test_deposit_reverts() public {
        vm.expectRevert(IDisputes.ZeroAmount.selector);
        disputes.deposit(claimant, 0);
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        disputes.deposit(address(0), 1);
        uint256 tooMuch = uint256(type(uint72).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.AmountTooLarge.selector, tooMuch));
        disputes.deposit(claimant, tooMuch);
        vm.expectRevert(); // no allowance
        disputes.deposit(claimant, 1);
    }

    function test_deposit(uint64 amount, uint64 more) public {
        amount = uint64(bound(amount, 1, type(uint64).max));
        more = uint64(bound(more, 1, type(uint64).max));
        credit(claimant, amount);
        usd.mint(stranger, more);
        vm.prank(stranger);
        usd.approve(address(disputes), more);
        vm.expectEmit(true, true, true, true);
        emit IDisputes.Deposited(claimant, stranger, more);
        vm.prank(stranger);
        disputes.deposit(claimant, more);
        eq(freeOf(claimant), uint256(amount) + more, "free");
        eq(usd.balanceOf(address(disputes)), uint256(amount) + more, "held");
    }

    function test_depositWithAuthorization(uint64 amount, bytes32 salt, address sender) public {
        amount = uint64(bound(amount, 1, type(uint64).max));
        usd.mint(buyer, amount);
        bytes32 nonce = keccak256(abi.encode(claimant, salt));
        bytes memory signature =
            signToken(receiveDigest(address(disputes), amount, block.timestamp + 1, nonce));
        vm.prank(sender);
        disputes.depositWithAuthorization(claimant, buyer, amount, block.timestamp + 1, salt, signature);
        eq(freeOf(claimant), amount, "free");
        vm.expectRevert(); // used
        disputes.depositWithAuthorization(claimant, buyer, amount, block.timestamp + 1, salt, signature);
    }

    /// @dev The nonce names who is credited, so that who brings the authorisation cannot choose.
    function test_depositWithAuthorization_reverts_forAnother() public {
        usd.mint(buyer, 10);
        bytes32 nonce = keccak256(abi.encode(claimant, bytes32(0)));
        bytes memory signature = signToken(receiveDigest(address(disputes), 10, block.timestamp + 1, nonce));
        vm.prank(stranger);
        vm.expectRevert();
        disputes.depositWithAuthorization(stranger, buyer, 10, block.timestamp + 1, 0, signature);
        vm.expectRevert(IDisputes.ZeroAmount.selector);
        disputes.depositWithAuthorization(claimant, buyer, 0, block.timestamp + 1, 0, signature);
    }

    function test_withdraw_reverts() public {
        vm.expectRevert(IDisputes.ZeroAmount.selector);
        disputes.requestWithdrawal(0);
        uint256 tooMuch = uint256(type(uint128).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.AmountTooLarge.selector, tooMuch));
        disputes.requestWithdrawal(tooMuch);
        vm.prank(claimant);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NothingToWithdraw.selector, claimant));
        disputes.withdraw();
        credit(claimant, 100);
        vm.prank(claimant);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NothingToWithdraw.selector, claimant));
        disputes.withdraw();
        vm.prank(claimant);
        disputes.requestWithdrawal(40);
        uint256 since = block.timestamp + CREDIT_DELAY;
        vm.warp(since - 1);
        vm.prank(claimant);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WithdrawalTooEarly.selector, since));
        disputes.withdraw();
    }

    function test_withdraw(uint64 amount, uint64 asked) public {
        amount = uint64(bound(amount, 1, type(uint64).max));
        asked = uint64(bound(asked, 1, type(uint64).max));
        credit(claimant, amount);
        vm.prank(claimant);
        disputes.requestWithdrawal(asked);
        vm.warp(block.timestamp + CREDIT_DELAY);
        uint256 paid = asked < amount ? asked : amount;
        vm.expectEmit(true, true, true, true);
        emit IDisputes.Withdrawn(claimant, paid);
        vm.prank(claimant);
        disputes.withdraw();
        eq(usd.balanceOf(claimant), paid, "paid");
        eq(freeOf(claimant), amount - paid, "left");
        vm.prank(claimant);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NothingToWithdraw.selector, claimant));
        disputes.withdraw();
    }

    /// @dev What a challenge has reserved in the meantime stays.
    function test_withdraw_leavesBonds() public {
        credit(claimant, BOND + 5);
        credit(challenger, BOND);
        vm.prank(claimant);
        disputes.requestWithdrawal(BOND + 5);
        challengeIt(simpleClaim(), challenger);
        vm.warp(block.timestamp + CREDIT_DELAY);
        vm.prank(claimant);
        disputes.withdraw();
        eq(usd.balanceOf(claimant), 5, "paid");
        eq(reservedOf(claimant), BOND, "reserved");
    }

    function test_feeToken_reverts() public {
        FeeToken token = new FeeToken();
        (, DeployedDisputes other) = newDisputes(address(token));
        token.mint(address(this), 100);
        token.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.UnexpectedTransfer.selector, 100, 99));
        other.deposit(claimant, 100);
    }

    /// @dev Whatever a token calls while it is moved, it gains nothing.
    function test_reentrantToken_gainsNothing() public {
        ReentrantToken token = new ReentrantToken();
        (, DeployedDisputes other) = newDisputes(address(token));
        token.mint(address(this), 200);
        token.approve(address(other), 200);
        token.plan(address(other), abi.encodeCall(other.deposit, (address(token), 100)));
        other.deposit(address(this), 100);
        ok(!token.succeeded(), "deposit within deposit");
        other.requestWithdrawal(100);
        vm.warp(block.timestamp + CREDIT_DELAY);
        token.plan(address(other), abi.encodeCall(other.withdraw, ()));
        other.withdraw();
        ok(!token.succeeded(), "withdraw within withdraw");
        eq(token.balanceOf(address(this)), 200, "balance");
        eq(token.balanceOf(address(other)), 0, "held");
    }

    /// @dev What is taken from the stake is measured by the balance: nothing that moves it may happen meanwhile.
    function test_reentrantToken_gainsNothingByVerdicts() public {
        ReentrantToken token = new ReentrantToken();
        (registry, disputes) = newDisputes(address(token));
        for (uint256 i = 0; i < 2; ++i) {
            address account = i == 0 ? claimant : challenger;
            token.mint(account, 4 * BOND);
            vm.prank(account);
            token.approve(address(disputes), 2 * BOND);
            vm.prank(account);
            disputes.deposit(account, BOND);
        }
        vm.prank(claimant);
        token.approve(address(registry), BOND);
        vm.prank(claimant);
        registry.register("peer", "uri", BOND);
        IDisputes.Claim memory claim = simpleClaim();
        IDisputes.Key memory key = challengeIt(claim, challenger);
        vm.prank(claimant);
        disputes.concede(key);

        token.mint(address(token), BOND);
        vm.prank(address(token));
        token.approve(address(disputes), BOND);
        token.plan(address(disputes), abi.encodeCall(disputes.deposit, (address(token), BOND)));
        disputes.slash(claim, challenger);
        ok(!token.succeeded(), "deposit within slash");
        token.plan(address(disputes), abi.encodeCall(disputes.burn, (key.claim)));
        disputes.burn(key.claim);
        ok(!token.succeeded(), "burn within burn");
        eq(freeOf(challenger), 3 * BOND - BOND / 5, "both bonds and the stake, but for a fifth");
        eq(token.balanceOf(address(disputes)), freeOf(challenger), "held");
    }
}
