// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Calls a contract a thousand times in one call, so that tests can feed it millions of inputs.
contract ManyCalls {
    error CallFailed(uint256 record, bytes reason);

    /// @notice Calls `target` once for each record.
    /// @param template the input of a call, over which a record is laid from byte `place` on.
    /// @param records of `size` bytes, one after the other.
    /// @param kept how many bytes of what each call returns are kept, the last ones.
    function each(address target, bytes memory template, uint256 place, bytes calldata records, uint256 size, uint256 kept)
        external
        view
        returns (bytes memory results)
    {
        uint256 count = records.length / size;
        results = new bytes(count * kept);
        for (uint256 i = 0; i < count; ++i) {
            bool done;
            assembly ("memory-safe") {
                calldatacopy(add(add(template, 32), place), add(records.offset, mul(i, size)), size)
                done := staticcall(gas(), target, add(template, 32), mload(template), 0, 0)
                if gt(kept, returndatasize()) { done := 0 }
                if done { returndatacopy(add(add(results, 32), mul(i, kept)), sub(returndatasize(), kept), kept) }
            }
            if (!done) {
                bytes memory reason;
                assembly ("memory-safe") {
                    reason := mload(0x40)
                    mstore(0x40, add(reason, and(add(returndatasize(), 63), not(31))))
                    mstore(reason, returndatasize())
                    returndatacopy(add(reason, 32), 0, returndatasize())
                }
                revert CallFailed(i, reason);
            }
        }
    }

    /// @notice What a call costs, all that the caller pays for it included.
    function gasOf(address target, bytes memory input) external view returns (uint256 used, bytes memory output) {
        used = gasleft();
        bool done;
        assembly ("memory-safe") {
            done := staticcall(gas(), target, add(input, 32), mload(input), 0, 0)
        }
        used -= gasleft();
        assembly ("memory-safe") {
            output := mload(0x40)
            mstore(0x40, add(output, and(add(returndatasize(), 63), not(31))))
            mstore(output, returndatasize())
            returndatacopy(add(output, 32), 0, returndatasize())
        }
        if (!done) revert CallFailed(0, output);
    }
}
