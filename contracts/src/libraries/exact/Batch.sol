// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Philox} from "./Philox.sol";

/// @title Data order: which bytes of the data set a batch holds.
library Batch {
    /// @dev The stream of worker 0; each worker has its own.
    uint256 private constant DATA_STREAM = 0x40000000;

    /// @notice Where a row of a step's batch begins in the data: 64 random bits times the number of beginnings, the
    /// upper half.
    /// @param seed0 a word of 32 bits, as are all but `beginnings`.
    /// @param beginnings length of the data less length of a row, plus one; below 2^64.
    function beginning(
        uint256 seed0,
        uint256 seed1,
        uint256 worker,
        uint256 step,
        uint256 row,
        uint256 beginnings
    ) internal pure returns (uint256) {
        uint256 stream = (DATA_STREAM + worker) & 0xffffffff;
        uint256 high = Philox.word(seed0, seed1, stream, step, 2 * row);
        uint256 low = Philox.word(seed0, seed1, stream, step, 2 * row + 1);
        return (((high << 32) | low) * beginnings) >> 64;
    }
}
