// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC3009} from "../interfaces/IERC3009.sol";

/// @title Takes tokens in, and believes the balance, not the token's word.
library ExactTransfer {
    using SafeERC20 for IERC20;

    /// @notice A transfer moved another amount than it should have.
    error UnexpectedTransfer(uint256 expected, uint256 received);

    /// @dev Takes an allowance of `from`.
    function pull(IERC20 token, address from, uint256 amount) internal {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        _check(token, before, amount);
    }

    /// @dev Uses a signed authorisation of `from` for this contract.
    function receiveWithAuthorization(
        IERC20 token,
        address from,
        uint256 amount,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) internal {
        uint256 before = token.balanceOf(address(this));
        IERC3009(address(token)).receiveWithAuthorization(from, address(this), amount, 0, validBefore, nonce, signature);
        _check(token, before, amount);
    }

    function _check(IERC20 token, uint256 before, uint256 amount) private view {
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert UnexpectedTransfer(amount, received);
    }
}
