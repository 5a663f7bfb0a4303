// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";
import {Wallet} from "./Tokens.sol";

/// @title Opening, raising and closing leases.
contract VaultLeaseTest is Base {
    function setUp() public override {
        super.setUp();
        fund(buyer, 1000);
    }

    function test_openLease_reverts() public {
        IVault.Lease memory lease = leaseOf(100);
        bytes32 id = idOf(lease);

        lease.deadlineSeconds = uint40(block.timestamp - 1);
        expectOpen(lease, abi.encodeWithSelector(IVault.SignatureExpired.selector, lease.deadlineSeconds));

        lease = leaseOf(100);
        lease.expirySeconds = uint40(block.timestamp);
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseExpired.selector, id, block.timestamp));

        uint256 latest = block.timestamp + vault.MAX_LEASE_SECONDS();
        lease.expirySeconds = uint40(latest + 1);
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseTooLong.selector, id, latest + 1, latest));

        expectOpen(leaseOf(0), abi.encodeWithSelector(IVault.ZeroAmount.selector));
        expectOpen(leaseOf(1001), abi.encodeWithSelector(IVault.InsufficientFree.selector, buyer, 1000, 1001));
    }

    /// @dev Every field, the chain and the contract are signed.
    function test_openLease_reverts_whenNotSigned(uint8 field, uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUYER_KEY);
        IVault.Lease memory lease = leaseOf(100);
        (bytes32 r, bytes32 vs) = halves(sign(key, digestOf(lease)));
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLease(lease, r, vs);

        (r, vs) = halves(sign(BUYER_KEY, digestOf(lease)));
        field = uint8(bound(field, 0, 6));
        if (field == 0) lease.buyer = stranger;
        if (field == 1) lease.provider = stranger;
        if (field == 2) lease.nonce += 1;
        if (field == 3) lease.totalMicroUsd += 1;
        if (field == 4) lease.expirySeconds += 1;
        if (field == 5) lease.deadlineSeconds += 1;
        if (field == 6) lease.terms = keccak256("others");
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLease(lease, r, vs);
    }

    function test_openLease_reverts_onAnotherChain() public {
        IVault.Lease memory lease = leaseOf(100);
        (bytes32 r, bytes32 vs) = halves(sign(BUYER_KEY, digestOf(lease)));
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLease(lease, r, vs);
        open(BUYER_KEY, lease); // signed anew for this chain
        ok(stateOf(idOf(lease)) == IVault.State.Open, "open");
    }

    /// @dev The other signature of the same message, with the high s.
    function test_openLease_reverts_whenMalleated() public {
        IVault.Lease memory lease = leaseOf(100);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, digestOf(lease));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory high = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLeaseFor(lease, high);
        vault.openLeaseFor(lease, abi.encodePacked(r, s, v));
        ok(stateOf(idOf(lease)) == IVault.State.Open, "open");
    }

    /// @dev Recovery of nonsense gives zero, which is nobody.
    function test_openLease_reverts_forZero(bytes32 r, bytes32 vs) public {
        IVault.Lease memory lease = leaseOf(0);
        lease.buyer = address(0);
        lease.totalMicroUsd = 1;
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLease(lease, r, vs);
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLeaseFor(lease, abi.encode(r, vs));
    }

    function test_openLease(uint96 total, uint40 duration, address sender) public {
        total = uint96(bound(total, 1, 1000));
        IVault.Lease memory lease = leaseOf(total);
        lease.expirySeconds = uint40(block.timestamp + bound(duration, 1, 366 days));
        (bytes32 r, bytes32 vs) = halves(sign(BUYER_KEY, digestOf(lease)));
        uint256 held = usd.balanceOf(address(vault));
        vm.expectEmit(true, true, true, true);
        emit IVault.LeaseOpened(buyer, provider, 1, total, lease.expirySeconds, TERMS);
        vm.prank(sender);
        vault.openLease(lease, r, vs);
        eq(free(buyer), 1000 - total, "free");
        eq(reserved(buyer), total, "reserved");
        eq(usd.balanceOf(address(vault)), held, "no token moved");
        (uint96 stored, uint96 taken, uint40 expiry, IVault.State state) = vault.leases(idOf(lease));
        eq(stored, total, "total");
        eq(taken, 0, "claimed");
        eq(expiry, lease.expirySeconds, "expiry");
        ok(state == IVault.State.Open, "state");
    }

    function test_raise_reverts() public {
        IVault.Lease memory lease = openLease(100);
        bytes32 id = idOf(lease);
        uint40 expiry = lease.expirySeconds;
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseNotRaised.selector, id, 100, expiry));
        lease.totalMicroUsd = 99;
        lease.expirySeconds = expiry + 1;
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseNotRaised.selector, id, 99, expiry + 1));
        lease.totalMicroUsd = 101;
        lease.expirySeconds = expiry - 1;
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseNotRaised.selector, id, 101, expiry - 1));
        lease.totalMicroUsd = 1001;
        lease.expirySeconds = expiry;
        expectOpen(lease, abi.encodeWithSelector(IVault.InsufficientFree.selector, buyer, 900, 901));
        // Expiry is final, also for the buyer's signature.
        vm.warp(expiry);
        lease.expirySeconds = expiry + 1 days;
        lease.deadlineSeconds = expiry;
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseExpired.selector, id, expiry));
    }

    function test_raise_keepsWhatWasClaimed(uint96 total, uint40 later) public {
        IVault.Lease memory lease = openLease(100);
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, 60)));
        lease.totalMicroUsd = uint96(bound(total, 100, 1000));
        lease.expirySeconds += uint40(bound(later, 1, 30 days));
        open(BUYER_KEY, lease);
        eq(claimed(idOf(lease)), 60, "claimed");
        eq(free(buyer), 1000 - lease.totalMicroUsd, "free");
        eq(reserved(buyer), lease.totalMicroUsd, "reserved");
    }

    function test_closeLease_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IVault.LeaseNotOpen.selector, vault.leaseId(buyer, provider, 1)));
        vault.closeLease(buyer, provider, 1);
        IVault.Lease memory lease = openLease(100);
        vm.warp(lease.expirySeconds - 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IVault.LeaseStillRunning.selector, idOf(lease), lease.expirySeconds));
        vault.closeLease(buyer, provider, 1);
    }

    function test_closeLease(uint96 total, uint96 cumulative, bool expired) public {
        total = uint96(bound(total, 1, 1000));
        cumulative = uint96(bound(cumulative, 0, total));
        IVault.Lease memory lease = openLease(total);
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, cumulative)));
        if (expired) vm.warp(lease.expirySeconds);
        vm.expectEmit(true, true, true, true);
        emit IVault.LeaseClosed(idOf(lease), total - cumulative);
        vm.prank(expired ? stranger : provider);
        vault.closeLease(buyer, provider, 1);
        eq(free(buyer), 1000 - cumulative, "free");
        eq(reserved(buyer), 0, "reserved");
        eq(vault.earned(provider), cumulative, "earned");
    }

    /// @dev The hole of a cumulative reservation without a closed state: the same signature, once more.
    function test_closedForEver(uint96 total, uint40 later) public {
        IVault.Lease memory lease = openLease(100);
        (bytes32 r, bytes32 vs) = halves(sign(BUYER_KEY, digestOf(lease)));
        vm.prank(provider);
        vault.closeLease(buyer, provider, 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.LeaseAlreadyClosed.selector, idOf(lease)));
        vault.openLease(lease, r, vs);
        lease.totalMicroUsd = uint96(bound(total, 1, 1000));
        lease.expirySeconds += uint40(bound(later, 0, 30 days));
        expectOpen(lease, abi.encodeWithSelector(IVault.LeaseAlreadyClosed.selector, idOf(lease)));
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IVault.LeaseNotOpen.selector, idOf(lease)));
        vault.closeLease(buyer, provider, 1);
    }

    function test_openLeaseFor_reverts_forAWalletThatDidNotSign() public {
        (Wallet wallet, IVault.Lease memory lease) = walletLease();
        bytes memory wrong = bytes.concat(hex"00", sign65(0xBAD, digestOf(lease)));
        vm.expectRevert(); // the wallet says no, and so does the vault
        vault.openLeaseFor(lease, wrong);
        lease.buyer = address(usd); // a contract that is no wallet
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, idOf(lease)));
        vault.openLeaseFor(lease, wrong);
        ok(address(wallet) != address(0), "wallet");
    }

    function test_openLeaseFor_andClaimFor_aWallet(uint96 cumulative) public {
        cumulative = uint96(bound(cumulative, 1, 100));
        (Wallet wallet, IVault.Lease memory lease) = walletLease();
        vault.openLeaseFor(lease, bytes.concat(hex"00", sign65(BUYER_KEY, digestOf(lease))));
        bytes32 id = idOf(lease);
        bytes memory signature = bytes.concat(hex"00", sign65(BUYER_KEY, digestOf(id, cumulative)));
        vault.claimFor(address(wallet), provider, 1, cumulative, signature);
        vault.claimFor(address(wallet), provider, 1, cumulative, signature); // changes nothing
        eq(vault.earned(provider), cumulative, "earned");
    }

    function walletLease() private returns (Wallet wallet, IVault.Lease memory lease) {
        wallet = new Wallet(buyer);
        fund(address(wallet), 100);
        lease = leaseOf(100);
        lease.buyer = address(wallet);
    }

    function sign65(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Properly signed, and refused all the same; in both forms.
    function expectOpen(IVault.Lease memory lease, bytes memory refusal) private {
        bytes memory signature = sign(BUYER_KEY, digestOf(lease));
        (bytes32 r, bytes32 vs) = halves(signature);
        vm.expectRevert(refusal);
        vault.openLease(lease, r, vs);
        vm.expectRevert(refusal);
        vault.openLeaseFor(lease, signature);
    }
}
