// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC3009} from "../src/interfaces/IERC3009.sol";
import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {IVault} from "../src/interfaces/IVault.sol";

// What the tests know of the contracts. They deploy the compiled artifacts and do not import the sources,
// so that they are compiled without the optimiser, in a tenth of the time.

interface DeployedUSD is IERC20, IERC20Permit, IERC3009 {
    error ZeroAmount();
    error AmountTooLarge(uint256 amount);
    error AuthorizationNotYetValid(uint256 validAfter);
    error AuthorizationExpired(uint256 validBefore);
    error AuthorizationUsedAlready(address authorizer, bytes32 nonce);
    error AuthorizationInvalid(address authorizer);
    error CallerNotPayee(address caller, address payee);

    function mint(address to, uint256 amount) external;
    function decimals() external view returns (uint8);
}

interface DeployedVault is IVault, IERC5267 {
    function MAX_LEASE_SECONDS() external view returns (uint256);
}

interface DeployedRegistry is IProviderRegistry, IERC165 {}

interface DeployedDisputes is IDisputes, IERC5267 {
    function BURNED() external view returns (uint256);
    function NOBODY() external view returns (address);
}
