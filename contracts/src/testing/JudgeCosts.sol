// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Chain} from "../libraries/exact/Chain.sol";
import {LittleEndian} from "../libraries/exact/LittleEndian.sol";
import {MapProgram} from "../libraries/exact/MapProgram.sol";
import {Sha256Tree} from "../libraries/exact/Sha256Tree.sol";

/// @title Calls the judge's libraries as a deciding transaction would, so that their cost can be measured and their
/// answers tested. Compiled with the optimiser, as what is deployed.
contract JudgeCosts {
    error AnotherTensor();

    event Decided(uint256 acc);

    bytes32 public rootA;
    bytes32 public rootB;

    function setRoots(bytes32 rootA_, bytes32 rootB_) external {
        (rootA, rootB) = (rootA_, rootB_);
    }

    /// @notice 64 terms of a chain from two leaves of 256 bytes, each opened against a root in storage.
    function decide(
        uint32 acc,
        bytes calldata operands,
        uint256[2] calldata indices,
        uint256 count,
        bytes32[] calldata pathA,
        bytes32[] calldata pathB
    ) external {
        if (!Sha256Tree.isLeaf(rootA, operands[:256], indices[0], count, pathA)) revert AnotherTensor();
        if (!Sha256Tree.isLeaf(rootB, operands[256:], indices[1], count, pathB)) revert AnotherTensor();
        emit Decided(Chain.segment(acc, operands));
    }

    /// @notice What a map program gives and what computing that costs, reading the program included.
    function run(bytes calldata program, bytes calldata inputs) external view returns (uint256 result, uint256 used) {
        used = gasleft();
        result = MapProgram.run(program, inputs);
        used -= gasleft();
    }

    /// @notice What 64 terms of a chain cost.
    function chain(uint32 acc, bytes calldata operands) external view returns (uint256 result, uint256 used) {
        used = gasleft();
        result = Chain.segment(acc, operands);
        used -= gasleft();
    }

    function leafHash(bytes calldata leaf) external view returns (bytes32) {
        return Sha256Tree.leafHash(leaf);
    }

    function rootFrom(bytes32 node, uint256 index, uint256 count, bytes32[] calldata path)
        external
        view
        returns (bytes32)
    {
        return Sha256Tree.rootFrom(node, index, count, path);
    }

    function fold(bytes32[] calldata nodes) external view returns (bytes32) {
        return Sha256Tree.fold(nodes);
    }

    function nodesUnder(uint256 level, uint256 index, uint256 count, uint256 down)
        external
        pure
        returns (uint256, uint256)
    {
        return Sha256Tree.nodesUnder(level, index, count, down);
    }

    function depthOf(uint256 count) external pure returns (uint256) {
        return Sha256Tree.depthOf(count);
    }

    function turned(uint256 word) external pure returns (uint256) {
        return LittleEndian.turned(word);
    }
}
