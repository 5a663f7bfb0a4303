// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {ExactTransfer} from "./libraries/ExactTransfer.sol";

/// @title ProviderRegistry
/// @notice Holds the stake of providers, and lets a court that never changes take it.
///
///             register                requestUnbond               unbond, after the delay
///  provider ------------> STAKE --------------------> UNBONDING --------------------------> provider
///                           |                             |
///                           |       slash (court)         |
///                           +-------------+---------------+
///                                         v
///                                    beneficiary
///
/// Always: stake + unbonding = tokens held (but for tokens sent here by mistake). Peer id and URI travel in
/// events, because storing them would cost more than all the rest; `announcedIn` says where to look. There is
/// no owner, no upgrade and no pause.
contract ProviderRegistry is IProviderRegistry, ERC165, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using ExactTransfer for IERC20;

    /// @dev One storage slot.
    struct Registration {
        uint72 stake;
        uint72 unbonding;
        uint40 unbondableAt;
        uint64 announcedIn;
    }

    /// @notice Limits of the words, in bytes, so that every reader can hold them.
    uint256 public constant MAX_PEER_ID = 128;
    uint256 public constant MAX_URI = 512;

    /// @notice The stable token the stake is in.
    IERC20 public immutable usd;

    /// @inheritdoc IProviderRegistry
    address public immutable court;

    /// @inheritdoc IProviderRegistry
    uint256 public immutable unbondingDelay;

    /// @inheritdoc IProviderRegistry
    uint256 public immutable evidenceWindow;

    /// @inheritdoc IProviderRegistry
    mapping(address provider => Registration) public registrations;

    constructor(IERC20 usd_, address court_, uint256 unbondingDelay_, uint256 evidenceWindow_) {
        if (address(usd_) == address(0) || court_ == address(0)) revert ZeroAddress();
        if (evidenceWindow_ >= unbondingDelay_) revert EvidenceWindowTooLong(evidenceWindow_, unbondingDelay_);
        usd = usd_;
        court = court_;
        unbondingDelay = unbondingDelay_;
        evidenceWindow = evidenceWindow_;
    }

    /// @inheritdoc IProviderRegistry
    function isRegistered(address provider) external view returns (bool) {
        return registrations[provider].stake > 0;
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IProviderRegistry).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @inheritdoc IProviderRegistry
    function register(string calldata peerId, string calldata agentURI, uint256 amount) external nonReentrant {
        _credit(peerId, agentURI, amount);
        if (amount > 0) usd.pull(msg.sender, amount);
    }

    /// @inheritdoc IProviderRegistry
    function registerWithPermit(
        string calldata peerId,
        string calldata agentURI,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        _credit(peerId, agentURI, amount);
        // Whoever sees a permit may use it first; then the allowance is there all the same.
        try IERC20Permit(address(usd)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        usd.pull(msg.sender, amount);
    }

    /// @inheritdoc IProviderRegistry
    function registerWithAuthorization(
        string calldata peerId,
        string calldata agentURI,
        uint256 amount,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external nonReentrant {
        _credit(peerId, agentURI, amount);
        usd.receiveWithAuthorization(msg.sender, amount, validBefore, nonce, signature);
    }

    /// @inheritdoc IProviderRegistry
    function requestUnbond(uint256 amount) external nonReentrant {
        Registration storage registration = registrations[msg.sender];
        uint72 stake = registration.stake;
        if (amount == 0) revert ZeroAmount();
        if (amount > stake) revert InsufficientStake(msg.sender, stake, amount);
        uint256 unbondableAt = block.timestamp + unbondingDelay;
        registration.stake = stake - uint72(amount);
        registration.unbonding += uint72(amount);
        registration.unbondableAt = uint40(unbondableAt);
        emit UnbondingRequested(msg.sender, amount, unbondableAt);
    }

    /// @inheritdoc IProviderRegistry
    function unbond() external nonReentrant {
        Registration storage registration = registrations[msg.sender];
        uint72 amount = registration.unbonding;
        if (amount == 0) revert NothingToUnbond(msg.sender);
        uint40 unbondableAt = registration.unbondableAt;
        if (block.timestamp < unbondableAt) revert UnbondingTooEarly(unbondableAt);
        registration.unbonding = 0;
        registration.unbondableAt = 0;
        emit Unbonded(msg.sender, amount);
        usd.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IProviderRegistry
    function slash(address provider, uint256 amount, address beneficiary) external nonReentrant {
        if (msg.sender != court) revert NotCourt(msg.sender);
        if (amount == 0) revert ZeroAmount();
        if (beneficiary == address(0) || beneficiary == address(this)) revert InvalidBeneficiary(beneficiary);
        Registration storage registration = registrations[provider];
        (uint72 stake, uint72 unbonding) = (registration.stake, registration.unbonding);
        uint72 held = stake + unbonding;
        if (held == 0) revert NothingToSlash(provider);
        uint72 taken = amount < held ? uint72(amount) : held;
        uint72 fromUnbonding = taken < unbonding ? taken : unbonding;
        registration.unbonding = unbonding - fromUnbonding;
        registration.stake = stake - (taken - fromUnbonding);
        emit Slashed(provider, beneficiary, taken);
        usd.safeTransfer(beneficiary, taken);
    }

    /// @dev What comes in is credited before it arrives; the transfer that follows reverts or brings all of it.
    function _credit(string calldata peerId, string calldata agentURI, uint256 amount) private {
        if (bytes(peerId).length == 0) revert EmptyPeerId();
        if (bytes(peerId).length > MAX_PEER_ID) revert TextTooLong(bytes(peerId).length, MAX_PEER_ID);
        if (bytes(agentURI).length > MAX_URI) revert TextTooLong(bytes(agentURI).length, MAX_URI);
        Registration storage registration = registrations[msg.sender];
        (uint72 stake, uint72 unbonding) = (registration.stake, registration.unbonding);
        if (amount == 0 && stake == 0) revert ZeroAmount();
        if (amount > type(uint72).max - stake - unbonding) revert AmountTooLarge(amount);
        stake += uint72(amount);
        registration.stake = stake;
        registration.announcedIn = uint64(block.number);
        emit Registered(msg.sender, peerId, agentURI, stake);
    }
}
