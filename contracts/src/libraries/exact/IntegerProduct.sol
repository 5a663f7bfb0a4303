// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";

/// @title An integer product: an exact sum of products of bytes, then one conversion and two scales.
library IntegerProduct {
    /// @notice The sum, 32 bits, after a segment.
    /// @param acc the sum before it.
    /// @param operands the a[t], then the b[t], a signed byte each.
    function segment(uint256 acc, bytes calldata operands) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let half := shr(1, operands.length)
            let end := add(operands.offset, half)
            r := acc
            for { let at := operands.offset } lt(at, end) { at := add(at, 1) } {
                let a := signextend(0, shr(248, calldataload(at)))
                let b := signextend(0, shr(248, calldataload(add(at, half))))
                r := add(r, mul(a, b))
            }
            r := and(r, 0xffffffff)
        }
    }

    /// @notice The sum as f32 times one scale, times the other. The rules for outputs are not applied yet.
    function scaled(uint256 sum, uint256 scaleA, uint256 scaleB) internal pure returns (uint256) {
        return Float32.mul(Float32.mul(Float32.float(sum), scaleA), scaleB);
    }
}
