// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IExactJudge} from "../../src/interfaces/IExactJudge.sol";
import {Checks} from "../Checks.sol";

interface DeployedCosts {
    event Decided(uint256 acc);

    error AnotherTensor();

    function setRoots(bytes32 rootA, bytes32 rootB) external;
    function decide(
        uint32 acc,
        bytes calldata operands,
        uint256[2] calldata indices,
        uint256 count,
        bytes32[] calldata pathA,
        bytes32[] calldata pathB
    ) external;
    function run(bytes calldata program, bytes calldata inputs) external view returns (uint256 result, uint256 used);
    function chain(uint32 acc, bytes calldata operands) external view returns (uint256 result, uint256 used);
    function leafHash(bytes calldata leaf) external view returns (bytes32);
    function rootFrom(bytes32 node, uint256 index, uint256 count, bytes32[] calldata path)
        external
        view
        returns (bytes32);
    function fold(bytes32[] calldata nodes) external view returns (bytes32);
    function nodesUnder(uint256 level, uint256 index, uint256 count, uint256 down)
        external
        pure
        returns (uint256 first, uint256 number);
    function depthOf(uint256 count) external pure returns (uint256);
}

/// @title Leaves, programs and numbers that the tests of the judge share.
abstract contract JudgeBase is Checks {
    /// @dev How many registers each operator reads, in order, and its number.
    bytes internal constant ARITY = hex"03020202020102020202020302020202020202020101";
    uint256 internal constant SQRT = 5;

    IExactJudge internal judge;
    DeployedCosts internal costs;

    function setUp() public virtual {
        judge = IExactJudge(vm.deployCode("contracts/out/ExactJudge.sol/ExactJudge.json", ""));
        costs = DeployedCosts(vm.deployCode("contracts/out/JudgeCosts.sol/JudgeCosts.json", ""));
    }

    /// @dev A leaf without axes: its words but for the inputs, which are scalars of a type each.
    function leafOf(uint256 kind, uint256 dtype, uint256[2] memory attributes, uint256[] memory inputs)
        internal
        pure
        returns (bytes memory leaf)
    {
        leaf = abi.encode(kind, dtype, 0, [uint256(0), 0, 0, 0, 0, 0], attributes, [uint256(0), 0, 0, 0], inputs.length);
        for (uint256 i = 0; i < inputs.length; ++i) {
            leaf = bytes.concat(leaf, abi.encode(i, inputs[i], 0, [uint256(0), 0, 0, 0, 0, 0]));
        }
    }

    function mapLeaf(uint256 inputs, bytes memory program) internal pure returns (bytes memory) {
        return bytes.concat(leafOf(4, 1, [uint256(0), 0], new uint256[](inputs)), program);
    }

    /// @dev Sets a word of a leaf.
    function put(bytes memory leaf, uint256 word, uint256 value) internal pure returns (bytes memory) {
        assembly {
            mstore(add(add(leaf, 32), mul(word, 32)), value)
        }
        return leaf;
    }

    /// @dev A product [1, terms] times [terms, 1], of f32 (kind 2) or i8 (3).
    function productLeaf(uint256 kind, uint256 terms) internal pure returns (bytes memory leaf) {
        uint256[] memory inputs = new uint256[](kind == 2 ? 2 : 4);
        if (kind == 3) (inputs[0], inputs[1]) = (2, 2);
        leaf = leafOf(kind, 0, [uint256(0), 0], inputs);
        leaf = put(put(put(leaf, 2, 2), 3, 1), 4, 1);
        leaf = put(put(put(leaf, 18, 2), 19, 1), 20, terms);
        leaf = put(put(put(leaf, 27, 2), 28, terms), 29, 1);
        if (kind == 3) leaf = put(put(put(put(leaf, 36, 1), 37, 1), 45, 1), 46, 1);
    }

    /// @dev A reduction of an axis of `size` elements.
    function reduceLeaf(uint256 reduction, uint256 size) internal pure returns (bytes memory leaf) {
        leaf = leafOf(5, 0, [reduction, 0], new uint256[](1));
        leaf = put(put(put(put(leaf, 2, 1), 3, 1), 18, 1), 19, size);
    }

    /// @dev Some instructions, all the same, that read the inputs.
    function programOf(uint256 inputs, uint256 op, uint256 count) internal pure returns (bytes memory program) {
        program = abi.encode(inputs, 0, count, inputs + count - 1);
        uint256 instruction = op << 48;
        if (uint8(ARITY[op]) > 1) instruction |= 1 << 16;
        if (uint8(ARITY[op]) > 2) instruction |= 2;
        for (uint256 i = 0; i < count; ++i) {
            program = bytes.concat(program, bytes8(uint64(instruction)));
        }
        program = bytes.concat(program, new bytes((32 - program.length % 32) % 32));
    }

    /// @dev Numbers as they lie in tensors.
    function bytesOf(uint256 a) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(a), uint8(a >> 8), uint8(a >> 16), uint8(a >> 24));
    }

    function numberOf(bytes memory data) internal pure returns (uint256) {
        return uint256(uint8(data[0])) | (uint256(uint8(data[1])) << 8) | (uint256(uint8(data[2])) << 16)
            | (uint256(uint8(data[3])) << 24);
    }

    /// @dev The result of a whole segment that must fit.
    function resultOf(bytes memory op, uint256 index, bytes memory acc, bytes memory operands)
        internal
        view
        returns (bytes memory)
    {
        (bool fits, bytes memory result) = judge.segment(op, 0, index, acc, operands);
        ok(fits, "operands fit");
        return result;
    }

    /// @dev Any pattern, or one that lies near others: a sign, a moderate exponent, a fraction of many or few bits, or an
    /// end of the range.
    function shaped(uint256 seed) internal pure returns (uint256) {
        uint256 kind = seed >> 64 & 7;
        uint256 bits = seed & 0xffffffff;
        if (kind == 0) return bits;
        if (kind == 1) return bits & 0x80000000;
        if (kind == 2) return bits & 0x80000007;
        if (kind == 3) return (bits & 0x80000000) | (0x7f800000 - 1 + (bits & 3));
        uint256 exponent = 107 + (seed >> 32 & 0xff) % 40;
        uint256 fraction = kind < 6 ? bits & 0x7fffff : bits & 0x780001;
        return (bits & 0x80000000) | (exponent << 23) | fraction;
    }

    function next(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }
}
