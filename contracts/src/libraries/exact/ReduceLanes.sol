// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title Segments of a reduction: sixteen lanes, element k in lane k mod 16, and the tree that joins them.
/// @notice Lanes are 64 bytes, sixteen f32 as they lie in memory.
library ReduceLanes {
    uint256 internal constant SUM = 0;
    uint256 internal constant SUM_OF_SQUARES = 1;
    uint256 internal constant MAX = 2;
    uint256 private constant LANES = 16;

    /// @notice The lanes after a segment.
    /// @param reduction SUM, SUM_OF_SQUARES or MAX.
    /// @param lanes those before it.
    /// @param elements up to 64 of them, 4 bytes each; the first belongs to lane 0.
    function segment(uint256 reduction, bytes calldata lanes, bytes calldata elements)
        internal
        pure
        returns (bytes memory)
    {
        uint256[LANES] memory acc = _decoded(lanes);
        uint256 count = elements.length / 4;
        for (uint256 k = 0; k < count; ++k) {
            uint256 lane = k % LANES;
            acc[lane] = _folded(reduction, acc[lane], LittleEndian.number(elements, k));
        }
        return _encoded(acc);
    }

    /// @notice All lanes as one: lane i with lane i + 8, then 4, 2, 1. The rules for outputs are not applied yet.
    function tree(uint256 reduction, bytes calldata lanes) internal pure returns (uint256) {
        uint256[LANES] memory acc = _decoded(lanes);
        for (uint256 half = LANES / 2; half > 0; half /= 2) {
            for (uint256 i = 0; i < half; ++i) {
                acc[i] = reduction == MAX ? Float32.max(acc[i], acc[i + half]) : Float32.add(acc[i], acc[i + half]);
            }
        }
        return acc[0];
    }

    function _folded(uint256 reduction, uint256 acc, uint256 x) private pure returns (uint256) {
        if (reduction == SUM) return Float32.add(acc, x);
        return reduction == SUM_OF_SQUARES ? Float32.fma(x, x, acc) : Float32.max(acc, x);
    }

    function _decoded(bytes calldata lanes) private pure returns (uint256[LANES] memory acc) {
        for (uint256 i = 0; i < LANES; ++i) {
            acc[i] = LittleEndian.number(lanes, i);
        }
    }

    function _encoded(uint256[LANES] memory acc) private pure returns (bytes memory) {
        uint256 low;
        uint256 high;
        for (uint256 i = 0; i < 8; ++i) {
            low = (low << 32) | Float32.withOneNaN(acc[i]);
            high = (high << 32) | Float32.withOneNaN(acc[i + 8]);
        }
        return abi.encodePacked(LittleEndian.turned(low), LittleEndian.turned(high));
    }
}
