// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpReads} from "../libraries/OpReads.sol";

/// @title Makes a library callable, so that tests can hold it to its twin.
contract ReadsOf {
    /// @notice The first `count` reads of a segment; reverts when it has fewer.
    function reads(bytes calldata op, uint256 element, uint256 segment, bytes calldata operands, uint256 count)
        external
        pure
        returns (OpReads.Read[] memory list)
    {
        list = new OpReads.Read[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = OpReads.readOf(op, element, segment, i, operands);
        }
    }
}
