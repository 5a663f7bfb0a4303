// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";

/// @title The map programs of e^x and of the power in a softmax, written out, at less than half of what they cost
/// instruction by instruction. They are `exp` and `expOfDifference` of src/exact/Elementwise.ts.
library Exponential {
    /// @dev keccak256 of the bytes of each program in a leaf, and how many there are.
    bytes32 internal constant EXP = 0x3eb6c9543f22c490722406374d88e6ec9c1a71a876fb841d60d1627de3d52b9d;
    bytes32 internal constant EXP_OF_DIFFERENCE = 0x4fdd2aef131d76175fc36d2eaf06d298fc9fc8c6102db2a264c31d781b27944c;
    uint256 internal constant EXP_LENGTH = 416;
    uint256 internal constant EXP_OF_DIFFERENCE_LENGTH = 448;

    uint256 private constant MINUS_60 = 0xc2700000;

    /// @notice e^(a - b), the difference no lower than -60.
    function expOfDifference(uint256 a, uint256 b) internal pure returns (uint256) {
        return exp(Float32.max(Float32.sub(a, b), MINUS_60));
    }

    /// @notice e^x by the sequence of src/exact/SPEC.md, section 2.
    function exp(uint256 x) internal pure returns (uint256) {
        unchecked {
            uint256 t = Float32.fma(x, 0x3fb8aa3b, 0x4b400000);
            uint256 r = Float32.sub(t, 0x4b400000);
            r = Float32.fma(r, 0x3102e308, Float32.fma(r, 0xbf317218, x));
            uint256 y = Float32.fma(0x3abc81b9, r, 0x3c09004d);
            y = Float32.fma(y, r, 0x3d2aa49f);
            y = Float32.fma(y, r, 0x3e2aaa70);
            y = Float32.fma(y, r, 0x3f000002);
            y = Float32.add(Float32.fma(y, Float32.mul(r, r), r), 0x3f800000);
            // Half of the exponent, rounded down, and the rest, each as a power of two.
            uint256 k = (t - 0x4b400000) & 0xffffffff;
            uint256 half = ((k >> 1) | (k & 0x80000000)) & 0xffffffff;
            y = Float32.mul(y, ((half + 127) << 23) & 0xffffffff);
            y = Float32.mul(y, ((k - half + 127) << 23) & 0xffffffff);
            if (Float32.lt(x, 0xc2cff1b5) != 0) return 0;
            return Float32.lt(0x42b17218, x) != 0 ? Float32.INFINITY : y;
        }
    }
}
