// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";

/// @title What whole transactions cost; the figures are kept in contracts/snapshots.
contract GasTest is Base {
    function test_gas_open() public {
        fund(buyer, 1e9);
        IVault.Lease memory lease = leaseOf(5e6);
        lease.nonce = 0x7123456789abcdef;
        (bytes32 r, bytes32 vs) = halves(sign(BUYER_KEY, digestOf(lease)));
        vm.prank(provider);
        vault.openLease(lease, r, vs);
        atMost(vm.snapshotGasLastCall("Vault", "open"), 60_000, "open");
    }

    function test_gas_claim1() public {
        claimMany(1);
    }

    function test_gas_claim25() public {
        atMost(claimMany(25), 12_500, "a voucher of 25");
    }

    function test_gas_claim100() public {
        atMost(claimMany(100), 11_500, "a voucher of 100");
    }

    /// @dev Every voucher is of another buyer, the worst case; first claims, nonces of 63 random bits.
    function claimMany(uint256 count) private returns (uint256 each) {
        earnBefore();
        IVault.Entry[] memory entries = new IVault.Entry[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 1000 + i;
            address from = vm.addr(key);
            fund(from, 1e8);
            uint64 nonce = uint64(uint256(keccak256(abi.encode(i)))) >> 1;
            IVault.Lease memory lease =
                IVault.Lease(from, provider, nonce, 5e6, uint40(block.timestamp + 1 days), uint40(block.timestamp), TERMS);
            open(key, lease);
            entries[i] = voucher(key, nonce, 1_234_567);
        }
        vm.prank(provider);
        vault.claim(provider, entries);
        uint256 gas = vm.snapshotGasLastCall("Vault", string.concat("claim ", digits(count)));
        each = gas / count;
    }

    /// @dev The provider has claimed and withdrawn before: only its very first claim costs 17,100 more.
    function earnBefore() private {
        fund(buyer, 1e8);
        openLease(1e6);
        vault.claim(provider, batch(voucher(BUYER_KEY, 1, 1e6)));
        vm.snapshotGasLastCall("Vault", "claim 1, the provider's first");
        vm.prank(provider);
        vault.withdrawEarned();
    }

    function digits(uint256 n) private pure returns (string memory) {
        bytes memory reversed;
        for (; n > 0; n /= 10) reversed = bytes.concat(bytes1(uint8(48 + n % 10)), reversed);
        return string(reversed);
    }
}
