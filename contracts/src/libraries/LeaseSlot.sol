// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../interfaces/IVault.sol";

/// @notice All the vault knows of a lease, in one word: total (96 bits), claimed (96), expiry (40), state (8).
/// @dev A struct would do the same, but solc reads and writes each of its members by itself, which costs a
/// claim 400 gas.
type LeaseSlot is uint256;

using LeaseSlotLibrary for LeaseSlot global;

/// @title Packs and unpacks a `LeaseSlot`.
library LeaseSlotLibrary {
    function pack(uint96 total_, uint96 claimed_, uint40 expiry_, IVault.State state_)
        internal
        pure
        returns (LeaseSlot)
    {
        return LeaseSlot.wrap(
            uint256(total_) | (uint256(claimed_) << 96) | (uint256(expiry_) << 192) | (uint256(state_) << 232)
        );
    }

    function total(LeaseSlot slot) internal pure returns (uint96) {
        return uint96(LeaseSlot.unwrap(slot));
    }

    function claimed(LeaseSlot slot) internal pure returns (uint96) {
        return uint96(LeaseSlot.unwrap(slot) >> 96);
    }

    function expiry(LeaseSlot slot) internal pure returns (uint40) {
        return uint40(LeaseSlot.unwrap(slot) >> 192);
    }

    function state(LeaseSlot slot) internal pure returns (IVault.State) {
        return IVault.State(uint8(LeaseSlot.unwrap(slot) >> 232));
    }

    function withClaimed(LeaseSlot slot, uint96 claimed_) internal pure returns (LeaseSlot) {
        return pack(slot.total(), claimed_, slot.expiry(), slot.state());
    }
}
