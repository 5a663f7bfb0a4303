// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where buyers' money waits until work is delivered.
/// @notice Amounts are in the token's smallest unit (micro-USD), times in seconds since the epoch.
interface IVault {
    /// @notice `None`: never opened. `Closed` is for ever.
    enum State {
        None,
        Open,
        Closed
    }

    /// @notice What a buyer signs (EIP-712) to reserve money for a provider.
    /// @param nonce Chosen by the buyer; with buyer and provider it names the lease.
    /// @param totalMicroUsd The most that may ever be claimed in the lease.
    /// @param expirySeconds From then on nothing can be claimed and the rest returns to the buyer.
    /// @param deadlineSeconds Until when, inclusive, the signature can be used.
    /// @param terms Hash of the bid that was accepted; only recorded.
    struct Lease {
        address buyer;
        address provider;
        uint64 nonce;
        uint96 totalMicroUsd;
        uint40 expirySeconds;
        uint40 deadlineSeconds;
        bytes32 terms;
    }

    /// @notice A voucher in a batch: what the buyer signed as `Voucher(lease, cumulative)`, packed.
    /// @param buyerAndCumulative The buyer in the upper 160 bits, the cumulative amount in the lower 96.
    /// @param r First half of the buyer's compact signature (ERC-2098).
    /// @param vs Second half.
    struct Entry {
        uint256 buyerAndCumulative;
        uint64 nonce;
        bytes32 r;
        bytes32 vs;
    }

    event Deposited(address indexed buyer, address indexed from, uint256 amount);
    event WithdrawalRequested(address indexed buyer, uint256 amount, uint256 withdrawableAt);
    event Withdrawn(address indexed buyer, uint256 amount);
    event LeaseOpened(
        address indexed buyer,
        address indexed provider,
        uint64 nonce,
        uint96 total,
        uint40 expiry,
        bytes32 terms
    );
    /// @notice One for each call, because one for each voucher would cost more than the claim. Which vouchers
    /// they were stands in the transaction's input.
    event Claimed(address indexed provider, uint256 amount);
    event LeaseClosed(bytes32 indexed lease, uint256 refund);
    event EarningsWithdrawn(address indexed provider, uint256 amount);

    error ZeroAmount();
    error ZeroAddress();
    /// @notice An account would hold more than 2^72 - 1.
    error AmountTooLarge(uint256 amount);
    error NothingToWithdraw(address account);
    error WithdrawalTooEarly(uint256 withdrawableAt);
    error SignatureExpired(uint256 deadline);
    error InvalidSignature(bytes32 lease);
    error LeaseExpired(bytes32 lease, uint256 expiry);
    error LeaseTooLong(bytes32 lease, uint256 expiry, uint256 latest);
    error LeaseAlreadyClosed(bytes32 lease);
    /// @notice A later signature for an open lease must raise its total or its expiry, and lower neither.
    error LeaseNotRaised(bytes32 lease, uint256 total, uint256 expiry);
    error LeaseNotOpen(bytes32 lease);
    error LeaseStillRunning(bytes32 lease, uint256 expiry);
    error InsufficientFree(address buyer, uint256 free, uint256 needed);
    error ClaimOverTotal(bytes32 lease, uint256 cumulative, uint256 total);
    error EmptyBatch();

    /// @notice How long a buyer waits between asking to withdraw and withdrawing.
    function withdrawalDelay() external view returns (uint256);

    /// @notice A buyer's money: what is free, the sum of its open leases' totals, and what it asked back.
    /// `withdrawableAt` is 0 when nothing was asked.
    function deposits(address buyer)
        external
        view
        returns (uint72 free, uint72 reserved, uint72 withdrawing, uint40 withdrawableAt);

    /// @notice A lease by its id.
    function leases(bytes32 lease)
        external
        view
        returns (uint96 total, uint96 claimed, uint40 expiry, State state);

    /// @notice All a provider has ever claimed and withdrawn.
    function earnings(address provider) external view returns (uint128 claimed, uint128 withdrawn);

    /// @notice What a provider has claimed and not yet withdrawn.
    function earned(address provider) external view returns (uint256);

    /// @notice The id of a lease: keccak-256 of buyer, provider and nonce, packed.
    function leaseId(address buyer, address provider, uint64 nonce) external pure returns (bytes32);

    /// @notice The EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice Credits `buyer` with the caller's tokens; needs an allowance.
    function deposit(address buyer, uint256 amount) external;

    /// @notice The same with a permit (ERC-2612) of the caller in place of the allowance.
    function depositWithPermit(address buyer, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice Credits `buyer` with tokens of `from`, who signed `ReceiveWithAuthorization` (ERC-3009) for this
    /// contract, valid from 0 to `validBefore`, with the nonce keccak-256 of `buyer` and `salt`, ABI-encoded: so
    /// anyone may bring it, and nobody can credit somebody else with it.
    function depositWithAuthorization(
        address buyer,
        address from,
        uint256 amount,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external;

    /// @notice Asks for free money back. A later request replaces an earlier one and starts the delay again.
    function requestWithdrawal(uint256 amount) external;

    /// @notice After the delay: pays what was requested or what is free, whichever is less.
    function withdraw() external;

    /// @notice Reserves money of the buyer who signed `Lease`; or raises the total or the expiry of an open lease.
    /// Anyone may bring it.
    /// @param r First half of the buyer's compact signature (ERC-2098).
    /// @param vs Second half.
    function openLease(Lease calldata lease, bytes32 r, bytes32 vs) external;

    /// @notice The same with a signature of any form: 64 or 65 bytes, or whatever the buyer's contract takes
    /// (ERC-1271).
    function openLeaseFor(Lease calldata lease, bytes calldata signature) external;

    /// @notice Redeems vouchers of one provider, all or none. Anyone may bring them; only the provider gains.
    /// An entry that promises no more than was claimed before changes nothing.
    function claim(address provider, Entry[] calldata entries) external;

    /// @notice Redeems one voucher with a signature of any form: 64 or 65 bytes, or whatever the buyer's contract
    /// takes (ERC-1271).
    function claimFor(address buyer, address provider, uint64 nonce, uint96 cumulative, bytes calldata signature)
        external;

    /// @notice Returns the unclaimed rest to the buyer, for ever. The provider at any time, anyone after expiry.
    function closeLease(address buyer, address provider, uint64 nonce) external;

    /// @notice Pays the caller all it has earned.
    function withdrawEarned() external;
}
