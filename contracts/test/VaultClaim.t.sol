// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";

/// @title Redeeming vouchers and taking what was earned.
contract VaultClaimTest is Base {
    function setUp() public override {
        super.setUp();
        fund(buyer, 1000);
    }

    function test_claim_reverts() public {
        vm.expectRevert(IVault.EmptyBatch.selector);
        vault.claim(provider, new IVault.Entry[](0));
        bytes32 id = vault.leaseId(buyer, provider, 1);
        expectClaim(voucher(BUYER_KEY, 1, 10), abi.encodeWithSelector(IVault.LeaseNotOpen.selector, id));

        IVault.Lease memory lease = openLease(100);
        expectClaim(voucher(BUYER_KEY, 1, 101), abi.encodeWithSelector(IVault.ClaimOverTotal.selector, id, 101, 100));

        vm.warp(lease.expirySeconds);
        expectClaim(
            voucher(BUYER_KEY, 1, 10), abi.encodeWithSelector(IVault.LeaseExpired.selector, id, lease.expirySeconds)
        );
        vm.warp(block.timestamp - 1);
        vm.prank(provider);
        vault.closeLease(buyer, provider, 1);
        expectClaim(voucher(BUYER_KEY, 1, 10), abi.encodeWithSelector(IVault.LeaseNotOpen.selector, id));
    }

    function test_claim_reverts_whenNotSigned(uint256 key, uint96 cumulative, bytes32 noise) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUYER_KEY);
        cumulative = uint96(bound(cumulative, 1, 99));
        openLease(100);
        bytes memory refusal =
            abi.encodeWithSelector(IVault.InvalidSignature.selector, vault.leaseId(buyer, provider, 1));

        IVault.Entry memory entry = voucher(BUYER_KEY, 1, cumulative);
        entry.buyerAndCumulative += 1; // one more than was promised
        expectClaim(entry, refusal);

        entry = voucher(BUYER_KEY, 1, cumulative);
        (entry.r, entry.vs) = halves(sign(key, digestOf(vault.leaseId(buyer, provider, 1), cumulative)));
        expectClaim(entry, refusal);

        (entry.r, entry.vs) = (noise, keccak256(abi.encode(noise)));
        expectClaim(entry, refusal);
        (entry.r, entry.vs) = (0, 0);
        expectClaim(entry, refusal);
    }

    /// @dev A voucher for one provider is nothing to another.
    function test_claim_reverts_forAnotherProvider() public {
        openLease(100);
        IVault.Entry memory entry = voucher(BUYER_KEY, 1, 10);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.LeaseNotOpen.selector, vault.leaseId(buyer, stranger, entry.nonce))
        );
        vault.claim(stranger, batch(entry));
    }

    function test_claim(uint96 first, uint96 second, address sender) public {
        first = uint96(bound(first, 1, 50));
        second = uint96(bound(second, first, 100));
        bytes32 id = idOf(openLease(100));
        vm.expectEmit(true, true, true, true);
        emit IVault.Claimed(provider, first);
        vm.prank(sender);
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, first)));
        eq(vault.earned(provider), first, "earned");
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, second)));
        eq(vault.earned(provider), second, "earned in all");
        eq(claimed(id), second, "claimed");
        eq(usd.balanceOf(address(vault)), 1000, "no token moved");
    }

    /// @dev The same voucher, or an older one, changes nothing: not even its signature is looked at.
    function test_claim_replayed(uint96 first, uint96 second) public {
        first = uint96(bound(first, 0, 100));
        second = uint96(bound(second, first, 100));
        openLease(100);
        IVault.Entry memory old = voucher(BUYER_KEY, 1, first);
        vault.claim(provider, batch(old));
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, second)));
        vault.claim(provider, batch(old));
        vault.claimFor(buyer, provider, 1, first, "");
        eq(vault.earned(provider), second, "earned");
        eq(claimed(vault.leaseId(buyer, provider, 1)), second, "claimed");
    }

    /// @dev All or none, in any order, each lease for itself.
    function test_claim_batch(uint256 seed, uint8 count, uint8 bad) public {
        count = uint8(bound(count, 1, 12));
        IVault.Entry[] memory entries = new IVault.Entry[](count);
        uint256 sum;
        for (uint256 i = 0; i < count; ++i) {
            (uint256 key, uint96 cumulative) = (5000 + i, uint96(bound(seed >> i, 1, 100)));
            address from = vm.addr(key);
            fund(from, 100);
            IVault.Lease memory lease = leaseOf(100);
            (lease.buyer, lease.nonce) = (from, uint64(seed));
            open(key, lease);
            entries[i] = voucher(key, uint64(seed), cumulative);
            sum += cumulative;
        }
        bytes32 r = entries[bad % count].r;
        entries[bad % count].r = keccak256("bad");
        vm.expectPartialRevert(IVault.InvalidSignature.selector);
        vault.claim(provider, entries);
        eq(vault.earned(provider), 0, "none");
        entries[bad % count].r = r;
        vault.claim(provider, entries);
        eq(vault.earned(provider), sum, "all");
        vault.claim(provider, entries);
        eq(vault.earned(provider), sum, "once");
    }

    function test_claimFor_reverts() public {
        bytes32 id = vault.leaseId(buyer, provider, 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.LeaseNotOpen.selector, id));
        vault.claimFor(buyer, provider, 1, 10, "");
        IVault.Lease memory lease = openLease(100);
        vm.expectRevert(abi.encodeWithSelector(IVault.ClaimOverTotal.selector, id, 101, 100));
        vault.claimFor(buyer, provider, 1, 101, "");
        vm.expectRevert(abi.encodeWithSelector(IVault.InvalidSignature.selector, id));
        vault.claimFor(buyer, provider, 1, 10, "");
        vm.warp(lease.expirySeconds);
        vm.expectRevert(abi.encodeWithSelector(IVault.LeaseExpired.selector, id, lease.expirySeconds));
        vault.claimFor(buyer, provider, 1, 10, "");
    }

    function test_claimFor_aKey(uint96 cumulative) public {
        cumulative = uint96(bound(cumulative, 1, 100));
        bytes32 id = idOf(openLease(100));
        vault.claimFor(buyer, provider, 1, cumulative, sign(BUYER_KEY, digestOf(id, cumulative)));
        eq(vault.earned(provider), cumulative, "earned");
    }

    function test_withdrawEarned_reverts() public {
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IVault.NothingToWithdraw.selector, provider));
        vault.withdrawEarned();
    }

    function test_withdrawEarned(uint96 first, uint96 second) public {
        first = uint96(bound(first, 1, 50));
        second = uint96(bound(second, first + 1, 100));
        openLease(100);
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, first)));
        vm.prank(provider);
        vault.withdrawEarned();
        eq(usd.balanceOf(provider), first, "paid");
        eq(vault.earned(provider), 0, "earned");
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, second)));
        vm.prank(provider);
        vault.withdrawEarned();
        eq(usd.balanceOf(provider), second, "paid in all");
        eq(usd.balanceOf(address(vault)), 1000 - second, "held");
    }

    function expectClaim(IVault.Entry memory entry, bytes memory refusal) private {
        vm.expectRevert(refusal);
        vault.claim(provider, batch(entry));
    }
}
