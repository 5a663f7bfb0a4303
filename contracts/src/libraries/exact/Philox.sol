// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Random words: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, 2011).
library Philox {
    /// @notice Word number `element` of a stream: counter (element / 4, step, stream, 0), one word of the four.
    /// @param seed0 a word of 32 bits, as are all but `element`.
    function word(uint256 seed0, uint256 seed1, uint256 stream, uint256 step, uint256 element)
        internal
        pure
        returns (uint256 r)
    {
        assembly ("memory-safe") {
            let c0 := and(shr(2, element), 0xffffffff)
            let c1 := step
            let c2 := stream
            let c3 := 0
            for { let round := 0 } lt(round, 10) { round := add(round, 1) } {
                let product0 := mul(c0, 0xd2511f53)
                let product1 := mul(c2, 0xcd9e8d57)
                c0 := xor(xor(shr(32, product1), c1), seed0)
                c1 := and(product1, 0xffffffff)
                c2 := xor(xor(shr(32, product0), c3), seed1)
                c3 := and(product0, 0xffffffff)
                seed0 := and(add(seed0, 0x9e3779b9), 0xffffffff)
                seed1 := and(add(seed1, 0xbb67ae85), 0xffffffff)
            }
            switch and(element, 3)
            case 0 { r := c0 }
            case 1 { r := c1 }
            case 2 { r := c2 }
            default { r := c3 }
        }
    }
}
