// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Reads and writes numbers of 32 bits as they lie in tensors, least byte first.
library LittleEndian {
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;

    /// @notice Number `index` of some bytes. The caller has checked that it lies within.
    function number(bytes calldata data, uint256 index) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let w := shr(224, calldataload(add(data.offset, shl(2, index))))
            w := or(and(shr(8, w), 0xff00ff), shl(8, and(w, 0xff00ff)))
            r := or(shr(16, w), shl(16, and(w, 0xffff)))
        }
    }

    /// @notice The eight numbers of a word, each turned round where it stands.
    function turned(uint256 word) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := or(and(shr(8, word), BYTES), shl(8, and(word, BYTES)))
            r := or(and(shr(16, r), PAIRS), shl(16, and(r, PAIRS)))
        }
    }

    /// @notice One number as four bytes.
    function encode(uint256 value) internal pure returns (bytes memory) {
        return abi.encodePacked(bytes4(uint32(turned(value))));
    }
}
