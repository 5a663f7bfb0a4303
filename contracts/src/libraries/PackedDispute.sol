// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";

/// @notice What is stored of a dispute beside its position, in one word: seconds left of the claimant's clock (32 bits) and
/// of the challenger's (32) at the last move, when that was (40), number of moves (32), whose turn (8), state (8),
/// steps of the claim (32), whether the stake was slashed (8).
type PackedDispute is uint256;

using PackedDisputeLibrary for PackedDispute global;

/// @title Packs and unpacks a `PackedDispute`.
library PackedDisputeLibrary {
    uint256 private constant MOVING = (1 << 144) - 1;
    uint256 private constant STATE = uint256(type(uint8).max) << 144;
    uint256 private constant SLASHED = 1 << 184;

    /// @dev The claimant moves first.
    function opened(uint32 clockSeconds, uint32 steps_) internal view returns (PackedDispute) {
        uint256 rest = (uint256(IDisputes.DisputeState.Open) << 144) | (uint256(steps_) << 152);
        return PackedDispute.wrap(rest).moved(clockSeconds, clockSeconds, 0, 0);
    }

    /// @notice The same dispute at another move, as of now.
    function moved(
        PackedDispute self,
        uint32 claimantSeconds_,
        uint32 challengerSeconds_,
        uint32 number_,
        uint8 turn_
    ) internal view returns (PackedDispute) {
        return PackedDispute.wrap(
            (PackedDispute.unwrap(self) & ~MOVING) | claimantSeconds_ | (uint256(challengerSeconds_) << 32)
                | (uint256(uint40(block.timestamp)) << 64) | (uint256(number_) << 104) | (uint256(turn_) << 136)
        );
    }

    function claimantSeconds(PackedDispute self) internal pure returns (uint32) {
        return uint32(PackedDispute.unwrap(self));
    }

    function challengerSeconds(PackedDispute self) internal pure returns (uint32) {
        return uint32(PackedDispute.unwrap(self) >> 32);
    }

    function movedAt(PackedDispute self) internal pure returns (uint40) {
        return uint40(PackedDispute.unwrap(self) >> 64);
    }

    function number(PackedDispute self) internal pure returns (uint32) {
        return uint32(PackedDispute.unwrap(self) >> 104);
    }

    function turn(PackedDispute self) internal pure returns (uint8) {
        return uint8(PackedDispute.unwrap(self) >> 136);
    }

    function state(PackedDispute self) internal pure returns (IDisputes.DisputeState) {
        return IDisputes.DisputeState(uint8(PackedDispute.unwrap(self) >> 144));
    }

    function steps(PackedDispute self) internal pure returns (uint32) {
        return uint32(PackedDispute.unwrap(self) >> 152);
    }

    function isSlashed(PackedDispute self) internal pure returns (bool) {
        return PackedDispute.unwrap(self) & SLASHED != 0;
    }

    function withState(PackedDispute self, IDisputes.DisputeState state_) internal pure returns (PackedDispute) {
        return PackedDispute.wrap((PackedDispute.unwrap(self) & ~STATE) | (uint256(state_) << 144));
    }

    function slashed(PackedDispute self) internal pure returns (PackedDispute) {
        return PackedDispute.wrap(PackedDispute.unwrap(self) | SLASHED);
    }
}
