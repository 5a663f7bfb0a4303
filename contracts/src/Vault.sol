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
import {PackedDeposit} from "./libraries/PackedDeposit.sol";
import {PackedLease, PackedLeaseLibrary} from "./libraries/PackedLease.sol";

/// @title Vault
/// @notice Holds deposits, reserves them for leases by the buyer's signature, pays providers by vouchers.
///
///      deposit             openLease (signed)               claim (signed)
///  ---------------> FREE --------------------> RESERVED ---------------------> EARNED
///                   |  ^                       |                                 |
///   request, delay, |  |  closeLease: provider,|                                 | withdrawEarned
///   withdraw        v  |  anyone if expired    |                                 v
///                 buyer +----------------------+                              provider
///
///  A lease: None --openLease--> Open --closeLease--> Closed     (openLease again only raises total or expiry)
///
/// Always: free + reserved - claimed in open leases + earned = tokens held (but for tokens sent here by mistake).
/// Every lease has an expiry at most `MAX_LEASE_SECONDS` ahead, so no money is locked for ever. There is no
/// owner, no upgrade and no pause. What calls the token is guarded against re-entrance; everything else calls
/// nobody, but for the question to a contract wallet whether a signature is its own, which can change nothing.
contract Vault is IVault, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using ExactTransfer for IERC20;

    /// @dev One storage slot; a struct only so that its place is computed once.
    struct LeaseSlot {
        PackedLease packed;
    }

    /// @dev One storage slot; the same.
    struct DepositSlot {
        PackedDeposit packed;
    }

    /// @dev One storage slot. Two sums, so that it never becomes zero again, which makes later claims cheaper.
    struct Earnings {
        uint128 claimed;
        uint128 withdrawn;
    }

    bytes32 private constant LEASE_TYPEHASH = keccak256(
        "Lease(address buyer,address provider,uint64 nonce,uint96 totalMicroUsd,uint40 expirySeconds,uint40 deadlineSeconds,bytes32 terms)"
    );
    bytes32 private constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 lease,uint96 cumulativeMicroUsd)");

    /// @dev Half the order of secp256k1: of the two signatures of a message, only the one with the lower s counts.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice No lease lasts longer than this.
    uint256 public constant MAX_LEASE_SECONDS = 366 days;

    /// @notice The stable token all amounts are in.
    IERC20 public immutable usd;

    /// @inheritdoc IVault
    uint256 public immutable withdrawalDelay;

    mapping(address buyer => DepositSlot) private _deposits;
    mapping(bytes32 lease => LeaseSlot) private _leases;

    /// @inheritdoc IVault
    mapping(address provider => Earnings) public earnings;

    constructor(IERC20 usd_, uint256 withdrawalDelay_) EIP712("Weft", "1") {
        if (address(usd_) == address(0)) revert ZeroAddress();
        usd = usd_;
        withdrawalDelay = withdrawalDelay_;
    }

    /// @inheritdoc IVault
    function deposits(address buyer)
        external
        view
        returns (uint72 free, uint72 reserved, uint72 withdrawing, uint40 withdrawableAt)
    {
        PackedDeposit account = _deposits[buyer].packed;
        return (account.free(), account.reserved(), account.withdrawing(), account.withdrawableAt());
    }

    /// @inheritdoc IVault
    function leases(bytes32 lease)
        external
        view
        returns (uint96 total, uint96 claimed, uint40 expiry, State state)
    {
        PackedLease packed = _leases[lease].packed;
        return (packed.total(), packed.claimed(), packed.expiry(), packed.state());
    }

    /// @inheritdoc IVault
    function earned(address provider) public view returns (uint256) {
        Earnings memory sums = earnings[provider];
        return sums.claimed - sums.withdrawn;
    }

    /// @inheritdoc IVault
    function leaseId(address buyer, address provider, uint64 nonce) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(buyer, provider, nonce));
    }

    /// @inheritdoc IVault
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc IVault
    function deposit(address buyer, uint256 amount) external nonReentrant {
        _checkCredit(buyer, amount);
        usd.pull(msg.sender, amount);
        _credit(buyer, msg.sender, amount);
    }

    /// @inheritdoc IVault
    function depositWithPermit(address buyer, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        _checkCredit(buyer, amount);
        // Whoever sees a permit may use it first; then the allowance is there all the same.
        try IERC20Permit(address(usd)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        usd.pull(msg.sender, amount);
        _credit(buyer, msg.sender, amount);
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
        _checkCredit(buyer, amount);
        usd.receiveWithAuthorization(from, amount, validBefore, keccak256(abi.encode(buyer, salt)), signature);
        _credit(buyer, from, amount);
    }

    /// @inheritdoc IVault
    function requestWithdrawal(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint72).max) revert AmountTooLarge(amount);
        uint256 withdrawableAt = block.timestamp + withdrawalDelay;
        DepositSlot storage slot = _deposits[msg.sender];
        slot.packed = slot.packed.withWithdrawal(uint72(amount), uint40(withdrawableAt));
        emit WithdrawalRequested(msg.sender, amount, withdrawableAt);
    }

    /// @inheritdoc IVault
    function withdraw() external nonReentrant {
        DepositSlot storage slot = _deposits[msg.sender];
        PackedDeposit account = slot.packed;
        (uint72 free, uint72 withdrawing) = (account.free(), account.withdrawing());
        uint72 amount = withdrawing < free ? withdrawing : free;
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        if (block.timestamp < account.withdrawableAt()) revert WithdrawalTooEarly(account.withdrawableAt());
        slot.packed = account.withBalances(free - amount, account.reserved()).withWithdrawal(0, 0);
        emit Withdrawn(msg.sender, amount);
        usd.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function openLease(Lease memory lease, bytes32 r, bytes32 vs) external {
        bytes32 id = leaseId(lease.buyer, lease.provider, lease.nonce);
        address signer = _recover(_digest(lease), r, vs);
        if (signer != lease.buyer || signer == address(0)) revert InvalidSignature(id);
        _open(lease, id);
    }

    /// @inheritdoc IVault
    function openLeaseFor(Lease memory lease, bytes calldata signature) external {
        bytes32 id = leaseId(lease.buyer, lease.provider, lease.nonce);
        if (!_isSigned(lease.buyer, _digest(lease), signature)) revert InvalidSignature(id);
        _open(lease, id);
    }

    /// @inheritdoc IVault
    function claim(address provider, Entry[] calldata entries) external {
        if (entries.length == 0) revert EmptyBatch();
        bytes32 domain = _domainSeparatorV4();
        uint256 sum = 0;
        for (uint256 i = 0; i < entries.length; ++i) {
            Entry calldata entry = entries[i];
            // A lease of buyer zero cannot be open, so that the zero of a bad signature never matches.
            address buyer = address(uint160(entry.buyerAndCumulative >> 96));
            uint96 cumulative = uint96(entry.buyerAndCumulative);
            bytes32 id = leaseId(buyer, provider, entry.nonce);
            LeaseSlot storage slot = _leases[id];
            PackedLease lease = slot.packed;
            uint256 claimed = _claimable(lease, id, cumulative);
            if (cumulative <= claimed) continue;
            bytes32 structHash = keccak256(abi.encode(VOUCHER_TYPEHASH, id, cumulative));
            bytes32 digest = MessageHashUtils.toTypedDataHash(domain, structHash);
            if (_recover(digest, entry.r, entry.vs) != buyer) revert InvalidSignature(id);
            slot.packed = lease.withClaimed(cumulative);
            unchecked {
                // Each is less than 2^96, and no block has room for 2^32 of them.
                sum += cumulative - claimed;
            }
        }
        earnings[provider].claimed += uint128(sum);
        emit Claimed(provider, sum);
    }

    /// @inheritdoc IVault
    function claimFor(address buyer, address provider, uint64 nonce, uint96 cumulative, bytes calldata signature)
        external
    {
        bytes32 id = leaseId(buyer, provider, nonce);
        LeaseSlot storage slot = _leases[id];
        PackedLease lease = slot.packed;
        uint96 claimed = _claimable(lease, id, cumulative);
        uint96 amount = 0;
        if (cumulative > claimed) {
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, id, cumulative)));
            if (!_isSigned(buyer, digest, signature)) revert InvalidSignature(id);
            slot.packed = lease.withClaimed(cumulative);
            amount = cumulative - claimed;
            earnings[provider].claimed += amount;
        }
        emit Claimed(provider, amount);
    }

    /// @inheritdoc IVault
    function closeLease(address buyer, address provider, uint64 nonce) external {
        bytes32 id = leaseId(buyer, provider, nonce);
        LeaseSlot storage slot = _leases[id];
        PackedLease lease = slot.packed;
        if (!lease.isOpen()) revert LeaseNotOpen(id);
        if (msg.sender != provider && block.timestamp < lease.expiry()) revert LeaseStillRunning(id, lease.expiry());
        uint96 refund = lease.total() - lease.claimed();
        slot.packed = lease.closed();
        DepositSlot storage account = _deposits[buyer];
        PackedDeposit money = account.packed;
        account.packed = money.withBalances(money.free() + uint72(refund), money.reserved() - uint72(lease.total()));
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

    /// @dev The sum of free and reserved stays below 2^72, so that closing a lease can always give back.
    function _checkCredit(address buyer, uint256 amount) private view {
        if (amount == 0) revert ZeroAmount();
        if (buyer == address(0)) revert ZeroAddress();
        PackedDeposit account = _deposits[buyer].packed;
        if (amount > type(uint72).max - account.free() - account.reserved()) revert AmountTooLarge(amount);
    }

    /// @dev Checked arithmetic: what the account holds may have changed while the tokens came.
    function _credit(address buyer, address from, uint256 amount) private {
        DepositSlot storage slot = _deposits[buyer];
        PackedDeposit account = slot.packed;
        uint72 free = account.free() + uint72(amount);
        slot.packed = account.withBalances(free, account.reserved());
        emit Deposited(buyer, from, amount);
    }

    function _open(Lease memory lease, bytes32 id) private {
        (uint96 total, uint40 expiry) = (lease.totalMicroUsd, lease.expirySeconds);
        if (block.timestamp > lease.deadlineSeconds) revert SignatureExpired(lease.deadlineSeconds);
        if (block.timestamp >= expiry) revert LeaseExpired(id, expiry);
        uint256 latest = block.timestamp + MAX_LEASE_SECONDS;
        if (expiry > latest) revert LeaseTooLong(id, expiry, latest);

        LeaseSlot storage slot = _leases[id];
        PackedLease before = slot.packed;
        if (before.isNone()) {
            if (total == 0) revert ZeroAmount();
        } else {
            if (!before.isOpen()) revert LeaseAlreadyClosed(id);
            if (block.timestamp >= before.expiry()) revert LeaseExpired(id, before.expiry());
            bool lowers = total < before.total() || expiry < before.expiry();
            bool same = total == before.total() && expiry == before.expiry();
            if (lowers || same) revert LeaseNotRaised(id, total, expiry);
        }

        DepositSlot storage account = _deposits[lease.buyer];
        PackedDeposit money = account.packed;
        uint96 added = total - before.total();
        uint72 free = money.free();
        if (added > free) revert InsufficientFree(lease.buyer, free, added);
        account.packed = money.withBalances(free - uint72(added), money.reserved() + uint72(added));
        slot.packed = PackedLeaseLibrary.open(total, before.claimed(), expiry);
        emit LeaseOpened(lease.buyer, lease.provider, lease.nonce, total, expiry, lease.terms);
    }

    function _digest(Lease memory lease) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(LEASE_TYPEHASH, lease)));
    }

    /// @dev What was claimed in the lease so far; reverts when nothing may be claimed up to `cumulative`.
    function _claimable(PackedLease lease, bytes32 id, uint96 cumulative) private view returns (uint96) {
        if (!lease.isOpen()) revert LeaseNotOpen(id);
        if (block.timestamp >= lease.expiry()) revert LeaseExpired(id, lease.expiry());
        if (cumulative > lease.total()) revert ClaimOverTotal(id, cumulative, lease.total());
        return lease.claimed();
    }

    /// @dev A key's signature first, because asking whether an account has code costs 2,600 gas.
    function _isSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        address recovered;
        if (signature.length == 64) {
            recovered = _recover(digest, bytes32(signature[:32]), bytes32(signature[32:]));
        } else {
            (recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        }
        if (recovered == signer && signer != address(0)) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }

    /// @dev Who made a compact signature (ERC-2098), or zero. OpenZeppelin's `tryRecover` without its reasons,
    /// which nobody here reads and every voucher would pay for.
    function _recover(bytes32 digest, bytes32 r, bytes32 vs) private pure returns (address) {
        uint256 s = uint256(vs) & (type(uint256).max >> 1);
        if (s > HALF_ORDER) return address(0);
        unchecked {
            return ecrecover(digest, uint8(uint256(vs) >> 255) + 27, r, bytes32(s));
        }
    }
}
