// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Transfers by signature (ERC-3009), in the form that also takes signatures of contract wallets.
interface IERC3009 {
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// @notice Whether `authorizer` has used or cancelled `nonce`.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

    /// @notice Moves `value` from `from` to `to` because `from` signed `TransferWithAuthorization`. Anyone may call.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Moves `value` from `from` to the caller because `from` signed `ReceiveWithAuthorization` for it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Makes `nonce` useless because `authorizer` signed `CancelAuthorization`.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;
}
