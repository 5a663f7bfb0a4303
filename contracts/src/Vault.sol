// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IVault} from "./interfaces/IVault.sol";
import {ExactTransfer} from "./libraries/ExactTransfer.sol";
import {LeaseSlot, LeaseSlotLibrary} from "./libraries/LeaseSlot.sol";

/// @title Vault
/// @notice Holds deposits, reserves them for leases by the buyer's signature, pays providers by vouchers.
///
///      deposit              open (signed)                claim (signed)
///  ---------------> FREE ----------------> RESERVED ------------------------> EARNED
///                   |  ^                   |                                    |
///   request, delay, |  |  close: provider, |                                    | withdrawEarned
///   withdraw        v  |  anyone if expired|                                    v
///                 buyer +------------------+                                 provider
///
///  A lease:   None --open--> Open --close--> Closed        (Open --open--> Open only raises total or expiry)
///
/// Always: free + reserved - claimed in open leases + earned = tokens held (but for tokens sent here by mistake).
/// Every lease has an expiry at most `MAX_LEASE_SECONDS` ahead, so no money is locked for ever. There is no
/// owner, no upgrade and no pause.
contract Vault is IVault, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using ExactTransfer for IERC20;

    /// @dev One storage slot.
    struct Deposit {
        uint72 free;
        uint72 reserved;
        uint72 withdrawing;
        uint40 withdrawableAt;
    }

    /// @dev One storage slot. It keeps sums, and so is emptied only once, which every later claim is cheaper for.
    struct Earnings {
        uint128 claimed;
        uint128 withdrawn;
    }

    bytes32 private constant LEASE_TYPEHASH = keccak256(
        "Lease(address buyer,address provider,uint64 nonce,uint96 totalMicroUsd,uint40 expirySeconds,uint40 deadlineSeconds,bytes32 terms)"
    );
    bytes32 private constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 lease,uint96 cumulativeMicroUsd)");

    /// @notice No lease lasts longer than this.
    uint256 public constant MAX_LEASE_SECONDS = 366 days;

    /// @dev Bytes of one voucher in a batch.
    uint256 private constant ENTRY = 104;

    /// @notice The stable token all amounts are in.
    IERC20 public immutable usd;

    /// @inheritdoc IVault
    uint256 public immutable withdrawalDelay;

    /// @inheritdoc IVault
    mapping(address buyer => Deposit) public deposits;

    mapping(bytes32 lease => LeaseSlot) private _leases;

    /// @inheritdoc IVault
    mapping(address provider => Earnings) public earnings;

    constructor(IERC20 usd_, uint256 withdrawalDelay_) EIP712("Weft", "1") {
        if (address(usd_) == address(0)) revert ZeroAddress();
        usd = usd_;
        withdrawalDelay = withdrawalDelay_;
    }

    /// @inheritdoc IVault
    function leaseId(address buyer, address provider, uint64 nonce) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(buyer, provider, nonce));
    }

    /// @inheritdoc IVault
    function leases(bytes32 lease)
        external
        view
        returns (uint96 total, uint96 claimed, uint40 expiry, State state)
    {
        LeaseSlot slot = _leases[lease];
        return (slot.total(), slot.claimed(), slot.expiry(), slot.state());
    }

    /// @inheritdoc IVault
    function earned(address provider) public view returns (uint256) {
        Earnings memory sums = earnings[provider];
        return sums.claimed - sums.withdrawn;
    }

    /// @inheritdoc IVault
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc IVault
    function deposit(address buyer, uint256 amount) external nonReentrant {
        _credit(buyer, msg.sender, amount);
        usd.pull(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function depositWithPermit(address buyer, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        _credit(buyer, msg.sender, amount);
        // Whoever sees a permit may use it first; then the allowance is there all the same.
        try IERC20Permit(address(usd)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        usd.pull(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function depositWithAuthorization(
        address buyer,
        address from,
        uint256 amount,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant {
        _credit(buyer, from, amount);
        usd.receiveWithAuthorization(from, amount, validBefore, keccak256(abi.encode(buyer, salt)), signature);
    }

    /// @inheritdoc IVault
    function requestWithdrawal(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint72).max) revert AmountTooLarge(amount);
        uint256 withdrawableAt = block.timestamp + withdrawalDelay;
        Deposit storage account = deposits[msg.sender];
        account.withdrawing = uint72(amount);
        account.withdrawableAt = uint40(withdrawableAt);
        emit WithdrawalRequested(msg.sender, amount, withdrawableAt);
    }

    /// @inheritdoc IVault
    function withdraw() external nonReentrant {
        Deposit storage account = deposits[msg.sender];
        uint72 amount = account.withdrawing < account.free ? account.withdrawing : account.free;
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        if (block.timestamp < account.withdrawableAt) revert WithdrawalTooEarly(account.withdrawableAt);
        account.free -= amount;
        account.withdrawing = 0;
        account.withdrawableAt = 0;
        emit Withdrawn(msg.sender, amount);
        usd.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function open(Lease calldata lease, bytes calldata signature) external nonReentrant {
        bytes32 id = leaseId(lease.buyer, lease.provider, lease.nonce);
        (uint96 total, uint40 expiry) = (lease.totalMicroUsd, lease.expirySeconds);
        if (block.timestamp > lease.deadlineSeconds) revert SignatureExpired(lease.deadlineSeconds);
        if (block.timestamp >= expiry) revert LeaseExpired(id, expiry);
        uint256 latest = block.timestamp + MAX_LEASE_SECONDS;
        if (expiry > latest) revert LeaseTooLong(id, expiry, latest);
        LeaseSlot slot = _leases[id];
        if (slot.state() == State.Closed) revert LeaseAlreadyClosed(id);
        if (slot.state() == State.None) {
            if (total == 0) revert ZeroAmount();
        } else {
            (uint96 oldTotal, uint40 oldExpiry) = (slot.total(), slot.expiry());
            if (block.timestamp >= oldExpiry) revert LeaseExpired(id, oldExpiry);
            bool lowers = total < oldTotal || expiry < oldExpiry;
            if (lowers || (total == oldTotal && expiry == oldExpiry)) revert LeaseNotRaised(id, total, expiry);
        }
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(LEASE_TYPEHASH, lease)));
        if (!_isSigned(lease.buyer, digest, signature)) revert InvalidSignature(id);
        _reserve(lease.buyer, total - slot.total());
        _leases[id] = LeaseSlotLibrary.pack(total, slot.claimed(), expiry, State.Open);
        emit LeaseOpened(id, lease.buyer, lease.provider, lease.nonce, total, expiry, lease.terms);
    }

    /// @inheritdoc IVault
    function claim(address provider, bytes calldata packed) external nonReentrant {
        uint256 count = packed.length / ENTRY;
        if (count == 0 || packed.length != count * ENTRY) revert MalformedBatch(packed.length);
        bytes32 domain = _domainSeparatorV4();
        uint96[] memory amounts = new uint96[](count);
        uint128 sum;
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata entry = packed[i * ENTRY:];
            (bytes32 head, bytes32 r, bytes32 vs) = abi.decode(entry, (bytes32, bytes32, bytes32));
            address buyer = address(bytes20(head));
            uint96 cumulative = uint96(uint256(head));
            bytes32 id = leaseId(buyer, provider, uint64(bytes8(entry[96:104])));
            LeaseSlot slot = _leases[id];
            uint96 claimed = _claimable(slot, id, cumulative);
            if (claimed >= cumulative) continue;
            (address signer,,) = ECDSA.tryRecover(_digest(domain, id, cumulative), r, vs);
            if (signer != buyer || signer == address(0)) revert InvalidSignature(id);
            _leases[id] = slot.withClaimed(cumulative);
            uint96 amount = cumulative - claimed;
            amounts[i] = amount;
            sum += amount;
        }
        earnings[provider].claimed += sum;
        emit Claimed(provider, amounts);
    }

    /// @inheritdoc IVault
    function claimFor(address buyer, address provider, uint64 nonce, uint96 cumulative, bytes calldata signature)
        external
        nonReentrant
    {
        bytes32 id = leaseId(buyer, provider, nonce);
        LeaseSlot slot = _leases[id];
        uint96 claimed = _claimable(slot, id, cumulative);
        uint96[] memory amounts = new uint96[](1);
        if (claimed < cumulative) {
            bytes32 digest = _digest(_domainSeparatorV4(), id, cumulative);
            if (!_isSigned(buyer, digest, signature)) revert InvalidSignature(id);
            _leases[id] = slot.withClaimed(cumulative);
            amounts[0] = cumulative - claimed;
            earnings[provider].claimed += amounts[0];
        }
        emit Claimed(provider, amounts);
    }

    /// @inheritdoc IVault
    function close(address buyer, address provider, uint64 nonce) external nonReentrant {
        bytes32 id = leaseId(buyer, provider, nonce);
        LeaseSlot slot = _leases[id];
        if (slot.state() != State.Open) revert LeaseNotOpen(id);
        uint40 expiry = slot.expiry();
        if (msg.sender != provider && block.timestamp < expiry) revert LeaseStillRunning(id, expiry);
        (uint96 total, uint96 claimed) = (slot.total(), slot.claimed());
        uint96 refund = total - claimed;
        _leases[id] = LeaseSlotLibrary.pack(total, claimed, expiry, State.Closed);
        Deposit storage account = deposits[buyer];
        account.free += uint72(refund);
        account.reserved -= uint72(total);
        emit LeaseClosed(id, refund);
    }

    /// @inheritdoc IVault
    function withdrawEarned() external nonReentrant {
        uint256 amount = earned(msg.sender);
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        earnings[msg.sender].withdrawn += uint128(amount);
        emit EarningsWithdrawn(msg.sender, amount);
        usd.safeTransfer(msg.sender, amount);
    }

    /// @dev What comes in is credited before it arrives; the transfer that follows reverts or brings all of it.
    function _credit(address buyer, address from, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        if (buyer == address(0)) revert ZeroAddress();
        Deposit storage account = deposits[buyer];
        // The sum of free and reserved fits, so that closing a lease can always give back.
        if (amount > type(uint72).max - account.free - account.reserved) revert AmountTooLarge(amount);
        account.free += uint72(amount);
        emit Deposited(buyer, from, amount);
    }

    function _reserve(address buyer, uint96 added) private {
        Deposit storage account = deposits[buyer];
        uint72 free = account.free;
        if (added > free) revert InsufficientFree(buyer, free, added);
        account.free = free - uint72(added);
        account.reserved += uint72(added);
    }

    /// @dev What was claimed in the lease so far; reverts when nothing may be claimed up to `cumulative`.
    function _claimable(LeaseSlot slot, bytes32 id, uint96 cumulative) private view returns (uint96) {
        if (slot.state() != State.Open) revert LeaseNotOpen(id);
        if (block.timestamp >= slot.expiry()) revert LeaseExpired(id, slot.expiry());
        if (cumulative > slot.total()) revert ClaimOverTotal(id, cumulative, slot.total());
        return slot.claimed();
    }

    function _digest(bytes32 domain, bytes32 id, uint96 cumulative) private pure returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(VOUCHER_TYPEHASH, id, cumulative));
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    /// @dev A key's signature first, because asking whether an account has code costs 2,600 gas.
    function _isSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        address recovered;
        if (signature.length == 64) {
            (recovered,,) = ECDSA.tryRecover(digest, bytes32(signature[:32]), bytes32(signature[32:]));
        } else {
            (recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        }
        if (recovered == signer && signer != address(0)) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }
}
