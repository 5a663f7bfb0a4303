// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Trees of which only the part around one leaf exists; everything beside it is made up.
/// @dev Written plainly and apart from the contracts, so that a mistake there does not pass.
library Trees {
    /// @dev A reveal: nodes of one level, and which of them lies above the leaf.
    struct Stage {
        bytes32[] nodes;
        uint256 child;
    }

    function leafHash(bytes memory leaf) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"00", leaf));
    }

    function leafHash(bytes32 leaf) internal pure returns (bytes32) {
        return leafHash(abi.encodePacked(leaf));
    }

    function above(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"01", left, right));
    }

    function depth(uint256 count) internal pure returns (uint256 levels) {
        while (size(levels, count) > 1) ++levels;
    }

    function size(uint256 level, uint256 count) internal pure returns (uint256) {
        return (count + 2 ** level - 1) / 2 ** level;
    }

    function stride(uint256 level) internal pure returns (uint256) {
        if (level <= 5) return level;
        return level % 4 == 0 ? 4 : 5;
    }

    /// @notice The root over nodes that begin at the left end of their subtree.
    function fold(bytes32[] memory nodes) internal pure returns (bytes32) {
        if (nodes.length == 1) return nodes[0];
        bytes32[] memory next = new bytes32[]((nodes.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            bool isAlone = 2 * i + 1 == nodes.length;
            next[i] = isAlone ? nodes[2 * i] : above(nodes[2 * i], nodes[2 * i + 1]);
        }
        return fold(next);
    }

    /// @notice The siblings of one of some nodes, from the bottom up.
    function siblings(bytes32[] memory nodes, uint256 index) internal pure returns (bytes32[] memory path) {
        if (nodes.length == 1) return path;
        bytes32[] memory next = new bytes32[]((nodes.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            bool isAlone = 2 * i + 1 == nodes.length;
            next[i] = isAlone ? nodes[2 * i] : above(nodes[2 * i], nodes[2 * i + 1]);
        }
        bytes32[] memory rest = siblings(next, index / 2);
        if ((index ^ 1) >= nodes.length) return rest;
        path = new bytes32[](rest.length + 1);
        path[0] = nodes[index ^ 1];
        for (uint256 i = 0; i < rest.length; ++i) path[i + 1] = rest[i];
    }

    /// @notice A tree around leaf `index` of `count`, as the stages of its dissection from the root down.
    /// @param beside if not zero, the hash of the leaf before it, which must lie under the same last reveal.
    function grow(bytes32 node, uint256 index, uint256 count, bytes32 beside)
        internal
        pure
        returns (Stage[] memory stages, bytes32 root)
    {
        uint256 rounds;
        for (uint256 level = depth(count); level > 0; level -= stride(level)) ++rounds;
        stages = new Stage[](rounds);
        uint256[] memory levels = new uint256[](rounds);
        uint256 height = depth(count);
        for (uint256 i = 0; i < rounds; ++i) {
            levels[i] = height;
            height -= stride(height);
        }
        root = node;
        for (uint256 left = rounds; left > 0; --left) {
            uint256 i = left - 1;
            stages[i] = around(root, index, count, levels[i]);
            if (i + 1 == rounds && beside != 0) stages[i].nodes[stages[i].child - 1] = beside;
            root = fold(stages[i].nodes);
        }
    }

    /// @dev The reveal under the node of `level` above leaf `index`.
    function around(bytes32 node, uint256 index, uint256 count, uint256 level)
        private
        pure
        returns (Stage memory stage)
    {
        uint256 down = stride(level);
        uint256 first = (index >> level) << down;
        uint256 end = ((index >> level) + 1) << down;
        uint256 last = size(level - down, count);
        stage.nodes = new bytes32[]((end < last ? end : last) - first);
        for (uint256 i = 0; i < stage.nodes.length; ++i) stage.nodes[i] = keccak256(abi.encode(node, level, i));
        stage.child = (index >> (level - down)) - first;
        stage.nodes[stage.child] = node;
    }

    /// @notice The whole path of the leaf that stages lead to, or of the one before it.
    function pathOf(Stage[] memory stages, bool before) internal pure returns (bytes32[] memory all) {
        for (uint256 left = stages.length; left > 0; --left) {
            uint256 i = left - 1;
            bool isBeside = before && i + 1 == stages.length;
            all = join(all, siblings(stages[i].nodes, isBeside ? stages[i].child - 1 : stages[i].child));
        }
    }

    /// @notice A path for a leaf to a root, both made up.
    function pathFor(bytes32 node, uint256 index, uint256 count)
        internal
        pure
        returns (bytes32[] memory siblings_, bytes32 root)
    {
        siblings_ = new bytes32[](0);
        root = node;
        for (; count > 1; (index, count) = (index / 2, (count + 1) / 2)) {
            bool isAlone = index % 2 == 0 && index == count - 1;
            if (isAlone) continue;
            bytes32[] memory one = new bytes32[](1);
            one[0] = keccak256(abi.encode(root, count));
            siblings_ = join(siblings_, one);
            root = index % 2 == 0 ? above(root, one[0]) : above(one[0], root);
        }
    }

    function join(bytes32[] memory a, bytes32[] memory b) internal pure returns (bytes32[] memory both) {
        both = new bytes32[](a.length + b.length);
        for (uint256 i = 0; i < a.length; ++i) both[i] = a[i];
        for (uint256 i = 0; i < b.length; ++i) both[a.length + i] = b[i];
    }
}
