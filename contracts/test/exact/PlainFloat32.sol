// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Binary32 as the standard's words have it: an exact number m * 2^e, rounded once. Slow and obviously right; the
/// twin that Float32, Chain and MapProgram are tested against.
library PlainFloat32 {
    struct Number {
        bool isNegative;
        uint256 m;
        int256 e;
    }

    uint256 internal constant NAN = 0x7fc00000;
    uint256 internal constant INFINITY = 0x7f800000;

    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b) || isNaN(c)) return NAN;
        bool isNegative = isBelow(a) != isBelow(b);
        if (isInfinite(a) || isInfinite(b)) {
            if (isZero(a) || isZero(b)) return NAN;
            if (isInfinite(c) && isBelow(c) != isNegative) return NAN;
            return signed(isNegative, INFINITY);
        }
        if (isInfinite(c)) return c;
        (Number memory x, Number memory y) = (numberOf(a), numberOf(b));
        return sum(Number(isNegative, x.m * y.m, x.e + y.e), numberOf(c));
    }

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        return fma(a, 0x3f800000, b);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        return fma(a, b, isBelow(a) != isBelow(b) ? 0x80000000 : 0);
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        bool isNegative = isBelow(a) != isBelow(b);
        if (isInfinite(a)) return isInfinite(b) ? NAN : signed(isNegative, INFINITY);
        if (isZero(b)) return isZero(a) ? NAN : signed(isNegative, INFINITY);
        if (isInfinite(b)) return signed(isNegative, 0);
        (Number memory x, Number memory y) = (numberOf(a), numberOf(b));
        uint256 quotient = (x.m << 100) / y.m;
        uint256 rest = (x.m << 100) % y.m;
        return rounded(Number(isNegative, 2 * quotient + (rest > 0 ? 1 : 0), x.e - y.e - 101));
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        if (isNaN(a)) return NAN;
        if (isZero(a)) return a;
        if (isBelow(a)) return NAN;
        if (isInfinite(a)) return a;
        Number memory x = numberOf(a);
        if (x.e % 2 != 0) (x.m, x.e) = (2 * x.m, x.e - 1);
        (x.m, x.e) = (x.m << 80, x.e - 80);
        // One binary place after the other.
        uint256 root = 0;
        for (uint256 bit = 1 << 54; bit > 0; bit /= 2) {
            if ((root + bit) * (root + bit) <= x.m) root += bit;
        }
        return rounded(Number(false, 2 * root + (root * root < x.m ? 1 : 0), x.e / 2 - 1));
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        if (isZero(a) && isZero(b)) return isBelow(a) ? a : b;
        return placeOf(a) < placeOf(b) ? a : b;
    }

    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        if (isZero(a) && isZero(b)) return isBelow(a) ? b : a;
        return placeOf(a) > placeOf(b) ? a : b;
    }

    function lt(uint256 a, uint256 b) internal pure returns (uint256) {
        return !isNaN(a) && !isNaN(b) && placeOf(a) < placeOf(b) ? 0xffffffff : 0;
    }

    function le(uint256 a, uint256 b) internal pure returns (uint256) {
        return !isNaN(a) && !isNaN(b) && placeOf(a) <= placeOf(b) ? 0xffffffff : 0;
    }

    function eq(uint256 a, uint256 b) internal pure returns (uint256) {
        return !isNaN(a) && !isNaN(b) && placeOf(a) == placeOf(b) ? 0xffffffff : 0;
    }

    function float(uint256 a) internal pure returns (uint256) {
        int256 value = int32(uint32(a));
        return rounded(Number(value < 0, uint256(value < 0 ? -value : value), 0));
    }

    function nearest(uint256 a) internal pure returns (uint256) {
        if (isNaN(a)) return 0;
        if (isInfinite(a)) return isBelow(a) ? 0x80000000 : 0x7fffffff;
        Number memory x = numberOf(a);
        uint256 whole = x.e >= 0 ? (x.e > 40 ? 1 << 40 : x.m << uint256(x.e)) : halved(x.m, uint256(-x.e));
        if (!x.isNegative) return whole > 0x7fffffff ? 0x7fffffff : whole;
        if (whole == 0) return 0;
        return (1 << 32) - (whole > 0x80000000 ? 0x80000000 : whole);
    }

    /// @dev The sum of two numbers, of which a smaller one far away only counts as a touch.
    function sum(Number memory a, Number memory b) internal pure returns (uint256) {
        if (a.m == 0 && b.m == 0) return signed(a.isNegative && b.isNegative, 0);
        if (a.m == 0) return rounded(b);
        if (b.m == 0) return rounded(a);
        if (a.e < b.e) (a, b) = (b, a);
        // Now a stands on the greater power. What lies below a * 2^-150 cannot reach a's 24th bit, whatever it is.
        if (a.e - b.e > 150) (b.m, b.e) = (1, a.e - 150);
        (a.m, a.e) = (a.m << uint256(a.e - b.e), b.e);
        if (a.isNegative == b.isNegative) return rounded(Number(a.isNegative, a.m + b.m, a.e));
        if (a.m == b.m) return 0;
        return a.m > b.m
            ? rounded(Number(a.isNegative, a.m - b.m, a.e))
            : rounded(Number(b.isNegative, b.m - a.m, a.e));
    }

    /// @dev The nearest f32, of two the one with an even last bit.
    function rounded(Number memory x) internal pure returns (uint256) {
        if (x.m == 0) return signed(x.isNegative, 0);
        // As many bits as do not fit into 24, and as lie below 2^-149.
        int256 surplus = int256(bitsIn(x.m)) - 24;
        if (x.e + surplus < -149) surplus = -149 - x.e;
        if (surplus > 0) (x.m, x.e) = (halved(x.m, uint256(surplus)), x.e + surplus);
        while (x.m < 1 << 23 && x.e > -149) (x.m, x.e) = (2 * x.m, x.e - 1);
        if (x.m == 1 << 24) (x.m, x.e) = (x.m / 2, x.e + 1);
        if (x.m < 1 << 23) return signed(x.isNegative, x.m);
        if (x.e > 104) return signed(x.isNegative, INFINITY);
        return signed(x.isNegative, (uint256(x.e + 150) << 23) | (x.m & 0x7fffff));
    }

    /// @dev m / 2^places, to the nearest, of two to the even one.
    function halved(uint256 m, uint256 places) internal pure returns (uint256 whole) {
        if (places > 255) return 0;
        whole = m >> places;
        uint256 rest = m - (whole << places);
        uint256 half = 1 << (places - 1);
        if (rest > half || (rest == half && whole % 2 == 1)) ++whole;
    }

    function numberOf(uint256 a) internal pure returns (Number memory) {
        uint256 exponent = (a >> 23) & 0xff;
        uint256 fraction = a & 0x7fffff;
        if (exponent == 0) return Number(isBelow(a), fraction, -149);
        return Number(isBelow(a), fraction | 0x800000, int256(exponent) - 150);
    }

    /// @dev Whole numbers in the order of what patterns stand for.
    function placeOf(uint256 a) internal pure returns (int256) {
        return isBelow(a) ? -int256(a & 0x7fffffff) : int256(a);
    }

    function signed(bool isNegative, uint256 magnitude) internal pure returns (uint256) {
        return isNegative ? magnitude | 0x80000000 : magnitude;
    }

    function bitsIn(uint256 m) internal pure returns (uint256 bits) {
        while (m > 0) (m, bits) = (m / 2, bits + 1);
    }

    function isNaN(uint256 a) internal pure returns (bool) {
        return a & 0x7fffffff > INFINITY;
    }

    function isInfinite(uint256 a) internal pure returns (bool) {
        return a & 0x7fffffff == INFINITY;
    }

    function isZero(uint256 a) internal pure returns (bool) {
        return a & 0x7fffffff == 0;
    }

    function isBelow(uint256 a) internal pure returns (bool) {
        return a & 0x80000000 != 0;
    }
}
