// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title A segment of a scatter-add: of some positions, those whose index is the row add their contribution.
library ScatterAdd {
    /// @notice The accumulator after a segment.
    /// @param acc the accumulator before it.
    /// @param operands the indices of the positions, then the contribution of each, 8 bytes a position.
    function segment(uint256 acc, uint256 row, bytes calldata operands) internal pure returns (uint256) {
        uint256 positions = operands.length / 8;
        for (uint256 p = 0; p < positions; ++p) {
            if (LittleEndian.number(operands, p) != row) continue;
            acc = Float32.add(acc, LittleEndian.number(operands, positions + p));
        }
        return Float32.withOneNaN(acc);
    }
}
