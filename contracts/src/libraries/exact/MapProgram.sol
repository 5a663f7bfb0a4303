// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title Runs a map program for one element.
/// @notice A program lies in the leaf of its op: four words (inputs, constants, instructions, result register), the
/// constants of 4 bytes, the instructions of 8 (operator and three registers of 16 bits; those it does not read
/// are 0), both filled up to whole words.
library MapProgram {
    uint256 private constant MAX_INPUTS = 4;
    uint256 private constant MAX_CONSTANTS = 64;
    uint256 private constant MAX_INSTRUCTIONS = 512;
    uint256 private constant HEAD = 128;
    /// @dev One in each of three lanes of 16 bits.
    uint256 private constant LANES = 0x000100010001;

    /// @notice The bytes are no program: too many parts, another length than these take, or no such result.
    error MalformedProgram(uint256 inputs, uint256 constants, uint256 instructions, uint256 result);
    /// @notice An instruction has no such operator, or names a register that is not written before it.
    error MalformedInstruction(uint256 index);
    error WrongInputs(uint256 length, uint256 expected);

    /// @dev Where things are in calldata: the constants, and the instructions from `code` to before `end`.
    struct Parts {
        uint256 inputs;
        uint256 constants;
        uint256 instructions;
        uint256 result;
        uint256 constantsAt;
        uint256 code;
    }

    /// @notice How many inputs a program reads.
    function inputsOf(bytes calldata program) internal pure returns (uint256) {
        return _parts(program).inputs;
    }

    /// @notice What the result register holds cursor the end.
    /// @param program from its four words to the end of the leaf.
    /// @param inputs 4 bytes each, as they lie in tensors.
    function run(bytes calldata program, bytes calldata inputs) internal pure returns (uint256) {
        Parts memory parts = _parts(program);
        if (inputs.length != 4 * parts.inputs) revert WrongInputs(inputs.length, 4 * parts.inputs);
        uint256 registers = _load(parts, inputs);
        _execute(parts, registers);
        return _register(registers, parts.result);
    }

    /// @dev Registers of 4 bytes, one after the other: each is written once, in order, so that the rest of the word
    /// that a write fills is not in use yet.
    function _load(Parts memory parts, bytes calldata inputs) private pure returns (uint256 registers) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(inputs.offset)
        }
        word = LittleEndian.turned(word);
        uint256 count = parts.inputs + parts.constants + parts.instructions;
        (uint256 constants, uint256 from, uint256 skipped) = (parts.constants, parts.constantsAt, parts.inputs);
        assembly ("memory-safe") {
            registers := mload(0x40)
            mstore(0x40, add(registers, and(add(shl(2, count), 63), not(31))))
            mstore(registers, word)
            calldatacopy(add(registers, shl(2, skipped)), from, shl(2, constants))
        }
    }

    function _execute(Parts memory parts, uint256 registers) private pure {
        unchecked {
            uint256 first = parts.inputs + parts.constants;
            uint256 cursor = parts.code;
            uint256 end = cursor + 8 * parts.instructions;
            uint256 next = registers + 4 * first;
            // A register lies in the last four bytes of the word that begins 28 bytes before it.
            uint256 base = registers - 28;
            // In each lane 2^15 and the last register that may be read.
            uint256 readable = 0x800080008000 + (first - 1) * LANES;
            while (cursor < end) {
                uint256 w;
                uint256 a;
                uint256 b;
                bool isReadable;
                assembly ("memory-safe") {
                    w := shr(192, calldataload(cursor))
                    // 2^15 stays in a lane that reads what it may, and was not in it before.
                    let lanes := and(w, 0xffffffffffff)
                    lanes := and(sub(readable, lanes), not(lanes))
                    isReadable := eq(and(lanes, 0x800080008000), 0x800080008000)
                    a := and(mload(add(base, and(shr(30, w), 0x3fffc))), 0xffffffff)
                    b := and(mload(add(base, and(shr(14, w), 0x3fffc))), 0xffffffff)
                }
                if (!isReadable) revert MalformedInstruction((cursor - parts.code) / 8);
                uint256 r;
                if (w < 1 << 48) {
                    r = Float32.fma(a, b, _third(base, w));
                } else {
                    uint256 op = w >> 48;
                    if (op == 11) {
                        r = (a & b) | (~a & _third(base, w));
                    } else {
                        if (op > 21) revert MalformedInstruction((cursor - parts.code) / 8);
                        r = _apply(op, a, b);
                    }
                }
                assembly ("memory-safe") {
                    mstore(next, shl(224, r))
                }
                next += 4;
                cursor += 8;
                readable += LANES;
            }
        }
    }

    /// @dev Operators by their numbers, but fma and select. Those met most come first.
    function _apply(uint256 op, uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            if (op < 4) {
                if (op == 3) return Float32.mul(a, b);
                // add and sub
                return Float32.add(a, b ^ ((op - 1) << 31));
            }
            if (op > 15) {
                if (op < 18) {
                    if (op == 16) return (a - b) & 0xffffffff;
                    return (a << (b & 31)) & 0xffffffff;
                }
                if (op == 18) return a >> (b & 31);
                if (op == 19) return _shiftedWithSign(a, b);
                return op == 20 ? Float32.float(a) : Float32.nearest(a);
            }
            if (op > 11) {
                if (op > 13) return op == 14 ? a ^ b : (a + b) & 0xffffffff;
                return op == 12 ? a & b : a | b;
            }
            if (op > 7) {
                if (op == 8) return Float32.lt(a, b);
                return op == 9 ? Float32.le(a, b) : Float32.eq(a, b);
            }
            if (op > 5) return op == 6 ? Float32.min(a, b) : Float32.max(a, b);
            return op == 4 ? Float32.div(a, b) : Float32.sqrt(a);
        }
    }

    function _shiftedWithSign(uint256 a, uint256 b) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := and(sar(and(b, 31), signextend(3, a)), 0xffffffff)
        }
    }

    /// @dev The third register that an instruction reads.
    function _third(uint256 base, uint256 instruction) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := and(mload(add(base, and(shl(2, instruction), 0x3fffc))), 0xffffffff)
        }
    }

    function _register(uint256 registers, uint256 index) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := shr(224, mload(add(registers, shl(2, index))))
        }
    }

    function _parts(bytes calldata program) private pure returns (Parts memory parts) {
        if (program.length < HEAD) revert MalformedProgram(0, 0, 0, 0);
        (uint256 inputs, uint256 constants, uint256 instructions, uint256 result) =
            abi.decode(program, (uint256, uint256, uint256, uint256));
        bool isSmall = inputs <= MAX_INPUTS && constants <= MAX_CONSTANTS && instructions <= MAX_INSTRUCTIONS;
        if (
            !isSmall || inputs + constants == 0 || result >= inputs + constants + instructions
                || program.length != HEAD + (constants + 7) / 8 * 32 + (instructions + 3) / 4 * 32
        ) revert MalformedProgram(inputs, constants, instructions, result);
        uint256 cursor;
        assembly ("memory-safe") {
            cursor := add(program.offset, HEAD)
        }
        return Parts(inputs, constants, instructions, result, cursor, cursor + (constants + 7) / 8 * 32);
    }
}
