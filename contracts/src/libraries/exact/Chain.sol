// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title A segment of a chain of fused multiply-adds: acc = fma(a[t], b[t], acc), t ascending.
library Chain {
    uint256 private constant SIGN_BIT = 0x80000000;
    uint256 private constant EACH = 0x0000000100000001000000010000000100000001000000010000000100000001;

    /// @notice The accumulator after a segment of up to 64 terms.
    /// @param acc the accumulator before it.
    /// @param operands the a[t], then the b[t], as they lie in memory: 8 bytes a term.
    function segment(uint256 acc, bytes calldata operands) internal pure returns (uint256) {
        (bool isPlain, uint256 r) = _plain(acc, operands);
        return isPlain ? r : _anyhow(acc, operands);
    }

    /// @dev One term after the other, whatever the operands are.
    function _anyhow(uint256 acc, bytes calldata operands) private pure returns (uint256) {
        uint256 terms = operands.length / 8;
        for (uint256 t = 0; t < terms; ++t) {
            acc = Float32.fma(LittleEndian.number(operands, t), LittleEndian.number(operands, terms + t), acc);
        }
        return acc;
    }

    /// @dev Eight terms a word, where nothing can overflow, be inexact below the normal numbers or be NaN: the
    /// accumulator is finite, below 2^126 and not -0, no operand is infinite or NaN, and each product is zero or
    /// a multiple of 2^-149 below 2^110. Then no exponent has to be looked at before the end.
    ///
    /// The accumulator is a signed number r of two's complement whose first bit stands at 253 and of which 24 bits count,
    /// worth r * 2^(scale - 273); a product is one with its last bit at 124, worth s * 2^(e - 273). Terms beyond the last
    /// are zeros, which change nothing.
    ///
    /// @return isPlain whether the operands were of that kind; if not, the other result means nothing.
    function _plain(uint256 acc, bytes calldata operands) private pure returns (bool isPlain, uint256 r) {
        uint256 x = acc & 0x7fffffff;
        if (x > 0x7e7fffff || acc == Float32.SIGN) return (false, 0);
        assembly ("memory-safe") {
            // Adds a product s * 2^(e - 273) to r * 2^(scale - 273) and rounds to 24 bits.
            function plus(r0, scale0, s, e) -> r1, scale1 {
                let distance := sub(e, scale0)
                if gt(sub(distance, 1), 205) {
                    // Too far apart to be added as they are: the smaller one only counts by its sign.
                    if r0 {
                        switch slt(distance, 1)
                        case 1 {
                            // The product is the smaller.
                            let sign := sub(sgt(s, 0), slt(s, 0))
                            s := add(sar(1, r0), shl(24, sign))
                            e := add(scale0, 1)
                        }
                        default {
                            switch s
                            case 0 {
                                s := sar(1, r0)
                                e := add(scale0, 1)
                            }
                            default { s := add(s, shl(24, sub(1, shl(1, slt(r0, 0))))) }
                        }
                    }
                    r0 := 0
                }
                r1 := add(sar(distance, r0), s)
                let up := sub(clz(xor(sar(255, r1), r1)), 2)
                r1 := shl(up, r1)
                scale1 := sub(e, up)
                // Nearest even at bit 230; a carry into bit 254 is taken up by the next shift.
                r1 := add(add(and(shr(230, r1), 1), sub(shl(229, 1), 1)), r1)
                r1 := and(r1, not(sub(shl(230, 1), 1)))
            }

            let scale := sub(0, 1000)
            if x {
                let e := sub(shr(23, x), gt(x, 0x7fffff))
                r := shl(230, sub(x, shl(23, e)))
                scale := sub(e, 106)
                if shr(31, acc) { r := sub(0, r) }
            }
            let half := shr(1, operands.length)
            let wrong := 0
            for { let at := 0 } lt(at, half) { at := add(at, 32) } {
                let a := calldataload(add(operands.offset, at))
                let b := calldataload(add(add(operands.offset, half), at))
                if lt(sub(half, at), 32) {
                    let within := not(shr(shl(3, sub(half, at)), not(0)))
                    a := and(a, within)
                    b := and(b, within)
                }
                // Least byte first in memory: turn each number round.
                {
                    let bytes_ := mul(EACH, 0x00ff00ff)
                    a := or(and(shr(8, a), bytes_), shl(8, and(a, bytes_)))
                    b := or(and(shr(8, b), bytes_), shl(8, and(b, bytes_)))
                    let pairs := mul(EACH, 0xffff)
                    a := or(and(shr(16, a), pairs), shl(16, and(a, pairs)))
                    b := or(and(shr(16, b), pairs), shl(16, and(b, pairs)))
                }
                // Significands and exponents of all eight at once, as in Float32.
                let exponentA := and(a, mul(EACH, 0x7f800000))
                let exponentB := and(b, mul(EACH, 0x7f800000))
                wrong := or(wrong, or(add(exponentA, mul(EACH, 0x800000)), add(exponentB, mul(EACH, 0x800000))))
                let one := and(shr(31, add(exponentA, mul(EACH, 0x7f800000))), EACH)
                let ma := or(and(a, mul(EACH, 0x7fffff)), shl(23, one))
                let e := sub(shr(23, exponentA), one)
                one := and(shr(31, add(exponentB, mul(EACH, 0x7f800000))), EACH)
                let mb := or(and(b, mul(EACH, 0x7fffff)), shl(23, one))
                e := add(e, sub(shr(23, exponentB), one))
                // Where a product is zero, an exponent that is no trouble.
                one := and(shr(31, and(add(ma, mul(EACH, 0x7fffffff)), add(mb, mul(EACH, 0x7fffffff)))), EACH)
                if xor(one, EACH) {
                    let zeros := sub(EACH, one)
                    zeros := sub(shl(32, zeros), zeros)
                    e := or(and(e, not(zeros)), and(zeros, mul(EACH, 260)))
                }
                // 149 to 360.
                wrong := or(wrong, or(not(add(e, mul(EACH, sub(0x80000000, 149)))), add(e, mul(EACH, sub(0x80000000, 361)))))
                e := sub(e, mul(EACH, 149))
                // Signed significands of the products.
                one := and(shr(31, xor(a, b)), one)
                ma := add(xor(ma, sub(shl(32, one), one)), one)

                let m := shl(124, 0xffffff)
                r, scale := plus(r, scale, mul(sar(224, ma), and(shr(100, mb), m)), byte(3, e))
                r, scale := plus(r, scale, mul(sar(224, shl(32, ma)), and(shr(68, mb), m)), byte(7, e))
                r, scale := plus(r, scale, mul(sar(224, shl(64, ma)), and(shr(36, mb), m)), byte(11, e))
                r, scale := plus(r, scale, mul(sar(224, shl(96, ma)), and(shr(4, mb), m)), byte(15, e))
                r, scale := plus(r, scale, mul(sar(224, shl(128, ma)), and(shl(28, mb), m)), byte(19, e))
                r, scale := plus(r, scale, mul(sar(224, shl(160, ma)), and(shl(60, mb), m)), byte(23, e))
                r, scale := plus(r, scale, mul(sar(224, shl(192, ma)), and(shl(92, mb), m)), byte(27, e))
                r, scale := plus(r, scale, mul(signextend(3, ma), and(shl(124, mb), m)), byte(31, e))
            }
            isPlain := iszero(and(wrong, mul(EACH, 0x80000000)))
            if r {
                let minus := sar(255, r)
                r := shr(230, xor(add(r, minus), minus))
                scale := add(scale, 106)
                if shr(24, r) {
                    r := shr(1, r)
                    scale := add(scale, 1)
                }
                switch slt(scale, 0)
                case 1 { r := shr(sub(0, scale), r) }
                default { r := add(shl(23, scale), r) }
                r := or(r, and(minus, SIGN_BIT))
            }
        }
    }
}
