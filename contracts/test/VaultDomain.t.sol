// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";

/// @title Which network a signature is for (EIP-712, EIP-5267).
contract VaultDomainTest is Base {
    function test_domain() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address contract_,,) =
            vault.eip712Domain();
        ok(fields == 0x0f, "fields");
        ok(keccak256(bytes(name)) == keccak256("Weft"), "name");
        ok(keccak256(bytes(version)) == keccak256("1"), "version");
        eq(chainId, block.chainid, "chain");
        ok(contract_ == address(vault), "contract");
        ok(vault.DOMAIN_SEPARATOR() == expected(), "separator");
    }

    function test_domain_isRebuiltOnAnotherChain(uint64 id) public {
        vm.assume(id > 0);
        vm.chainId(id);
        ok(vault.DOMAIN_SEPARATOR() == expected(), "separator");
    }

    function test_leaseId(address from, address to, uint64 nonce) public view {
        ok(vault.leaseId(from, to, nonce) == keccak256(abi.encodePacked(from, to, nonce)), "id");
    }

    function expected() private view returns (bytes32) {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(typeHash, keccak256("Weft"), keccak256("1"), block.chainid, address(vault)));
    }
}
