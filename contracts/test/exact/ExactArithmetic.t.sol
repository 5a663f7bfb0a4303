// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JudgeBase} from "./JudgeBase.sol";
import {PlainFloat32} from "./PlainFloat32.sol";

/// @title The judge's arithmetic against its plain twin. test/judge.e2e.test.ts holds it against the exact engine.
contract ExactArithmeticTest is JudgeBase {
    /// @dev What each operator gives, plainly.
    function plain(uint256 op, uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        if (op == 0) return PlainFloat32.fma(a, b, c);
        if (op == 1) return PlainFloat32.add(a, b);
        if (op == 2) return PlainFloat32.add(a, b ^ 0x80000000);
        if (op == 3) return PlainFloat32.mul(a, b);
        if (op == 4) return PlainFloat32.div(a, b);
        if (op == 5) return PlainFloat32.sqrt(a);
        if (op == 6) return PlainFloat32.min(a, b);
        if (op == 7) return PlainFloat32.max(a, b);
        if (op == 8) return PlainFloat32.lt(a, b);
        if (op == 9) return PlainFloat32.le(a, b);
        if (op == 10) return PlainFloat32.eq(a, b);
        if (op == 11) return (a & b) | (~a & c);
        if (op == 12) return a & b;
        if (op == 13) return a | b;
        if (op == 14) return a ^ b;
        unchecked {
            if (op == 15) return uint32(a) + uint32(b) & 0xffffffff;
            if (op == 16) return uint32(uint32(a) - uint32(b));
            if (op == 17) return uint256(uint32(a << (b % 32)));
            if (op == 18) return uint32(a) >> (b % 32);
            if (op == 19) return uint32(int32(uint32(a)) >> (b % 32));
        }
        return op == 20 ? PlainFloat32.float(a) : PlainFloat32.nearest(a);
    }

    function testFuzz_everyOperator(uint256 seedA, uint256 seedB, uint256 seedC) public view {
        (uint256 a, uint256 b, uint256 c) = (shaped(seedA), shaped(seedB), shaped(seedC));
        // Now and then nearly the opposite of the product.
        if (seedC >> 96 & 3 == 0) c = (PlainFloat32.mul(a, b) ^ 0x80000000) + (seedC >> 128 & 1) & 0xffffffff;
        bytes memory inputs = bytes.concat(bytesOf(a), bytesOf(b), bytesOf(c));
        for (uint256 op = 0; op < 22; ++op) {
            bytes memory result = resultOf(mapLeaf(3, programOf(3, op, 1)), 0, bytesOf(0), inputs);
            eq(numberOf(result), plain(op, a, b, c), string.concat("operator ", string(abi.encodePacked(uint8(65 + op)))));
        }
    }

    function testFuzz_chain(uint256 seed) public view {
        uint256 terms = 1 + seed % 64;
        // All alike, so that whole chains take the quick way; or each of a kind of its own.
        bool isPlain = seed >> 250 & 1 == 0;
        uint256 acc = isPlain ? 0 : shaped(seed);
        uint256 expected = acc;
        bytes memory a;
        bytes memory b;
        for (uint256 t = 0; t < terms; ++t) {
            seed = next(seed);
            uint256 x = drawn(seed, isPlain);
            uint256 y = drawn(next(seed), isPlain);
            expected = PlainFloat32.fma(x, y, expected);
            a = bytes.concat(a, bytesOf(x));
            b = bytes.concat(b, bytesOf(y));
        }
        bytes memory result = resultOf(productLeaf(2, terms), 0, bytesOf(acc), bytes.concat(a, b));
        eq(numberOf(result), expected, "chain");
    }

    function drawn(uint256 seed, bool isPlain) private pure returns (uint256) {
        return shaped(isPlain ? seed & ~uint256(7 << 64) | (5 << 64) : seed);
    }

    function test_chain_takesTheSlowWayForEachReason() public view {
        // An accumulator too great, a zero below, an infinite operand, a product too small and one too great.
        uint32[3][6] memory cases = [
            [uint32(0x7f000000), 0x3f800000, 0x3f800000],
            [uint32(0x80000000), 0x80000000, 0x3f800000],
            [uint32(0x3f800000), 0x7f800000, 0x3f800000],
            [uint32(0x00000001), 0x1f800000, 0x1f800000],
            [uint32(0x3f800000), 0x5f800000, 0x5f800000],
            [uint32(0x3f800000), 0x7fa00001, 0x00000000]
        ];
        for (uint256 i = 0; i < 6; ++i) {
            (uint256 acc, uint256 a, uint256 b) = (cases[i][0], cases[i][1], cases[i][2]);
            bytes memory result =
                resultOf(productLeaf(2, 1), 0, bytesOf(acc), bytes.concat(bytesOf(a), bytesOf(b)));
            eq(numberOf(result), PlainFloat32.fma(a, b, acc), "slow way");
        }
    }

    function testFuzz_reduce(uint256 seed, uint8 reduction) public view {
        reduction %= 3;
        uint256 size = 1 + seed % 64;
        uint256[16] memory lanes;
        bytes memory acc;
        for (uint256 i = 0; i < 16; ++i) {
            if (reduction == 2) lanes[i] = 0xff800000;
            acc = bytes.concat(acc, bytesOf(lanes[i]));
        }
        bytes memory elements;
        for (uint256 k = 0; k < size; ++k) {
            seed = next(seed);
            uint256 x = shaped(seed);
            elements = bytes.concat(elements, bytesOf(x));
            if (reduction == 0) lanes[k % 16] = PlainFloat32.add(lanes[k % 16], x);
            if (reduction == 1) lanes[k % 16] = PlainFloat32.fma(x, x, lanes[k % 16]);
            if (reduction == 2) lanes[k % 16] = PlainFloat32.max(lanes[k % 16], x);
        }
        bytes memory op = reduceLeaf(reduction, size);
        acc = resultOf(op, 0, acc, elements);
        for (uint256 half = 8; half > 0; half /= 2) {
            for (uint256 i = 0; i < half; ++i) {
                lanes[i] = reduction == 2
                    ? PlainFloat32.max(lanes[i], lanes[i + half])
                    : PlainFloat32.add(lanes[i], lanes[i + half]);
            }
        }
        eq(numberOf(resultOf(op, 1, acc, "")), stored(lanes[0]), "reduction");
    }

    function testFuzz_integerProduct(uint256 seed, uint32 acc, uint256 scaleA, uint256 scaleB) public view {
        uint256 terms = 1 + seed % 64;
        bytes memory a;
        bytes memory b;
        int256 expected = int32(acc);
        for (uint256 t = 0; t < terms; ++t) {
            seed = next(seed);
            (int8 x, int8 y) = (int8(uint8(seed)), int8(uint8(seed >> 8)));
            expected += int256(x) * y;
            (a, b) = (bytes.concat(a, bytes1(uint8(x))), bytes.concat(b, bytes1(uint8(y))));
        }
        bytes memory op = productLeaf(3, terms);
        bytes memory result = resultOf(op, 0, bytesOf(acc), bytes.concat(a, b));
        eq(numberOf(result), uint32(uint256(expected)), "sum");
        (scaleA, scaleB) = (shaped(scaleA), shaped(scaleB));
        uint256 product = PlainFloat32.mul(PlainFloat32.float(numberOf(result)), scaleA);
        result = resultOf(op, 1, result, bytes.concat(bytesOf(scaleA), bytesOf(scaleB)));
        eq(numberOf(result), stored(PlainFloat32.mul(product, scaleB)), "scaled");
    }

    /// @dev Both are written out; with a constant more a program is another, which is run instruction by instruction.
    function testFuzz_exponential(uint256 seed) public view {
        uint256 x = seed >> 200 & 1 == 0 ? shaped(seed) : (seed & 0x83ffffff) | 0x40000000;
        (uint256 written,) = costs.run(exponential(17), bytesOf(x));
        (uint256 run,) = costs.run(exponential(18), bytesOf(x));
        eq(written, run, "e^x");
        bytes memory inputs = bytes.concat(bytesOf(x), bytesOf(shaped(next(seed))));
        (written,) = costs.run(exponentialOfDifference(18), inputs);
        (run,) = costs.run(exponentialOfDifference(19), inputs);
        eq(written, run, "e^(a - b)");
    }

    /// @dev The program of e^x, of which more constants than 17 only move the registers of the instructions.
    function exponential(uint256 constants) public pure returns (bytes memory program) {
        bytes memory head = abi.encode(1, constants, 24, 1 + constants + 23);
        return bytes.concat(head, EXP_CONSTANTS, new bytes(28), movedCode(EXP_CODE, 18, constants - 17));
    }

    /// @dev The same after max(a - b, -60), whose constant is the first of 18.
    function exponentialOfDifference(uint256 constants) public pure returns (bytes memory program) {
        bytes memory head = abi.encode(2, constants, 26, 2 + constants + 25);
        bytes memory code = EXP_CODE;
        // x is register 21, constants are two further on, results four.
        for (uint256 i = 0; i < code.length; ++i) {
            if (i % 4 == 0 || i % 4 > uint8(ARITY[uint8(code[i - i % 4])])) continue;
            uint256 register = uint8(code[i]);
            code[i] = bytes1(uint8(register == 0 ? 21 : register + (register < 18 ? 2 : 4)));
        }
        code = bytes.concat(hex"02000100" hex"07140200", code);
        bytes memory moved = movedCode(code, 20, constants - 18);
        return bytes.concat(head, hex"c2700000", EXP_CONSTANTS, new bytes(24), moved);
    }

    /// @dev Instructions of 8 bytes from such of 4, whose registers from `first` on are moved.
    function movedCode(bytes memory code, uint256 first, uint256 by) private pure returns (bytes memory moved) {
        for (uint256 i = 0; i < code.length; ++i) {
            uint256 number = uint8(code[i]);
            moved = bytes.concat(moved, bytes2(uint16(i % 4 > 0 && number >= first ? number + by : number)));
        }
        moved = bytes.concat(moved, new bytes((32 - moved.length % 32) % 32));
    }

    bytes private constant EXP_CONSTANTS = hex"3fb8aa3b4b400000bf3172183102e3083abc81b93c09004d3d2aa49f3e2aaa70"
        hex"3f0000023f800000000000010000007f0000001742b172187f800000c2cff1b5" hex"00000000";
    /// @dev Operator and registers, a byte each.
    bytes private constant EXP_CODE = hex"00000102" hex"02120200" hex"00130300" hex"00130414" hex"00051506" hex"00161507"
        hex"00171508" hex"00181509" hex"03151500" hex"00191a15" hex"011b0a00" hex"10120200" hex"131d0b00" hex"101d1e00"
        hex"0f1e0c00" hex"11200d00" hex"031c2100" hex"0f1f0c00" hex"11230d00" hex"03222400" hex"080e0000" hex"0b260f25"
        hex"08001000" hex"0b281127";

    function stored(uint256 a) private pure returns (uint256) {
        if (PlainFloat32.isNaN(a)) return PlainFloat32.NAN;
        return a & 0x7fffffff < 0x800000 ? a & 0x80000000 : a;
    }
}
