// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LittleEndian} from "./LittleEndian.sol";
import {OpLeaf} from "./OpLeaf.sol";

/// @title How long chains and what their segments read are: the table of docs/disputes.md. All leaves were checked.
library Operands {
    using OpLeaf for bytes;
    using LittleEndian for bytes;

    /// @notice Terms of a segment; the last may have fewer.
    uint256 internal constant TERMS = 64;

    /// @notice How many terms the chain of each element adds up; 0 for what is computed at once.
    function termsOf(bytes calldata op) internal pure returns (uint256) {
        uint256 kind = op.kind();
        if (kind == OpLeaf.MAP) return 0;
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.CONTRACT_I8) {
            if (op.axesOf(0) < 2) revert OpLeaf.MalformedLeaf(op.length);
            return op.sizeOf(0, op.axesOf(0) - (op.attribute(0) == 1 ? 2 : 1));
        }
        if (kind == OpLeaf.REDUCE) return op.sizeOf(0, op.attribute(1));
        return kind == OpLeaf.SCATTER_ADD ? op.countOf(1) : 0;
    }

    /// @notice How many bytes the operands of a segment have. Of a gather the index says whether an element is read.
    /// @param terms of the chain.
    function lengthOf(bytes calldata op, uint256 terms, uint256 index, bytes calldata operands)
        internal
        pure
        returns (uint256)
    {
        uint256 kind = op.kind();
        if (kind == OpLeaf.MAP) return 4 * op.inputs();
        terms = _termsIn(terms, index);
        if (kind == OpLeaf.CONTRACT || kind == OpLeaf.SCATTER_ADD) return 8 * terms;
        if (kind == OpLeaf.CONTRACT_I8) return terms > 0 ? 2 * terms : 8;
        if (kind == OpLeaf.REDUCE) return 4 * terms;
        if (kind == OpLeaf.PHILOX) return 12;
        // A token is a byte of the data.
        if (kind == OpLeaf.BATCH) return 1;
        uint256 copied = OpLeaf.elementBytes(op.dtype());
        if (kind == OpLeaf.PLACE) return 4 + copied;
        if (kind != OpLeaf.GATHER) return copied;
        bool isInside = operands.length >= 4 && operands.number(0) < op.sizeOf(0, 0);
        return isInside ? 4 + copied : 4;
    }

    function _termsIn(uint256 terms, uint256 index) private pure returns (uint256) {
        if (TERMS * index >= terms) return 0;
        return terms - TERMS * index < TERMS ? terms - TERMS * index : TERMS;
    }
}
