// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../src/interfaces/IVault.sol";
import {ExactTransfer} from "../src/libraries/ExactTransfer.sol";
import {Base} from "./Base.sol";
import {FeeToken, ReentrantToken} from "./Tokens.sol";

/// @title Putting money in and taking it back.
contract VaultDepositTest is Base {
    function test_constructor_reverts() public {
        vm.expectRevert(IVault.ZeroAddress.selector);
        newVault(address(0), 1);
    }

    function test_deposit_reverts() public {
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.deposit(buyer, 0);
        vm.expectRevert(IVault.ZeroAddress.selector);
        vault.deposit(address(0), 1);
        uint256 tooMuch = uint256(type(uint72).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IVault.AmountTooLarge.selector, tooMuch));
        vault.deposit(buyer, tooMuch);
        vm.expectRevert(); // no allowance
        vault.deposit(buyer, 1);
    }

    /// @dev What is reserved counts, so that closing a lease can always give back.
    function test_deposit_capsFreeAndReserved() public {
        uint256 full = type(uint72).max;
        for (uint256 i = 0; i < 257; ++i) usd.mint(address(this), type(uint64).max);
        usd.approve(address(vault), type(uint256).max);
        vault.deposit(buyer, full - 1);
        openLease(1_000_000);
        vault.deposit(buyer, 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.AmountTooLarge.selector, 1));
        vault.deposit(buyer, 1);
        vm.prank(provider);
        vault.closeLease(buyer, provider, 1);
        eq(free(buyer), full, "free");
    }

    function test_deposit_creditsAnybody(address to, uint64 amount) public {
        vm.assume(to != address(0) && amount > 0);
        usd.mint(stranger, amount);
        vm.prank(stranger);
        usd.approve(address(vault), amount);
        vm.expectEmit(true, true, true, true);
        emit IVault.Deposited(to, stranger, amount);
        vm.prank(stranger);
        vault.deposit(to, amount);
        eq(free(to), amount, "free");
        eq(usd.balanceOf(address(vault)), amount, "held");
    }

    function test_depositWithPermit_evenWhenUsedByAnother() public {
        usd.mint(buyer, 100);
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typeHash, buyer, address(vault), 100, 0, block.timestamp));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, tokenDigest(structHash));
        vm.prank(stranger);
        vm.expectRevert(); // the permit is the buyer's, not the caller's
        vault.depositWithPermit(stranger, 100, block.timestamp, v, r, s);
        vm.prank(stranger);
        usd.permit(buyer, address(vault), 100, block.timestamp, v, r, s);
        vm.prank(buyer);
        vault.depositWithPermit(provider, 100, block.timestamp, v, r, s);
        eq(free(provider), 100, "free");
    }

    /// @dev Anyone may bring the authorisation, and nobody can credit somebody else with it.
    function test_gas_depositWithAuthorization() public {
        usd.mint(buyer, 100);
        bytes32 nonce = keccak256(abi.encode(buyer, bytes32("salt")));
        bytes memory signature = signToken(receiveDigest(address(vault), 100, block.timestamp + 1, nonce));
        vm.prank(stranger);
        vm.expectRevert();
        vault.depositWithAuthorization(stranger, buyer, 100, block.timestamp + 1, "salt", signature);
        vm.prank(stranger);
        vault.depositWithAuthorization(buyer, buyer, 100, block.timestamp + 1, "salt", signature);
        vm.snapshotGasLastCall("Vault", "deposit with authorization");
        eq(free(buyer), 100, "free");
        vm.expectRevert();
        vault.depositWithAuthorization(buyer, buyer, 100, block.timestamp + 1, "salt", signature);
    }

    function test_requestWithdrawal_reverts() public {
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.requestWithdrawal(0);
        uint256 tooMuch = uint256(type(uint72).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IVault.AmountTooLarge.selector, tooMuch));
        vault.requestWithdrawal(tooMuch);
    }

    function test_withdraw_reverts() public {
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IVault.NothingToWithdraw.selector, buyer));
        vault.withdraw();
        fund(buyer, 100);
        vm.prank(buyer);
        vault.requestWithdrawal(100);
        uint256 withdrawableAt = block.timestamp + WITHDRAWAL_DELAY;
        vm.warp(withdrawableAt - 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IVault.WithdrawalTooEarly.selector, withdrawableAt));
        vault.withdraw();
        vm.warp(withdrawableAt);
        openLease(100);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IVault.NothingToWithdraw.selector, buyer));
        vault.withdraw();
    }

    function test_withdraw_takesTheLesser(uint64 deposited, uint72 asked, uint64 reservedLater) public {
        deposited = uint64(bound(deposited, 2, type(uint64).max));
        asked = uint72(bound(asked, 1, type(uint72).max));
        reservedLater = uint64(bound(reservedLater, 1, deposited - 1));
        fund(buyer, deposited);
        vm.prank(buyer);
        vault.requestWithdrawal(asked);
        openLease(reservedLater);
        vm.warp(block.timestamp + WITHDRAWAL_DELAY);
        uint256 left = deposited - reservedLater;
        vm.prank(buyer);
        vault.withdraw();
        eq(usd.balanceOf(buyer), asked < left ? asked : left, "paid");
        eq(free(buyer) + reserved(buyer), deposited - usd.balanceOf(buyer), "left");
        (,, uint72 withdrawing, uint40 withdrawableAt) = vault.deposits(buyer);
        eq(withdrawing + withdrawableAt, 0, "request used up");
    }

    /// @dev A new request is the buyer's own, and starts the delay again.
    function test_requestWithdrawal_again() public {
        fund(buyer, 100);
        vm.prank(buyer);
        vault.requestWithdrawal(10);
        vm.warp(block.timestamp + WITHDRAWAL_DELAY);
        vm.prank(buyer);
        vault.requestWithdrawal(20);
        vm.prank(buyer);
        vm.expectPartialRevert(IVault.WithdrawalTooEarly.selector);
        vault.withdraw();
    }

    /// @dev Whatever others do in between, the withdrawal comes at its time.
    function test_withdraw_cannotBeDelayed(uint64 gift) public {
        fund(buyer, 100);
        vm.prank(buyer);
        vault.requestWithdrawal(100);
        (,,, uint40 before) = vault.deposits(buyer);
        vm.warp(block.timestamp + 10);
        if (gift > 0) {
            usd.mint(stranger, gift);
            vm.prank(stranger);
            usd.approve(address(vault), gift);
            vm.prank(stranger);
            vault.deposit(buyer, gift);
        }
        vm.prank(stranger);
        vault.requestWithdrawal(1);
        (,, uint72 withdrawing, uint40 withdrawableAt) = vault.deposits(buyer);
        eq(withdrawableAt, before, "when");
        eq(withdrawing, 100, "how much");
        vm.warp(before);
        vm.prank(buyer);
        vault.withdraw();
        eq(usd.balanceOf(buyer), 100, "paid");
    }

    function test_feeToken_reverts() public {
        FeeToken token = new FeeToken();
        vault = newVault(address(token), 1);
        token.mint(address(this), 100);
        token.approve(address(vault), 100);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.UnexpectedTransfer.selector, 100, 99));
        vault.deposit(buyer, 100);
    }

    /// @dev A token that calls back finds the doors to the token shut, and nothing else to gain.
    function test_reentrantToken_gainsNothing() public {
        ReentrantToken token = new ReentrantToken();
        vault = newVault(address(token), 0);
        token.mint(address(this), 300);
        token.approve(address(vault), 300);
        vault.deposit(address(token), 100);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(vault.deposit, (address(token), 50));
        calls[1] = abi.encodeCall(vault.withdraw, ());
        calls[2] = abi.encodeCall(vault.withdrawEarned, ());
        for (uint256 i = 0; i < calls.length; ++i) {
            token.plan(address(vault), calls[i]);
            vault.deposit(address(this), 10);
            ok(!token.succeeded(), "re-entered");
        }
        vault.requestWithdrawal(20);
        token.plan(address(vault), abi.encodeCall(vault.withdraw, ()));
        vault.withdraw();
        ok(!token.succeeded(), "re-entered withdraw");
        eq(free(address(this)), 10, "free");
        eq(free(address(this)) + free(address(token)), token.balanceOf(address(vault)), "conserved");
    }
}
