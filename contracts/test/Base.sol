// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../src/interfaces/IVault.sol";
import {Checks} from "./Checks.sol";
import {DeployedRegistry, DeployedUSD, DeployedVault} from "./Deployed.sol";

/// @title Parties, contracts and signatures that the tests share.
abstract contract Base is Checks {
    uint256 internal constant WITHDRAWAL_DELAY = 1 hours;
    uint256 internal constant BUYER_KEY = 0xB0B;
    bytes32 internal constant TERMS = keccak256("terms");

    DeployedUSD internal usd;
    DeployedVault internal vault;
    address internal buyer = vm.addr(BUYER_KEY);
    address internal provider = address(0x9109);
    address internal stranger = address(0x57A9);

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        usd = DeployedUSD(vm.deployCode("contracts/out/TestUSD.sol/TestUSD.json", ""));
        vault = newVault(address(usd), WITHDRAWAL_DELAY);
    }

    function newVault(address token, uint256 delay) internal returns (DeployedVault) {
        return DeployedVault(vm.deployCode("contracts/out/Vault.sol/Vault.json", abi.encode(token, delay)));
    }

    function newRegistry(address token, address court, uint256 delay, uint256 evidenceWindow)
        internal
        returns (DeployedRegistry)
    {
        bytes memory arguments = abi.encode(token, court, delay, evidenceWindow);
        return DeployedRegistry(
            vm.deployCode("contracts/out/ProviderRegistry.sol/ProviderRegistry.json", arguments)
        );
    }

    function fund(address account, uint256 amount) internal {
        usd.mint(account, amount);
        vm.prank(account);
        usd.approve(address(vault), amount);
        vm.prank(account);
        vault.deposit(account, amount);
    }

    function leaseOf(uint96 total) internal view returns (IVault.Lease memory) {
        return IVault.Lease(buyer, provider, 1, total, uint40(block.timestamp + 1 days), uint40(block.timestamp), TERMS);
    }

    function idOf(IVault.Lease memory lease) internal view returns (bytes32) {
        return vault.leaseId(lease.buyer, lease.provider, lease.nonce);
    }

    function digestOf(IVault.Lease memory lease) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Lease(address buyer,address provider,uint64 nonce,uint96 totalMicroUsd,uint40 expirySeconds,uint40 deadlineSeconds,bytes32 terms)"
        );
        return digestOf(keccak256(abi.encode(typeHash, lease)));
    }

    function digestOf(bytes32 lease, uint96 cumulative) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Voucher(bytes32 lease,uint96 cumulativeMicroUsd)");
        return digestOf(keccak256(abi.encode(typeHash, lease, cumulative)));
    }

    /// @dev Written out once more, so that a mistake in the contract's domain does not pass.
    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain =
            keccak256(abi.encode(typeHash, keccak256("Weft"), keccak256("1"), block.chainid, address(vault)));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev A compact signature (ERC-2098).
    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    /// @dev A signature of the buyer for the token, 65 bytes.
    function signToken(bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, tokenDigest(structHash));
        return abi.encodePacked(r, s, v);
    }

    function tokenDigest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", usd.DOMAIN_SEPARATOR(), structHash));
    }

    function receiveDigest(address to, uint256 value, uint256 validBefore, bytes32 nonce)
        internal
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        return keccak256(abi.encode(typeHash, buyer, to, value, 0, validBefore, nonce));
    }

    function openLease(uint96 total) internal returns (IVault.Lease memory lease) {
        lease = leaseOf(total);
        open(BUYER_KEY, lease);
    }

    function open(uint256 key, IVault.Lease memory lease) internal {
        (bytes32 r, bytes32 vs) = halves(sign(key, digestOf(lease)));
        vault.openLease(lease, r, vs);
    }

    function halves(bytes memory compact) internal pure returns (bytes32 r, bytes32 vs) {
        return abi.decode(compact, (bytes32, bytes32));
    }

    /// @dev A buyer's voucher as an entry of a batch.
    function voucher(uint256 key, uint64 nonce, uint96 cumulative) internal view returns (IVault.Entry memory) {
        address from = vm.addr(key);
        bytes32 lease = vault.leaseId(from, provider, nonce);
        (bytes32 r, bytes32 vs) = halves(sign(key, digestOf(lease, cumulative)));
        return IVault.Entry((uint256(uint160(from)) << 96) | cumulative, nonce, r, vs);
    }

    function batch(IVault.Entry memory entry) internal pure returns (IVault.Entry[] memory entries) {
        entries = new IVault.Entry[](1);
        entries[0] = entry;
    }

    function free(address account) internal view returns (uint256 amount) {
        (amount,,,) = vault.deposits(account);
    }

    function reserved(address account) internal view returns (uint256 amount) {
        (, amount,,) = vault.deposits(account);
    }

    function claimed(bytes32 lease) internal view returns (uint256 amount) {
        (, amount,,) = vault.leases(lease);
    }

    function stateOf(bytes32 lease) internal view returns (IVault.State state) {
        (,,, state) = vault.leases(lease);
    }

    /// @dev A number between `low` and `high`, both included.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return high - low == type(uint256).max ? value : low + value % (high - low + 1);
    }
}
