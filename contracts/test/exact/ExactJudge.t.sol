// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IExactJudge} from "../../src/interfaces/IExactJudge.sol";
import {MapProgram} from "../../src/libraries/exact/MapProgram.sol";
import {OpLeaf} from "../../src/libraries/exact/OpLeaf.sol";
import {JudgeBase} from "./JudgeBase.sol";

/// @title What the judge refuses, and the kinds that hardly compute.
contract ExactJudgeTest is JudgeBase {
    bytes private zero = bytesOf(0);

    function test_segment_reverts_whereNothingIsComputed() public {
        bytes memory op = leafOf(0, 0, [uint256(0), 0], new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(IExactJudge.NothingToJudge.selector, 0));
        judge.segment(op, 0, 0, zero, "");
        op = leafOf(255, 0, [uint256(0), 0], new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(IExactJudge.NothingToJudge.selector, 255));
        judge.chainOf(op);
    }

    function test_segment_reverts_pastTheEndOfTheChain() public {
        vm.expectRevert(abi.encodeWithSelector(IExactJudge.NoSuchSegment.selector, 3, 2));
        judge.segment(productLeaf(2, 65), 0, 3, zero, "");
    }

    function test_segment_reverts_onAnAccumulatorOfAnotherWidth() public {
        vm.expectRevert(abi.encodeWithSelector(IExactJudge.WrongAccumulator.selector, 64, 4));
        judge.segment(productLeaf(2, 1), 0, 0, new bytes(64), "");
        vm.expectRevert(abi.encodeWithSelector(IExactJudge.WrongAccumulator.selector, 4, 64));
        judge.segment(reduceLeaf(0, 1), 0, 0, zero, "");
    }

    function test_segment_reverts_onAnUnknownReduction() public {
        vm.expectRevert(abi.encodeWithSelector(IExactJudge.UnknownReduction.selector, 3));
        judge.chainOf(reduceLeaf(3, 1));
    }

    function test_segment_reverts_onLeavesOfNoGraph() public {
        bytes[8] memory leaves = [
            new bytes(0),
            new bytes(15 * 32),
            bytes.concat(productLeaf(2, 1), new bytes(1)),
            // Too many inputs, a type that is none, too many axes, sizes of 0 and 2^31, 2^31 elements.
            put(productLeaf(2, 1), 15, 65),
            put(productLeaf(2, 1), 17, 3),
            put(productLeaf(2, 1), 18, 7),
            put(productLeaf(2, 1), 20, 0),
            put(put(productLeaf(2, 1), 19, 1 << 16), 20, 1 << 15)
        ];
        for (uint256 i = 0; i < leaves.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(OpLeaf.MalformedLeaf.selector, leaves[i].length));
            judge.segment(leaves[i], 0, 0, zero, "");
        }
        bytes memory scalars = put(productLeaf(2, 1), 18, 1);
        vm.expectRevert(abi.encodeWithSelector(OpLeaf.MalformedLeaf.selector, scalars.length));
        judge.chainOf(scalars);
        vm.expectRevert(abi.encodeWithSelector(OpLeaf.NoSuchAxis.selector, 6));
        judge.chainOf(put(reduceLeaf(0, 1), 10, 6));
        bytes memory none = leafOf(2, 0, [uint256(0), 0], new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(OpLeaf.NoSuchInput.selector, 0));
        judge.chainOf(none);
    }

    function test_segment_saysWhenOperandsDoNotFit() public view {
        fitsOnly(productLeaf(2, 65), 0, 4, 512);
        fitsOnly(productLeaf(2, 65), 1, 4, 8);
        fitsOnly(productLeaf(2, 65), 2, 4, 0);
        fitsOnly(productLeaf(3, 3), 0, 4, 6);
        fitsOnly(productLeaf(3, 3), 1, 4, 8);
        fitsOnly(reduceLeaf(0, 70), 1, 64, 24);
        fitsOnly(reduceLeaf(2, 70), 2, 64, 0);
        fitsOnly(mapLeaf(2, programOf(2, 1, 1)), 0, 4, 8);
        fitsOnly(philoxLeaf(0), 0, 4, 12);
        fitsOnly(leafOf(1, 1, [uint256(0), 0], new uint256[](0)), 0, 4, 1);
        fitsOnly(leafOf(6, 2, [uint256(0), 0], new uint256[](1)), 0, 4, 1);
        fitsOnly(leafOf(12, 0, [uint256(0), 0], new uint256[](3)), 0, 4, 8);
    }

    function fitsOnly(bytes memory op, uint256 index, uint256 width, uint256 length) private view {
        (bool fits,) = judge.segment(op, 0, index, new bytes(width), new bytes(length));
        ok(fits, "as long as it reads");
        bytes memory result;
        (fits, result) = judge.segment(op, 0, index, new bytes(width), new bytes(length + 1));
        ok(!fits && result.length == 0, "one byte more");
        if (length == 0) return;
        (fits, result) = judge.segment(op, 0, index, new bytes(width), new bytes(length - 1));
        ok(!fits && result.length == 0, "one byte fewer");
    }

    function test_map_reverts_onMalformedPrograms() public {
        malformed(abi.encode(1, 0, 0), 0, 0, 0, 0);
        malformed(abi.encode(5, 0, 0, 0), 5, 0, 0, 0);
        malformed(abi.encode(1, 65, 0, 0), 1, 65, 0, 0);
        malformed(abi.encode(1, 0, 513, 0), 1, 0, 513, 0);
        malformed(abi.encode(1, 0, 0, 1), 1, 0, 0, 1);
        malformed(abi.encode(0, 0, 1, 0, 0), 0, 0, 1, 0);
        malformed(abi.encode(1, 0, 1, 0, 0, 0), 1, 0, 1, 0);
        malformed(abi.encode(1, type(uint256).max, 0, 0), 1, type(uint256).max, 0, 0);
    }

    function malformed(bytes memory program, uint256 inputs, uint256 constants, uint256 instructions, uint256 result)
        private
    {
        vm.expectRevert(
            abi.encodeWithSelector(MapProgram.MalformedProgram.selector, inputs, constants, instructions, result)
        );
        judge.segment(mapLeaf(1, program), 0, 0, zero, zero);
    }

    function test_map_reverts_onMalformedInstructions() public {
        // The last is the first that is wrong: an operator too many, then registers not written before.
        bytes8[6] memory wrong = [
            bytes8(hex"0016000000000000"),
            bytes8(hex"ffff000000000000"),
            bytes8(hex"0001000500000000"),
            bytes8(hex"0001000000050000"),
            bytes8(hex"000100000000ffff"),
            bytes8(hex"0001800000000000")
        ];
        bytes8 right = bytes8(hex"0001000000000000");
        for (uint256 i = 0; i < wrong.length; ++i) {
            bytes memory program =
                bytes.concat(abi.encode(1, 0, 5, 0), right, right, right, right, wrong[i], new bytes(24));
            vm.expectRevert(abi.encodeWithSelector(MapProgram.MalformedInstruction.selector, 4));
            judge.segment(mapLeaf(1, program), 0, 0, zero, zero);
        }
    }

    function test_map_reverts_onOtherInputsThanItsOp() public {
        vm.expectRevert(abi.encodeWithSelector(MapProgram.WrongInputs.selector, 4, 8));
        judge.segment(mapLeaf(1, programOf(2, 1, 1)), 0, 0, zero, zero);
    }

    function test_map_storesByType() public view {
        // -1 as u32, as i8, and as the NaN that these bits are.
        bytes memory leaf = mapLeaf(1, abi.encode(1, 0, 0, 0));
        eq(numberOf(resultOf(leaf, 0, zero, bytesOf(0xffffffff))), 0xffffffff, "u32");
        eq(numberOf(resultOf(put(leaf, 1, 2), 0, zero, bytesOf(0xffffffff))), 0xff, "i8");
        eq(numberOf(resultOf(put(leaf, 1, 0), 0, zero, bytesOf(0xffffffff))), 0x7fc00000, "f32");
        eq(numberOf(resultOf(put(leaf, 1, 0), 0, zero, bytesOf(0x807fffff))), 0x80000000, "subnormal");
    }

    function test_gather_readsTheElementOnlyInsideTheTable() public view {
        bytes memory op = leafOf(11, 0, [uint256(0), 0], new uint256[](2));
        op = put(put(op, 18, 1), 19, 3);
        bytes memory inside = bytes.concat(bytesOf(2), bytesOf(0xffc12345));
        eq(numberOf(resultOf(op, 0, zero, inside)), 0xffc12345, "inside");
        eq(numberOf(resultOf(op, 0, zero, bytesOf(3))), 0, "past the end");
        (bool fits,) = judge.segment(op, 0, 0, zero, bytes.concat(bytesOf(3), zero));
        ok(!fits, "no element past the end");
        (fits,) = judge.segment(op, 0, 0, zero, bytesOf(2));
        ok(!fits, "an element inside");
    }

    function test_scatterAdd_addsWhatGoesToTheRow() public view {
        // Two rows of two elements from three positions.
        bytes memory op = leafOf(13, 0, [uint256(0), 0], new uint256[](2));
        op = put(put(put(op, 2, 2), 3, 2), 4, 2);
        op = put(put(put(op, 18, 2), 19, 3), 20, 2);
        op = put(put(op, 27, 1), 28, 3);
        bytes memory operands = bytes.concat(bytesOf(1), bytesOf(0), bytesOf(1));
        operands = bytes.concat(operands, bytesOf(0x3f800000), bytesOf(0x40000000), bytesOf(0x40400000));
        (, bytes memory result) = judge.segment(op, 3, 0, zero, operands);
        eq(numberOf(result), 0x40800000, "1 + 3 in row 1");
        (, result) = judge.segment(op, 1, 0, zero, operands);
        eq(numberOf(result), 0x40000000, "2 in row 0");
    }

    function test_philox_givesTheVectorsOfItsAuthors() public view {
        uint256[4] memory expected = [uint256(0x6627e8d5), 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
        for (uint256 element = 0; element < 4; ++element) {
            (, bytes memory result) = judge.segment(philoxLeaf(0), element, 0, zero, new bytes(12));
            eq(numberOf(result), expected[element], "word");
        }
    }

    function test_beginning_isTheUpperHalfOfAProduct() public view {
        eq(judge.beginning(1, 2, 0, 3, 4, 1), 0, "one place");
        uint256 whole = judge.beginning(1, 2, 0, 3, 4, type(uint64).max);
        eq(judge.beginning(1, 2, 0, 3, 4, 1 << 32), whole >> 32, "the same bits");
        ok(judge.beginning(1, 2, 1, 3, 4, type(uint64).max) != whole, "another worker");
    }

    function test_chainOf() public view {
        (uint256 segments, uint256 width, bytes memory initial) = judge.chainOf(productLeaf(2, 129));
        eq(segments, 3, "segments of 129 terms");
        eq(width, 4, "width");
        eq(numberOf(initial), 0, "zero");
        (segments, width, initial) = judge.chainOf(reduceLeaf(2, 64));
        eq(segments, 1, "segments of 64 elements");
        eq(width, 64, "width of lanes");
        for (uint256 i = 0; i < 64; ++i) {
            uint256 expected = [0, 0, 0x80, 0xff][i % 4];
            eq(uint8(initial[i]), expected, "-infinity");
        }
        (segments,,) = judge.chainOf(mapLeaf(1, abi.encode(1, 0, 0, 0)));
        eq(segments, 0, "a map is computed at once");
    }

    function philoxLeaf(uint256 stream) private pure returns (bytes memory) {
        uint256[] memory inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (1, 1);
        return put(put(leafOf(14, 1, [stream, uint256(0)], inputs), 18, 1), 19, 2);
    }
}
