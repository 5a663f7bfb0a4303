// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who provides, and the stake they lose when the court finds them guilty.
/// @notice Amounts are in the token's smallest unit (micro-USD), times in seconds since the epoch.
interface IProviderRegistry {
    /// @notice A provider registered, added stake or renewed its words. `agentURI` is where its offers are found.
    event Registered(address indexed provider, string peerId, string agentURI, uint256 stake);
    event UnbondingRequested(address indexed provider, uint256 amount, uint256 unbondableAt);
    event Unbonded(address indexed provider, uint256 amount);
    event Slashed(address indexed provider, address indexed beneficiary, uint256 amount);

    error ZeroAmount();
    error ZeroAddress();
    /// @notice A provider would hold more than 2^72 - 1.
    error AmountTooLarge(uint256 amount);
    error EmptyPeerId();
    error TextTooLong(uint256 length, uint256 limit);
    error InsufficientStake(address provider, uint256 stake, uint256 needed);
    error NothingToUnbond(address provider);
    error UnbondingTooEarly(uint256 unbondableAt);
    error NotCourt(address caller);
    error InvalidBeneficiary(address beneficiary);
    error NothingToSlash(address provider);
    /// @notice Evidence must be due before stake can leave.
    error EvidenceWindowTooLong(uint256 evidenceWindow, uint256 unbondingDelay);

    /// @notice The only account that can slash.
    function court() external view returns (address);

    /// @notice How long stake waits between `requestUnbond` and `unbond`; it can be slashed all that time.
    function unbondingDelay() external view returns (uint256);

    /// @notice The court takes evidence no later than this after the deed; shorter than `unbondingDelay`, so
    /// that who leaves at once after a deed is still within reach.
    function evidenceWindow() external view returns (uint256);

    /// @notice A provider's stake, what of it is leaving, when that can be taken, and the block of the latest
    /// `Registered` event, where its peer id and URI are found.
    function registrations(address provider)
        external
        view
        returns (uint72 stake, uint72 unbonding, uint40 unbondableAt, uint64 announcedIn);

    /// @notice Whether the account has stake that is not leaving.
    function isRegistered(address provider) external view returns (bool);

    /// @notice Registers the caller; later, adds stake or only renews the words (with an amount of 0).
    /// Needs an allowance.
    function register(string calldata peerId, string calldata agentURI, uint256 amount) external;

    /// @notice The same with a permit (ERC-2612) of the caller in place of the allowance.
    function registerWithPermit(
        string calldata peerId,
        string calldata agentURI,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with the caller's `ReceiveWithAuthorization` (ERC-3009) for this contract, valid from 0 to
    /// `validBefore`.
    function registerWithAuthorization(
        string calldata peerId,
        string calldata agentURI,
        uint256 amount,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Starts the way out for a part of the stake. The delay starts again for all that is leaving.
    function requestUnbond(uint256 amount) external;

    /// @notice Pays the caller what has waited out the delay.
    function unbond() external;

    /// @notice Takes `amount`, or all there is if that is less, first from what is leaving, and pays it to
    /// `beneficiary`. Only the court.
    function slash(address provider, uint256 amount, address beneficiary) external;
}
