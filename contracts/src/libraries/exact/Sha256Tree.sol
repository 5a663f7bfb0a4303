// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Binary Merkle trees as in RFC 6962: SHA-256, prefix 0x00 before a leaf and 0x01 before two nodes.
/// @notice Level 0 are the hashes of the leaves, `count` of them; level l has ceil(count / 2^l) nodes. The last node of an
/// odd level moves up unchanged. A root does not say how many leaves it has: `count` comes from what is agreed on.
library Sha256Tree {
    /// @notice There is no node `index` among `count`.
    error NoSuchNode(uint256 index, uint256 count);
    /// @notice The path has another number of siblings than this place in the tree.
    error WrongPathLength(uint256 length, uint256 expected);
    /// @notice The precompile was not given enough gas.
    error HashFailed();

    uint256 private constant SHA256 = 2;

    /// @notice The hash of a leaf.
    function leafHash(bytes calldata leaf) internal view returns (bytes32 r) {
        bool done;
        assembly ("memory-safe") {
            let message := mload(0x40)
            mstore8(message, 0)
            calldatacopy(add(message, 1), leaf.offset, leaf.length)
            done := staticcall(gas(), SHA256, message, add(leaf.length, 1), 0, 32)
            r := mload(0)
        }
        if (!done) revert HashFailed();
    }

    /// @notice The hash of a leaf that is put together in memory.
    function leafHashOf(bytes memory leaf) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0), leaf));
    }

    /// @notice The hash of a leaf of one word.
    function leafHashOf(bytes32 leaf) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0), leaf));
    }

    /// @notice The root that a path leads to from node `index` of a level of `count` nodes.
    /// @dev Whoever compares it with a root has verified the node. Place and length of the path are checked here.
    /// @param path the siblings, from the bottom up; a node that moves up unchanged has none.
    function rootFrom(bytes32 node, uint256 index, uint256 count, bytes32[] calldata path)
        internal
        view
        returns (bytes32 root)
    {
        if (index >= count) revert NoSuchNode(index, count);
        uint256 used;
        bool done = true;
        root = node;
        assembly ("memory-safe") {
            let message := mload(0x40)
            let left := add(message, 1)
            let right := add(message, 33)
            let sibling := path.offset
            mstore8(message, 1)
            for {} gt(count, 1) {} {
                let isRight := and(index, 1)
                if or(isRight, lt(add(index, 1), count)) {
                    switch isRight
                    case 0 {
                        mstore(left, root)
                        mstore(right, calldataload(sibling))
                    }
                    default {
                        mstore(left, calldataload(sibling))
                        mstore(right, root)
                    }
                    done := and(done, staticcall(gas(), SHA256, message, 65, 0, 32))
                    root := mload(0)
                    sibling := add(sibling, 32)
                }
                index := shr(1, index)
                count := sub(count, shr(1, count))
            }
            used := shr(5, sub(sibling, path.offset))
        }
        if (!done) revert HashFailed();
        if (used != path.length) revert WrongPathLength(path.length, used);
    }

    /// @notice Whether a leaf stands at `index` of `count` under a root.
    function isLeaf(bytes32 root, bytes calldata leaf, uint256 index, uint256 count, bytes32[] calldata path)
        internal
        view
        returns (bool)
    {
        return rootFrom(leafHash(leaf), index, count, path) == root;
    }

    /// @notice The node above all of these, neighbours on one level that begin at the left end of its subtree.
    /// @dev How many there must be, `nodesUnder` says.
    function fold(bytes32[] calldata nodes) internal view returns (bytes32 node) {
        uint256 count = nodes.length;
        if (count == 0) revert NoSuchNode(0, 0);
        bool done = true;
        assembly ("memory-safe") {
            // A message begins a byte before its two nodes, so that byte is kept for what it was.
            let first := add(mload(0x40), 32)
            calldatacopy(first, nodes.offset, shl(5, count))
            for {} gt(count, 1) { count := sub(count, shr(1, count)) } {
                let to := first
                let end := add(first, shl(5, and(count, not(1))))
                for { let from := first } lt(from, end) { from := add(from, 64) } {
                    let before := mload(sub(from, 32))
                    mstore8(sub(from, 1), 1)
                    done := and(done, staticcall(gas(), SHA256, sub(from, 1), 65, 0, 32))
                    mstore(sub(from, 32), before)
                    mstore(to, mload(0))
                    to := add(to, 32)
                }
                if and(count, 1) { mstore(to, mload(end)) }
            }
            node := mload(first)
        }
        if (!done) revert HashFailed();
    }

    /// @notice How many nodes lie `down` levels below node `index` of `level`, in a tree of `count` leaves.
    /// @return first the index of the first of them on their level.
    function nodesUnder(uint256 level, uint256 index, uint256 count, uint256 down)
        internal
        pure
        returns (uint256 first, uint256 number)
    {
        if (down > level || index >= sizeOf(level, count)) revert NoSuchNode(index, sizeOf(level, count));
        first = index << down;
        uint256 size = sizeOf(level - down, count);
        uint256 end = (index + 1) << down;
        number = (end < size ? end : size) - first;
    }

    /// @notice The nodes of a level: ceil(count / 2^level).
    function sizeOf(uint256 level, uint256 count) internal pure returns (uint256) {
        return level > 255 ? (count > 0 ? 1 : 0) : (count + (1 << level) - 1) >> level;
    }

    /// @notice The level of the root: the least with one node.
    function depthOf(uint256 count) internal pure returns (uint256 r) {
        if (count < 2) return 0;
        assembly ("memory-safe") {
            r := sub(256, clz(sub(count, 1)))
        }
    }
}
