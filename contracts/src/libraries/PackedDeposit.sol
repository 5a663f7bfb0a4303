// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A buyer's money in one word: free (72 bits), reserved (72), withdrawing (72), withdrawable at (40).
type PackedDeposit is uint256;

using PackedDepositLibrary for PackedDeposit global;

/// @title Packs and unpacks a `PackedDeposit`. Whoever moves an amount has checked that it is there.
library PackedDepositLibrary {
    uint256 private constant BALANCES = (1 << 144) - 1;

    function free(PackedDeposit self) internal pure returns (uint72) {
        return uint72(PackedDeposit.unwrap(self));
    }

    function reserved(PackedDeposit self) internal pure returns (uint72) {
        return uint72(PackedDeposit.unwrap(self) >> 72);
    }

    function withdrawing(PackedDeposit self) internal pure returns (uint72) {
        return uint72(PackedDeposit.unwrap(self) >> 144);
    }

    function withdrawableAt(PackedDeposit self) internal pure returns (uint40) {
        return uint40(PackedDeposit.unwrap(self) >> 216);
    }

    function withBalances(PackedDeposit self, uint72 free_, uint72 reserved_) internal pure returns (PackedDeposit) {
        uint256 rest = PackedDeposit.unwrap(self) & ~BALANCES;
        return PackedDeposit.wrap(rest | free_ | (uint256(reserved_) << 72));
    }

    function withWithdrawal(PackedDeposit self, uint72 amount, uint40 since) internal pure returns (PackedDeposit) {
        uint256 rest = PackedDeposit.unwrap(self) & BALANCES;
        return PackedDeposit.wrap(rest | (uint256(amount) << 144) | (uint256(since) << 216));
    }
}
