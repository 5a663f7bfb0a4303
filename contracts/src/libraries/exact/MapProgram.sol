// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Exponential} from "./Exponential.sol";
import {Float32} from "./Float32.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title Runs a map program for one element.
/// @notice A program lies in the leaf of its op: four words (inputs, constants, instructions, result register), the
/// constants of 4 bytes, the instructions of 8 (operator and three registers of 16 bits; those it does not read
/// are 0), both filled up to whole words.
library MapProgram {
    using LittleEndian for bytes;

    uint256 private constant MAX_INPUTS = 4;
    uint256 private constant MAX_CONSTANTS = 64;
    uint256 private constant MAX_INSTRUCTIONS = 512;
    uint256 private constant HEAD = 128;
    /// @dev Four instructions a word, each four lanes of 16 bits: 2^15, and what the lane may hold at most, which is 21 for
    /// an operator and the last register written before for the others, of the four instructions one more each.
    uint256 private constant FIRST_FOUR = 0x8015800080008000801580018001800180158002800280028015800380038003;
    uint256 private constant REGISTERS = 0x0000000100010001000000010001000100000001000100010000000100010001;
    uint256 private constant TOP_BITS = 0x8000800080008000800080008000800080008000800080008000800080008000;

    /// @notice The bytes are no program: too many parts, another length than these take, or no such result.
    error MalformedProgram(uint256 inputs, uint256 constants, uint256 instructions, uint256 result);
    /// @notice One of four instructions from here on has no such operator, or names a register not written before it.
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
        if (program.length == Exponential.EXP_LENGTH && inputs.length == 4) {
            if (keccak256(program) == Exponential.EXP) return Exponential.exp(inputs.number(0));
        }
        if (program.length == Exponential.EXP_OF_DIFFERENCE_LENGTH && inputs.length == 8) {
            if (keccak256(program) == Exponential.EXP_OF_DIFFERENCE) {
                return Exponential.expOfDifference(inputs.number(0), inputs.number(1));
            }
        }
        Parts memory parts = _parts(program);
        if (inputs.length != 4 * parts.inputs) revert WrongInputs(inputs.length, 4 * parts.inputs);
        _check(parts);
        uint256 base = _load(parts, inputs);
        _execute(base, parts.inputs + parts.constants, parts.code, parts.code + 8 * parts.instructions);
        return _register(base, parts.result);
    }

    /// @dev Registers of 4 bytes, one after the other: each is written once, in order, so that the rest of the word
    /// that a write fills is not in use yet.
    /// @return base where the word begins whose last four bytes are register 0.
    function _load(Parts memory parts, bytes calldata inputs) private pure returns (uint256 base) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(inputs.offset)
        }
        word = LittleEndian.turned(word);
        uint256 count = parts.inputs + parts.constants + parts.instructions;
        (uint256 constants, uint256 from, uint256 skipped) = (parts.constants, parts.constantsAt, parts.inputs);
        assembly ("memory-safe") {
            base := mload(0x40)
            mstore(0x40, add(base, and(add(shl(2, count), 91), not(31))))
            mstore(add(base, 28), word)
            calldatacopy(add(add(base, 28), shl(2, skipped)), from, shl(2, constants))
        }
    }

    /// @dev Every operator is one of the 22, and every register that an instruction names is written before it.
    function _check(Parts memory parts) private pure {
        uint256 code = parts.code;
        uint256 end = code + 8 * parts.instructions;
        unchecked {
            uint256 allowed = FIRST_FOUR + (parts.inputs + parts.constants - 1) * REGISTERS;
            for (uint256 cursor = code; cursor < end; cursor += 32) {
                bool isSound;
                assembly ("memory-safe") {
                    // 2^15 stays in a lane that holds no more than it may, and was not in it before.
                    let word := calldataload(cursor)
                    isSound := eq(and(and(sub(allowed, word), not(word)), TOP_BITS), TOP_BITS)
                }
                if (!isSound) revert MalformedInstruction((cursor - code) / 8);
                allowed += 4 * REGISTERS;
            }
        }
    }

    /// @dev From `cursor` to before `end`; the first result goes to register `first`.
    function _execute(uint256 base, uint256 first, uint256 cursor, uint256 end) private pure {
        unchecked {
            // A result fills the word whose first four bytes are its register.
            uint256 next = base + 28 + 4 * first;
            for (; cursor < end; cursor += 8) {
                uint256 w;
                uint256 a;
                uint256 b;
                uint256 c;
                assembly ("memory-safe") {
                    w := calldataload(cursor)
                    a := and(mload(add(base, and(shr(222, w), 0xffc))), 0xffffffff)
                    b := and(mload(add(base, and(shr(206, w), 0xffc))), 0xffffffff)
                    c := and(mload(add(base, and(shr(190, w), 0xffc))), 0xffffffff)
                    w := shr(240, w)
                }
                uint256 r;
                if (w == 0) r = Float32.fma(a, b, c);
                else if (w > 3) r = _other(w, a, b, c);
                else if (w == 3) r = Float32.mul(a, b);
                else r = Float32.add(a, b ^ ((w - 1) << 31));
                assembly ("memory-safe") {
                    mstore(next, shl(224, r))
                }
                next += 4;
            }
        }
    }

    /// @dev Operators by their numbers, from div on.
    function _other(uint256 op, uint256 a, uint256 b, uint256 c) private pure returns (uint256 r) {
        unchecked {
            if (op > 10) {
                if (op < 15) {
                    if (op == 11) return (a & b) | (~a & c);
                    if (op == 12) return a & b;
                    return op == 13 ? a | b : a ^ b;
                }
                if (op < 18) {
                    if (op == 15) r = a + b;
                    else r = op == 16 ? a - b : a << (b & 31);
                    return r & 0xffffffff;
                }
                if (op == 18) return a >> (b & 31);
                if (op == 19) return _shiftedWithSign(a, b);
                return op == 20 ? Float32.float(a) : Float32.nearest(a);
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

    function _register(uint256 base, uint256 index) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := and(mload(add(base, shl(2, index))), 0xffffffff)
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
