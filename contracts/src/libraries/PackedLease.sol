// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../interfaces/IVault.sol";

/// @notice All the vault knows of a lease in one word: total (96 bits), claimed (96), expiry (40), state (8).
/// @dev A struct would do the same, but solc reads and writes each of its members by itself, which costs every
/// claim some hundred gas.
type PackedLease is uint256;

using PackedLeaseLibrary for PackedLease global;

/// @title Packs and unpacks a `PackedLease`.
library PackedLeaseLibrary {
    uint256 private constant CLAIMED = uint256(type(uint96).max) << 96;
    uint256 private constant REST = (1 << 232) - 1;

    function open(uint96 total_, uint96 claimed_, uint40 expiry_) internal pure returns (PackedLease) {
        uint256 state_ = uint256(IVault.State.Open);
        return PackedLease.wrap(
            uint256(total_) | (uint256(claimed_) << 96) | (uint256(expiry_) << 192) | (state_ << 232)
        );
    }

    function total(PackedLease self) internal pure returns (uint96) {
        return uint96(PackedLease.unwrap(self));
    }

    function claimed(PackedLease self) internal pure returns (uint96) {
        return uint96(PackedLease.unwrap(self) >> 96);
    }

    function expiry(PackedLease self) internal pure returns (uint40) {
        return uint40(PackedLease.unwrap(self) >> 192);
    }

    function state(PackedLease self) internal pure returns (IVault.State) {
        return IVault.State(PackedLease.unwrap(self) >> 232);
    }

    function isNone(PackedLease self) internal pure returns (bool) {
        return PackedLease.unwrap(self) == 0;
    }

    function isOpen(PackedLease self) internal pure returns (bool) {
        return PackedLease.unwrap(self) >> 232 == uint256(IVault.State.Open);
    }

    function withClaimed(PackedLease self, uint96 claimed_) internal pure returns (PackedLease) {
        return PackedLease.wrap((PackedLease.unwrap(self) & ~CLAIMED) | (uint256(claimed_) << 96));
    }

    function closed(PackedLease self) internal pure returns (PackedLease) {
        return PackedLease.wrap((PackedLease.unwrap(self) & REST) | (uint256(IVault.State.Closed) << 232));
    }
}
