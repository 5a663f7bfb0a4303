// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";

/// @notice What is stored of a challenged claim, in one word: claimant (160 bits), bond (64), open disputes (24), state
/// (7), whether its lost part was burned (1).
type PackedClaim is uint256;

using PackedClaimLibrary for PackedClaim global;

/// @title Packs and unpacks a `PackedClaim`.
library PackedClaimLibrary {
    uint256 private constant STATE = uint256(0x7f) << 248;
    uint256 private constant BURNED = 1 << 255;
    uint256 private constant ONE_OPEN = 1 << 224;

    function challenged(address claimant_, uint64 bond_) internal pure returns (PackedClaim) {
        uint256 rest = uint256(uint160(claimant_)) | (uint256(bond_) << 160);
        return PackedClaim.wrap(rest).withState(IDisputes.ClaimState.Challenged);
    }

    function claimant(PackedClaim self) internal pure returns (address) {
        return address(uint160(PackedClaim.unwrap(self)));
    }

    function bond(PackedClaim self) internal pure returns (uint64) {
        return uint64(PackedClaim.unwrap(self) >> 160);
    }

    function open(PackedClaim self) internal pure returns (uint24) {
        return uint24(PackedClaim.unwrap(self) >> 224);
    }

    function state(PackedClaim self) internal pure returns (IDisputes.ClaimState) {
        return IDisputes.ClaimState((PackedClaim.unwrap(self) & STATE) >> 248);
    }

    /// @dev 2^24 disputes of one claim would take more gas than the blocks of a window hold.
    function withOneMore(PackedClaim self) internal pure returns (PackedClaim) {
        assert(self.open() < type(uint24).max);
        return PackedClaim.wrap(PackedClaim.unwrap(self) + ONE_OPEN);
    }

    function withOneLess(PackedClaim self) internal pure returns (PackedClaim) {
        assert(self.open() > 0);
        return PackedClaim.wrap(PackedClaim.unwrap(self) - ONE_OPEN);
    }

    function isBurned(PackedClaim self) internal pure returns (bool) {
        return PackedClaim.unwrap(self) & BURNED != 0;
    }

    function burned(PackedClaim self) internal pure returns (PackedClaim) {
        return PackedClaim.wrap(PackedClaim.unwrap(self) | BURNED);
    }

    function withState(PackedClaim self, IDisputes.ClaimState state_) internal pure returns (PackedClaim) {
        return PackedClaim.wrap((PackedClaim.unwrap(self) & ~STATE) | (uint256(state_) << 248));
    }
}
