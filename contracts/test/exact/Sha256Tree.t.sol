// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Sha256Tree} from "../../src/libraries/exact/Sha256Tree.sol";
import {JudgeBase} from "./JudgeBase.sol";

/// @title Merkle trees against the same written level by level.
contract Sha256TreeTest is JudgeBase {
    function leaves(uint256 count) private pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = sha256(abi.encodePacked(bytes1(0), i));
        }
    }

    function above(bytes32[] memory level) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = 2 * i + 1 < level.length
                ? sha256(abi.encodePacked(bytes1(0x01), level[2 * i], level[2 * i + 1]))
                : level[2 * i];
        }
    }

    function pathOf(bytes32[] memory level, uint256 index) private pure returns (bytes32[] memory path, bytes32 root) {
        bytes32[] memory longest = new bytes32[](32);
        uint256 used;
        for (; level.length > 1; level = above(level)) {
            if ((index ^ 1) < level.length) longest[used++] = level[index ^ 1];
            index /= 2;
        }
        path = new bytes32[](used);
        for (uint256 i = 0; i < used; ++i) {
            path[i] = longest[i];
        }
        root = level[0];
    }

    function test_rootFrom_leadsToTheRootFromEveryLeaf() public view {
        for (uint256 count = 1; count < 20; ++count) {
            bytes32[] memory hashes = leaves(count);
            for (uint256 i = 0; i < count; ++i) {
                (bytes32[] memory path, bytes32 root) = pathOf(hashes, i);
                ok(costs.rootFrom(hashes[i], i, count, path) == root, "root");
            }
        }
    }

    function testFuzz_rootFrom_leadsElsewhereFromAnythingElse(uint16 count, uint256 index, uint256 change) public {
        count = count % 100 + 2;
        index %= count;
        bytes32[] memory hashes = leaves(count);
        (bytes32[] memory path, bytes32 root) = pathOf(hashes, index);
        ok(costs.rootFrom(bytes32(uint256(hashes[index]) ^ 1), index, count, path) != root, "another leaf");
        path[change % path.length] ^= bytes32(uint256(1));
        ok(costs.rootFrom(hashes[index], index, count, path) != root, "another sibling");
        path[change % path.length] ^= bytes32(uint256(1));
        bytes32[] memory longer = new bytes32[](path.length + 1);
        vm.expectRevert(
            abi.encodeWithSelector(Sha256Tree.WrongPathLength.selector, path.length + 1, path.length)
        );
        costs.rootFrom(hashes[index], index, count, longer);
        vm.expectRevert(abi.encodeWithSelector(Sha256Tree.WrongPathLength.selector, 0, path.length));
        costs.rootFrom(hashes[index], index, count, new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(Sha256Tree.NoSuchNode.selector, count, count));
        costs.rootFrom(hashes[index], count, count, path);
    }

    function test_rootFrom_doesNotTakeAnotherPlaceForTheSame() public view {
        bytes32[] memory hashes = leaves(8);
        (bytes32[] memory path, bytes32 root) = pathOf(hashes, 5);
        for (uint256 i = 0; i < 8; ++i) {
            ok((costs.rootFrom(hashes[5], i, 8, path) == root) == (i == 5), "place");
        }
    }

    function test_leafHash(bytes calldata leaf) public view {
        ok(costs.leafHash(leaf) == sha256(bytes.concat(bytes1(0), leaf)), "leaf");
    }

    function test_fold_givesTheNodeAboveEveryReveal() public {
        for (uint256 count = 1; count < 40; ++count) {
            bytes32[][] memory levels = new bytes32[][](8);
            levels[0] = leaves(count);
            uint256 depth = costs.depthOf(count);
            for (uint256 level = 1; level <= depth; ++level) {
                levels[level] = above(levels[level - 1]);
            }
            eq(levels[depth].length, 1, "depth");
            for (uint256 level = 1; level <= depth; ++level) {
                uint256 down = level < 4 ? level : 4;
                for (uint256 i = 0; i < levels[level].length; ++i) {
                    (uint256 first, uint256 number) = costs.nodesUnder(level, i, count, down);
                    bytes32[] memory nodes = new bytes32[](number);
                    for (uint256 j = 0; j < number; ++j) {
                        nodes[j] = levels[level - down][first + j];
                    }
                    ok(costs.fold(nodes) == levels[level][i], "fold");
                }
            }
        }
        vm.expectRevert(abi.encodeWithSelector(Sha256Tree.NoSuchNode.selector, 0, 0));
        costs.fold(new bytes32[](0));
    }

    function test_nodesUnder_reverts_whereThereIsNoNode() public {
        vm.expectRevert(abi.encodeWithSelector(Sha256Tree.NoSuchNode.selector, 3, 3));
        costs.nodesUnder(1, 3, 5, 1);
        vm.expectRevert(abi.encodeWithSelector(Sha256Tree.NoSuchNode.selector, 0, 3));
        costs.nodesUnder(1, 0, 5, 2);
    }

    function test_depthOf() public view {
        uint256[2][9] memory cases = [
            [uint256(0), 0],
            [uint256(1), 0],
            [uint256(2), 1],
            [uint256(3), 2],
            [uint256(4), 2],
            [uint256(5), 3],
            [uint256(1) << 20, 20],
            [(uint256(1) << 20) + 1, 21],
            [type(uint256).max, 256]
        ];
        for (uint256 i = 0; i < cases.length; ++i) {
            eq(costs.depthOf(cases[i][0]), cases[i][1], "depth");
        }
    }
}
