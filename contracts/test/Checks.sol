// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @title What every test has: forge's machine, and assertions.
abstract contract Checks {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev Forge finds it by this name.
    bool public constant IS_TEST = true;

    error NotEqual(string what, uint256 actual, uint256 expected);

    function eq(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqual(what, actual, expected);
    }

    function atMost(uint256 actual, uint256 limit, string memory what) internal pure {
        if (actual > limit) revert NotEqual(what, actual, limit);
    }

    function ok(bool condition, string memory what) internal pure {
        if (!condition) revert NotEqual(what, 0, 1);
    }
}
