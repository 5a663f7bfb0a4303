// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ExactArithmeticTest} from "./ExactArithmetic.t.sol";
import {DeployedCosts, JudgeBase} from "./JudgeBase.sol";

interface Snapshots {
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// @title What judging costs; the figures are kept in contracts/snapshots. The deciding transaction is a whole one, with
/// the 21,000 and the price of its input; the others are calls of the judge, and what is called execution is less still:
/// the arithmetic alone, without reading a leaf.
contract JudgeGasTest is JudgeBase {
    string private constant GROUP = "ExactJudge";
    uint256 private constant WORST = 400_000;
    bytes private zero = bytesOf(0);

    /// @dev The deciding transaction of the issue: two leaves under trees of depth 20, and 64 terms between them.
    function test_gas_segmentWithTwoProofs() public {
        bytes memory operands = numbers(128, 5);
        uint256 count = 1 << 20;
        bytes32[] memory pathA = path(1);
        bytes32[] memory pathB = path(2);
        costs.setRoots(
            costs.rootFrom(costs.leafHash(part(operands, 0)), 0x5a5a5, count, pathA),
            costs.rootFrom(costs.leafHash(part(operands, 256)), 0xa5a5a, count, pathB)
        );
        costs.decide(0x3f9e0652, operands, [uint256(0x5a5a5), 0xa5a5a], count, pathA, pathB);
        atMost(snapshot("64 terms with two proofs of depth 20"), 110_000, "segment with proofs");
        vm.expectRevert(DeployedCosts.AnotherTensor.selector);
        costs.decide(0x3f9e0652, operands, [uint256(0x5a5a5), 0xa5a5b], count, pathA, pathB);
    }

    function test_gas_chain() public {
        (, uint256 used) = costs.chain(0x3f9e0652, numbers(128, 5));
        Snapshots(address(vm)).snapshotValue(GROUP, "64 terms, execution", used);
        atMost(used, 22_000, "plain chain");
        (, used) = costs.chain(0x00000001, numbers(128, 2));
        Snapshots(address(vm)).snapshotValue(GROUP, "64 terms of subnormals, execution", used);
        judged("64 terms", productLeaf(2, 64), 0, zero, numbers(128, 5));
        judged("64 terms of subnormals", productLeaf(2, 64), 0, zero, numbers(128, 2));
    }

    function test_gas_exp() public {
        ExactArithmeticTest programs = new ExactArithmeticTest();
        bytes memory program = programs.exponential(17);
        (, uint256 used) = costs.run(program, bytesOf(0xc0500000));
        Snapshots(address(vm)).snapshotValue(GROUP, "exp, execution", used);
        atMost(used, 9_000, "exp");
        (, used) = costs.run(programs.exponential(18), bytesOf(0xc0500000));
        Snapshots(address(vm)).snapshotValue(GROUP, "exp, instruction by instruction, execution", used);
        judged("exp", mapLeaf(1, program), 0, zero, bytesOf(0xc0500000));
        bytes memory inputs = bytes.concat(bytesOf(0xc0500000), bytesOf(0x3f9e0652));
        (, used) = costs.run(programs.exponentialOfDifference(18), inputs);
        Snapshots(address(vm)).snapshotValue(GROUP, "exp in a softmax, execution", used);
        atMost(used, 9_000, "exp in a softmax");
    }

    /// @dev 64 instructions, as the longest program of a decoder's training step has, and 512, the limit.
    function test_gas_map() public {
        bytes memory inputs = bytes.concat(bytesOf(0x3fb8aa3b), bytesOf(0x3f123456), bytesOf(0x3e987654));
        string[4] memory names = ["fma", "add", "mul", "div"];
        uint256[4] memory ops = [uint256(0), 1, 3, 4];
        for (uint256 i = 0; i < 4; ++i) {
            perInstruction(names[i], ops[i], inputs);
        }
        perInstruction("sqrt", SQRT, inputs);
        perInstruction("and", 12, inputs);
        judged("map of 64 sqrt", mapLeaf(3, programOf(3, SQRT, 64)), 0, zero, inputs);
        bytes memory longest = mapLeaf(3, programOf(3, SQRT, 512));
        judge.segment(longest, 0, 0, zero, inputs);
        snapshot("map of 512 sqrt, which no graph has");
        judge.segment(mapLeaf(3, programOf(3, 0, 512)), 0, 0, zero, inputs);
        snapshot("map of 512 fma, which no graph has");
    }

    function perInstruction(string memory name, uint256 op, bytes memory inputs) private {
        (, uint256 few) = costs.run(programOf(3, op, 4), inputs);
        (, uint256 many) = costs.run(programOf(3, op, 104), inputs);
        string memory title = string.concat("an instruction ", name, ", execution");
        Snapshots(address(vm)).snapshotValue(GROUP, title, (many - few) / 100);
    }

    function test_gas_otherKinds() public {
        judged("64 bytes by bytes", productLeaf(3, 64), 0, zero, new bytes(128));
        judged("scales of bytes", productLeaf(3, 64), 1, bytesOf(12345), numbers(2, 5));
        bytes memory lanes = numbers(16, 5);
        judged("sum of 64", reduceLeaf(0, 64), 0, lanes, numbers(64, 5));
        judged("sum of 64 subnormals", reduceLeaf(0, 64), 0, lanes, numbers(64, 2));
        judged("squares of 64", reduceLeaf(1, 64), 0, lanes, numbers(64, 5));
        judged("max of 64", reduceLeaf(2, 64), 0, lanes, numbers(64, 5));
        judged("tree of 16 lanes", reduceLeaf(0, 64), 1, lanes, "");
        bytes memory op = leafOf(13, 0, [uint256(0), 0], new uint256[](2));
        op = put(put(put(put(op, 2, 1), 3, 1), 27, 1), 28, 64);
        op = put(put(op, 18, 1), 19, 64);
        judged("scatter-add of 64", op, 0, zero, bytes.concat(new bytes(256), numbers(64, 5)));
        op = put(put(leafOf(14, 1, [uint256(7), 0], new uint256[](2)), 18, 1), 19, 2);
        judged("philox", op, 0, zero, numbers(3, 0));
        judged("reshape", leafOf(6, 0, [uint256(0), 0], new uint256[](1)), 0, zero, numbers(1, 5));
        op = put(put(leafOf(11, 0, [uint256(0), 0], new uint256[](2)), 18, 1), 19, 4);
        judged("gather", op, 0, zero, bytes.concat(bytesOf(3), numbers(1, 5)));
        judge.beginning(1, 2, 3, 4, 5, 6_000_000);
        snapshot("beginning of a row");
    }

    function judged(string memory name, bytes memory op, uint256 index, bytes memory acc, bytes memory operands)
        private
    {
        (bool fits,) = judge.segment(op, 0, index, acc, operands);
        atMost(snapshot(name), WORST, name);
        ok(fits, name);
    }

    function snapshot(string memory name) private returns (uint256) {
        return Snapshots(address(vm)).snapshotGasLastCall(GROUP, name);
    }

    /// @dev Numbers of one kind, see `shaped`.
    function numbers(uint256 count, uint256 kind) private pure returns (bytes memory data) {
        uint256 seed = 7;
        for (uint256 i = 0; i < count; ++i) {
            seed = next(seed);
            data = bytes.concat(data, bytesOf(shaped(seed & ~uint256(7 << 64) | (kind << 64))));
        }
    }

    function path(uint256 seed) private pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](20);
        for (uint256 i = 0; i < 20; ++i) {
            seed = next(seed);
            siblings[i] = bytes32(seed);
        }
    }

    function part(bytes memory data, uint256 from) private pure returns (bytes memory leaf) {
        leaf = new bytes(256);
        for (uint256 i = 0; i < 256; ++i) {
            leaf[i] = data[from + i];
        }
    }
}
