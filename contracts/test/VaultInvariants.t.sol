// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";

/// @title Three buyers, three providers and a stranger do anything at any time.
contract Handler is Base {
    struct Known {
        uint256 key;
        IVault.Lease lease;
        IVault.Entry best;
    }

    Known[] private _leases;
    /// @dev What each account paid in and got out, to hold the vault's books against.
    uint256 public paidIn;
    uint256 public paidOut;

    function start() external {
        super.setUp();
    }

    function vaultAddress() external view returns (address) {
        return address(vault);
    }

    function deposit(uint256 who, uint256 to, uint64 amount) external {
        address from = vm.addr(keyOf(who));
        amount = uint64(bound(amount, 1, 1e12));
        usd.mint(from, amount);
        vm.prank(from);
        usd.approve(address(vault), amount);
        vm.prank(from);
        vault.deposit(vm.addr(keyOf(to)), amount);
        paidIn += amount;
    }

    function openNew(uint256 who, uint256 whom, uint96 total, uint40 duration) external {
        uint256 key = keyOf(who);
        address from = vm.addr(key);
        if (free(from) == 0) return;
        IVault.Lease memory lease = leaseOf(uint96(bound(total, 1, free(from))));
        (lease.buyer, lease.provider, lease.nonce) = (from, providerOf(whom), uint64(_leases.length));
        lease.expirySeconds = uint40(block.timestamp + bound(duration, 1, 2 days));
        open(key, lease);
        _leases.push();
        _leases[_leases.length - 1].key = key;
        _leases[_leases.length - 1].lease = lease;
    }

    function raise(uint256 which, uint96 more, uint40 later) external {
        if (_leases.length == 0) return;
        Known storage known = _leases[which % _leases.length];
        IVault.Lease memory lease = known.lease;
        if (stateOf(idOf(lease)) != IVault.State.Open || block.timestamp >= lease.expirySeconds) return;
        lease.totalMicroUsd += uint96(bound(more, 0, free(lease.buyer)));
        lease.expirySeconds += uint40(bound(later, 1, 1 days));
        lease.deadlineSeconds = uint40(block.timestamp);
        open(known.key, lease);
        known.lease = lease;
    }

    function claim(uint256 which, uint256 other, uint96 cumulative, uint96 second, address sender) external {
        if (_leases.length == 0) return;
        IVault.Entry[] memory entries = new IVault.Entry[](2);
        uint256 first = which % _leases.length;
        address to = _leases[first].lease.provider;
        entries[0] = newVoucher(first, cumulative);
        uint256 next = other % _leases.length;
        entries[1] = _leases[next].lease.provider == to ? newVoucher(next, second) : entries[0];
        if (entries[0].r == 0 || entries[1].r == 0) return;
        vm.prank(sender);
        vault.claim(to, entries);
        _leases[first].best = entries[0];
        if (_leases[next].lease.provider == to) _leases[next].best = entries[1];
    }

    /// @dev Anything that was claimed before, again.
    function replay(uint256 which, address sender) external {
        if (_leases.length == 0) return;
        Known storage known = _leases[which % _leases.length];
        if (known.best.r == 0 || stateOf(idOf(known.lease)) != IVault.State.Open) return;
        if (block.timestamp >= known.lease.expirySeconds) return;
        (uint256 earnedBefore, uint256 claimedBefore) =
            (vault.earned(known.lease.provider), claimed(idOf(known.lease)));
        if (uint96(known.best.buyerAndCumulative) > claimedBefore) return;
        vm.prank(sender);
        vault.claim(known.lease.provider, batch(known.best));
        eq(vault.earned(known.lease.provider), earnedBefore, "a replay earned something");
        eq(claimed(idOf(known.lease)), claimedBefore, "a replay claimed something");
    }

    function close(uint256 which, bool byProvider) external {
        if (_leases.length == 0) return;
        IVault.Lease memory lease = _leases[which % _leases.length].lease;
        if (stateOf(idOf(lease)) != IVault.State.Open) return;
        if (!byProvider && block.timestamp < lease.expirySeconds) return;
        vm.prank(byProvider ? lease.provider : stranger);
        vault.closeLease(lease.buyer, lease.provider, lease.nonce);
    }

    function requestWithdrawal(uint256 who, uint72 amount) external {
        vm.prank(vm.addr(keyOf(who)));
        vault.requestWithdrawal(bound(amount, 1, type(uint72).max));
    }

    function withdraw(uint256 who) external {
        address from = vm.addr(keyOf(who));
        (uint72 left,, uint72 asked, uint40 withdrawableAt) = vault.deposits(from);
        if (left == 0 || asked == 0 || block.timestamp < withdrawableAt) return;
        uint256 before = usd.balanceOf(from);
        vm.prank(from);
        vault.withdraw();
        paidOut += usd.balanceOf(from) - before;
    }

    function withdrawEarned(uint256 whom) external {
        address to = providerOf(whom);
        if (vault.earned(to) == 0) return;
        uint256 before = usd.balanceOf(to);
        vm.prank(to);
        vault.withdrawEarned();
        paidOut += usd.balanceOf(to) - before;
    }

    /// @dev Whatever a stranger calls, with whatever arguments: others can only gain free money by it.
    function meddle(uint256 which, uint256 what, bytes32 r, bytes32 vs) external {
        uint256[4][3] memory before;
        for (uint256 i = 0; i < 3; ++i) before[i] = depositOf(i);
        IVault.Lease memory lease = _leases.length == 0 ? leaseOf(1) : _leases[which % _leases.length].lease;
        bool live = stateOf(idOf(lease)) == IVault.State.Open && block.timestamp < lease.expirySeconds;
        bytes[] memory calls = new bytes[](7);
        calls[0] = abi.encodeCall(vault.openLease, (lease, r, vs));
        calls[1] = abi.encodeCall(vault.openLeaseFor, (lease, abi.encode(r, vs)));
        IVault.Entry memory forged =
            IVault.Entry((uint256(uint160(lease.buyer)) << 96) | lease.totalMicroUsd, lease.nonce, r, vs);
        calls[2] = abi.encodeCall(vault.claim, (lease.provider, batch(forged)));
        calls[3] = abi.encodeCall(vault.closeLease, (lease.buyer, lease.provider, lease.nonce));
        calls[4] = abi.encodeCall(vault.withdraw, ());
        calls[5] = abi.encodeCall(vault.withdrawEarned, ());
        calls[6] = abi.encodeCall(vault.requestWithdrawal, (which));
        what = what % calls.length;
        if (what == 3 && !live) return; // closing what has expired is everybody's right
        vm.prank(stranger);
        (bool success,) = address(vault).call(calls[what]);
        ok(!success || what == 6 || what == 2, "a stranger was let in");
        for (uint256 i = 0; i < 3; ++i) {
            uint256[4] memory afterwards = depositOf(i);
            ok(afterwards[0] >= before[i][0], "free money lost");
            for (uint256 j = 1; j < 4; ++j) eq(afterwards[j], before[i][j], "changed by a stranger");
        }
        this.check();
    }

    function wait_(uint24 time) external {
        vm.warp(block.timestamp + bound(time, 1, 1 days));
    }

    /// @dev The books: per account, and in all.
    function check() external view {
        uint256 freeSum;
        uint256 reservedSum;
        uint256 earnedSum;
        uint256 claimedSum;
        for (uint256 i = 0; i < 3; ++i) {
            address from = vm.addr(keyOf(i));
            freeSum += free(from);
            reservedSum += reserved(from);
            earnedSum += vault.earned(providerOf(i));
            uint256 openTotals;
            for (uint256 j = 0; j < _leases.length; ++j) {
                if (_leases[j].lease.buyer != from) continue;
                (uint96 total, uint96 taken,, IVault.State state) = vault.leases(idOf(_leases[j].lease));
                atMost(taken, total, "claimed more than reserved");
                if (state != IVault.State.Open) continue;
                openTotals += total;
                claimedSum += taken;
            }
            eq(reserved(from), openTotals, "reserved is the sum of the open leases");
        }
        uint256 held = usd.balanceOf(address(vault));
        eq(freeSum + reservedSum - claimedSum + earnedSum, held, "conserved");
        eq(paidIn - paidOut, held, "what came in and did not leave is there");
    }

    function newVoucher(uint256 index, uint96 cumulative) private view returns (IVault.Entry memory entry) {
        Known storage known = _leases[index];
        IVault.Lease memory lease = known.lease;
        if (stateOf(idOf(lease)) != IVault.State.Open || block.timestamp >= lease.expirySeconds) return entry;
        cumulative = uint96(bound(cumulative, 0, lease.totalMicroUsd));
        (bytes32 r, bytes32 vs) = halves(sign(known.key, digestOf(idOf(lease), cumulative)));
        return IVault.Entry((uint256(uint160(lease.buyer)) << 96) | cumulative, lease.nonce, r, vs);
    }

    function depositOf(uint256 who) private view returns (uint256[4] memory parts) {
        (parts[0], parts[1], parts[2], parts[3]) = vault.deposits(vm.addr(keyOf(who)));
    }

    function keyOf(uint256 who) private pure returns (uint256) {
        return 0xB0B + who % 3;
    }

    function providerOf(uint256 whom) private pure returns (address) {
        return address(uint160(0x9109 + whom % 3));
    }
}

/// @title What holds after every call of anybody.
contract VaultInvariants is Base {
    Handler private _handler;

    function setUp() public override {
        _handler = new Handler();
        _handler.start();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        bytes4[] memory selectors = new bytes4[](4);
        (selectors[0], selectors[1]) = (Handler.start.selector, Handler.check.selector);
        (selectors[2], selectors[3]) = (Base.setUp.selector, Handler.vaultAddress.selector);
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

/// @title The cost of a call does not depend on how much others have.
contract VaultCostTest is Base {
    /// forge-config: default.fuzz.runs = 6
    /// @dev The same four calls, in an empty vault and beside `others` leases of other people.
    function test_costIsConstant(uint8 others) public {
        uint256[4] memory alone = costs();
        setUp();
        uint256 count = bound(others, 1, 60);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 7000 + i;
            fund(vm.addr(key), 1000);
            IVault.Lease memory lease = leaseOf(100);
            (lease.buyer, lease.nonce) = (vm.addr(key), uint64(i));
            open(key, lease);
        }
        uint256[4] memory among = costs();
        for (uint256 i = 0; i < 4; ++i) eq(among[i], alone[i], "cost");
    }

    function costs() private returns (uint256[4] memory used) {
        fund(buyer, 1000);
        openLease(100);
        used[0] = vm.lastCallGas().gasTotalUsed;
        IVault.Entry[] memory entries = batch(voucher(BUYER_KEY, 1, 50));
        vault.claim(provider, entries);
        used[1] = vm.lastCallGas().gasTotalUsed;
        vm.prank(provider);
        vault.closeLease(buyer, provider, 1);
        used[2] = vm.lastCallGas().gasTotalUsed;
        vm.prank(provider);
        vault.withdrawEarned();
        used[3] = vm.lastCallGas().gasTotalUsed;
    }
}
