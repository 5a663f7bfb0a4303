// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Arithmetic of IEEE-754 binary32 on bit patterns: nearest even, subnormals kept, one NaN.
/// @notice Every argument and result is a pattern in the low 32 bits of a word; the other bits of an argument must be 0.
/// @dev A finite number is taken apart into a significand m < 2^24 and an exponent e from 0, worth m * 2^(e - 149);
/// e is the stored exponent less one, or 0 for a subnormal. What is to be rounded is a pair: s * 2^(scale - 422),
/// s below 2^255, where the rest of an inexact s may be a bit far below the last place. The plain twin is
/// contracts/test/exact/PlainFloat32.sol.
library Float32 {
    uint256 internal constant NAN = 0x7fc00000;
    uint256 internal constant INFINITY = 0x7f800000;
    uint256 internal constant SIGN = 0x80000000;
    uint256 private constant ONE = 0x3f800000;
    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant EXPONENT = 0x7f800000;
    uint256 private constant FRACTION = 0x7fffff;
    /// @dev The first bit of a normal number's significand, which its pattern leaves out.
    uint256 private constant HIDDEN = 0x800000;
    /// @dev The last exponent of a normal number less the first, where exponents stand.
    uint256 private constant NORMAL = 0x7effffff;
    uint256 private constant ONES = 0xffffffff;

    /// @notice a * b + c, rounded once.
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256 r) {
        bool isPlain;
        assembly ("memory-safe") {
            // Normal numbers that are not too far apart and give another; exponents stay where they are in patterns.
            let e := and(a, EXPONENT)
            let s := and(b, EXPONENT)
            r := and(c, EXPONENT)
            if iszero(
                or(
                    or(gt(sub(e, HIDDEN), NORMAL), gt(sub(s, HIDDEN), NORMAL)),
                    gt(sub(r, HIDDEN), NORMAL)
                )
            ) {
                e := add(e, s)
                // How far c is to be shifted on the scale of the product, as in _fmaAnyhow.
                r := shr(23, sub(add(r, shl(23, 274)), e))
                if lt(r, 231) {
                    s := shl(124, mul(or(and(a, FRACTION), HIDDEN), or(and(b, FRACTION), HIDDEN)))
                    r := shl(r, or(and(c, FRACTION), HIDDEN))
                    let sign := xor(a, b)
                    switch and(xor(sign, c), SIGN)
                    case 0 { s := add(s, r) }
                    default {
                        switch gt(r, s)
                        case 0 { s := sub(s, r) }
                        default {
                            s := sub(r, s)
                            sign := c
                        }
                    }
                    let up := sub(clz(s), 1)
                    r := shl(up, s)
                    r := add(
                        sub(e, shl(23, add(up, 44))),
                        shr(231, add(r, add(sub(shl(230, 1), 1), and(shr(231, r), 1))))
                    )
                    isPlain := and(lt(sub(r, HIDDEN), add(NORMAL, 1)), gt(s, 0))
                    r := or(r, and(sign, SIGN))
                }
            }
        }
        if (!isPlain) return _fmaAnyhow(a, b, c);
    }

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        return fma(a, ONE, b);
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ SIGN);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256 r) {
        bool isPlain;
        assembly ("memory-safe") {
            let e := and(a, EXPONENT)
            let s := and(b, EXPONENT)
            if iszero(or(gt(sub(e, HIDDEN), NORMAL), gt(sub(s, HIDDEN), NORMAL))) {
                e := add(e, s)
                s := mul(or(and(a, FRACTION), HIDDEN), or(and(b, FRACTION), HIDDEN))
                let up := sub(clz(s), 1)
                r := shl(up, s)
                r := add(
                    sub(add(e, shl(23, 80)), shl(23, up)),
                    shr(231, add(r, add(sub(shl(230, 1), 1), and(shr(231, r), 1))))
                )
                isPlain := lt(sub(r, HIDDEN), add(NORMAL, 1))
                r := or(r, and(xor(a, b), SIGN))
            }
        }
        // Adding a zero of its own sign changes no product.
        if (!isPlain) return _fmaAnyhow(a, b, (a ^ b) & SIGN);
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256 r) {
        uint256 s;
        uint256 scale;
        uint256 sign;
        assembly ("memory-safe") {
            sign := and(xor(a, b), SIGN)
            let x := and(a, MAGNITUDE)
            let y := and(b, MAGNITUDE)
            switch or(iszero(y), or(gt(x, 0x7f7fffff), gt(y, 0x7f7fffff)))
            case 0 {
                scale := sub(shr(23, x), gt(x, 0x7fffff))
                let e := sub(shr(23, y), gt(y, 0x7fffff))
                let n := shl(100, sub(x, shl(23, scale)))
                let d := sub(y, shl(23, e))
                s := div(n, d)
                // The last bit says whether there is a rest.
                s := or(shl(25, s), shl(24, gt(n, mul(s, d))))
                scale := sub(add(scale, 297), e)
            }
            default {
                r := NAN
                if iszero(or(gt(x, INFINITY), gt(y, INFINITY))) {
                    switch eq(x, INFINITY)
                    case 1 { if lt(y, INFINITY) { r := or(sign, INFINITY) } }
                    default {
                        switch y
                        case 0 { if x { r := or(sign, INFINITY) } }
                        default { r := sign }
                    }
                }
                scale := not(0)
            }
        }
        if (scale != type(uint256).max) r = _rounded(s, scale, sign);
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        if (a & MAGNITUDE == 0 || a == INFINITY) return a;
        if (a > INFINITY) return NAN;
        uint256 s;
        uint256 scale;
        assembly ("memory-safe") {
            let e := sub(shr(23, a), gt(a, 0x7fffff))
            // n * 2^(e - 209 - odd), an even exponent.
            let odd := and(add(e, 1), 1)
            let n := shl(add(60, odd), sub(a, shl(23, e)))
            // Newton from above: n is below 2^86 and the first guess within a factor of 2, so that five halvings of
            // the number of wrong bits suffice; the sixth is to spare.
            let root := shl(shr(1, sub(257, clz(n))), 1)
            root := shr(1, add(root, div(n, root)))
            root := shr(1, add(root, div(n, root)))
            root := shr(1, add(root, div(n, root)))
            root := shr(1, add(root, div(n, root)))
            root := shr(1, add(root, div(n, root)))
            root := shr(1, add(root, div(n, root)))
            root := sub(root, gt(root, div(n, root)))
            s := or(shl(25, root), shl(24, gt(n, mul(root, root))))
            scale := add(sar(1, sub(sub(e, 209), odd)), 397)
        }
        return _rounded(s, scale, 0);
    }

    /// @notice NaN when either is; -0 below +0.
    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        return _order(a) < _order(b) ? a : b;
    }

    /// @notice NaN when either is; -0 below +0.
    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        return _order(a) < _order(b) ? b : a;
    }

    /// @notice All ones where a < b, as numbers; 0 where not.
    function lt(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b) || (a | b) & MAGNITUDE == 0) return 0;
        return _order(a) < _order(b) ? ONES : 0;
    }

    function le(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return 0;
        return (a | b) & MAGNITUDE == 0 || _order(a) <= _order(b) ? ONES : 0;
    }

    function eq(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return 0;
        return a == b || (a | b) & MAGNITUDE == 0 ? ONES : 0;
    }

    /// @notice The f32 nearest to a signed integer of 32 bits.
    function float(uint256 a) internal pure returns (uint256) {
        if (a == 0) return 0;
        uint256 magnitude;
        assembly ("memory-safe") {
            let minus := sub(0, shr(31, a))
            magnitude := and(sub(xor(a, minus), minus), ONES)
        }
        return _rounded(magnitude << 200, 222, a & SIGN);
    }

    /// @notice The signed integer of 32 bits nearest to an f32; NaN gives 0, what is out of range the end of it.
    function nearest(uint256 a) internal pure returns (uint256 r) {
        uint256 x = a & MAGNITUDE;
        if (x > INFINITY || x < 0x3f000000) return 0;
        if (x >= 0x4f000000) return a & SIGN != 0 ? SIGN : MAGNITUDE;
        assembly ("memory-safe") {
            // From a half to below 2^31 there are no subnormals: 64 bits of fraction hold every last place.
            let e := sub(shr(23, x), 1)
            r := shl(sub(e, 85), sub(x, shl(23, e)))
            r := shr(64, add(r, add(0x7fffffffffffffff, and(shr(64, r), 1))))
            let minus := sub(0, shr(31, a))
            r := and(sub(xor(r, minus), minus), ONES)
        }
    }

    /// @notice What is stored of an f32 that an op gives: one NaN, zeros for subnormals, with their sign.
    function atOutput(uint256 a) internal pure returns (uint256) {
        uint256 x = a & MAGNITUDE;
        if (x > INFINITY) return NAN;
        return x < 0x800000 ? a & SIGN : a;
    }

    /// @notice The same, with the one NaN for any.
    function withOneNaN(uint256 a) internal pure returns (uint256) {
        return isNaN(a) ? NAN : a;
    }

    function isNaN(uint256 a) internal pure returns (bool) {
        return a & MAGNITUDE > INFINITY;
    }

    /// @dev Patterns as numbers in the order of what they stand for, -0 below +0.
    function _order(uint256 a) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := xor(a, or(SIGN, mul(shr(31, a), MAGNITUDE)))
        }
    }

    /// @dev a * b + c for any numbers.
    function _fmaAnyhow(uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        uint256 s;
        uint256 scale;
        uint256 sign;
        assembly ("memory-safe") {
            sign := xor(a, b)
            let x := and(a, MAGNITUDE)
            let y := and(b, MAGNITUDE)
            let z := and(c, MAGNITUDE)
            // Adding 2^23 carries into bit 31 for an exponent of all ones.
            switch and(or(or(add(x, 0x800000), add(y, 0x800000)), add(z, 0x800000)), SIGN)
            case 0 {
                scale := sub(shr(23, x), gt(x, 0x7fffff))
                let e := sub(shr(23, y), gt(y, 0x7fffff))
                s := shl(124, mul(sub(x, shl(23, scale)), sub(y, shl(23, e))))
                scale := add(scale, e)
                e := sub(shr(23, z), gt(z, 0x7fffff))
                let m := sub(z, shl(23, e))
                // c is m shifted left by this, on the scale of the product.
                let shift := sub(add(e, 273), scale)
                if gt(sub(shift, 24), 206) {
                    // One of the two is so much smaller that only its sign counts, or is zero.
                    switch and(slt(shift, 24), gt(s, 0))
                    case 1 {
                        m := gt(m, 0)
                        shift := 24
                    }
                    default {
                        if m {
                            s := shl(24, gt(s, 0))
                            shift := 200
                            scale := add(e, 73)
                        }
                    }
                }
                let minus := sub(0, shr(31, xor(sign, c)))
                s := add(s, sub(xor(shl(shift, m), minus), minus))
                minus := sar(255, s)
                s := xor(add(s, minus), minus)
                sign := xor(sign, minus)
            }
            default { scale := not(0) }
        }
        if (scale == type(uint256).max) return _fmaOfSpecial(a, b, c);
        // An exact zero is -0 only where both terms are.
        if (s == 0) return sign & c & SIGN;
        return _rounded(s, scale, sign & SIGN);
    }

    /// @dev s * 2^(scale - 422) with a sign: 24 bits where the exponent is in range, fewer below, infinity above.
    function _rounded(uint256 s, uint256 scale, uint256 sign) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            let up := sub(clz(s), 1)
            let t := shl(up, s)
            // The first bit stands at 254 now, the last of 24 at 231.
            let e := sub(sub(scale, 42), up)
            let half := sub(shl(230, 1), 1)
            r := add(shl(23, e), shr(231, add(t, add(half, and(shr(231, t), 1)))))
            if gt(sub(r, 0x800000), 0x7effffff) {
                if slt(e, 0) {
                    let down := sub(0, e)
                    if gt(down, 40) { down := 40 }
                    t := or(shr(down, t), gt(and(t, sub(shl(down, 1), 1)), 0))
                    e := 0
                }
                r := add(shl(23, e), shr(231, add(t, add(half, and(shr(231, t), 1)))))
                if gt(r, 0x7f7fffff) { r := INFINITY }
            }
            r := or(r, sign)
        }
    }

    /// @dev a * b + c where one of them is infinite or NaN.
    function _fmaOfSpecial(uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        if (isNaN(a) || isNaN(b) || isNaN(c)) return NAN;
        (uint256 x, uint256 y) = (a & MAGNITUDE, b & MAGNITUDE);
        if (x != INFINITY && y != INFINITY) return c;
        uint256 product = ((a ^ b) & SIGN) | INFINITY;
        if (x == 0 || y == 0) return NAN;
        return c == product ^ SIGN ? NAN : product;
    }
}
