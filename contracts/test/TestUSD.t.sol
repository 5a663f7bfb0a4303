// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Base} from "./Base.sol";
import {DeployedUSD} from "./Deployed.sol";

contract TestUSDTest is Base {
    bytes32 private constant NONCE = keccak256("nonce");

    function test_mint_reverts() public {
        vm.expectRevert(DeployedUSD.ZeroAmount.selector);
        usd.mint(buyer, 0);
        uint256 tooMuch = uint256(type(uint64).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AmountTooLarge.selector, tooMuch));
        usd.mint(buyer, tooMuch);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        usd.mint(address(0), 1);
    }

    function test_mint(address to, uint64 amount) public {
        vm.assume(to != address(0) && amount > 0);
        uint256 before = usd.balanceOf(to);
        usd.mint(to, amount);
        eq(usd.balanceOf(to) - before, amount, "minted");
        eq(usd.decimals(), 6, "decimals");
    }

    function test_receive_reverts() public {
        bytes memory signature = authorization("Receive", stranger, 5, 0, block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.CallerNotPayee.selector, address(this), stranger));
        usd.receiveWithAuthorization(buyer, stranger, 5, 0, block.timestamp + 1, NONCE, signature);

        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationNotYetValid.selector, block.timestamp));
        usd.receiveWithAuthorization(buyer, stranger, 5, block.timestamp, block.timestamp + 1, NONCE, signature);

        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationExpired.selector, block.timestamp));
        usd.receiveWithAuthorization(buyer, stranger, 5, 0, block.timestamp, NONCE, signature);

        // Another amount, another type, another signer.
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationInvalid.selector, buyer));
        usd.receiveWithAuthorization(buyer, stranger, 6, 0, block.timestamp + 1, NONCE, signature);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationInvalid.selector, buyer));
        usd.transferWithAuthorization(buyer, stranger, 5, 0, block.timestamp + 1, NONCE, signature);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationInvalid.selector, provider));
        usd.receiveWithAuthorization(provider, stranger, 5, 0, block.timestamp + 1, NONCE, signature);

        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, buyer, 0, 5));
        usd.receiveWithAuthorization(buyer, stranger, 5, 0, block.timestamp + 1, NONCE, signature);
    }

    function test_receive_once(uint64 amount) public {
        vm.assume(amount > 0);
        usd.mint(buyer, amount);
        uint256 validBefore = block.timestamp + 1;
        bytes memory signature = authorization("Receive", stranger, amount, 0, validBefore);
        vm.prank(stranger);
        usd.receiveWithAuthorization(buyer, stranger, amount, 0, validBefore, NONCE, signature);
        eq(usd.balanceOf(stranger), amount, "received");
        ok(usd.authorizationState(buyer, NONCE), "used");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationUsedAlready.selector, buyer, NONCE));
        usd.receiveWithAuthorization(buyer, stranger, amount, 0, validBefore, NONCE, signature);
    }

    function test_transfer_byAnyone(uint64 amount) public {
        vm.assume(amount > 0);
        usd.mint(buyer, amount);
        bytes memory signature = authorization("Transfer", provider, amount, 0, block.timestamp + 1);
        vm.prank(stranger);
        usd.transferWithAuthorization(buyer, provider, amount, 0, block.timestamp + 1, NONCE, signature);
        eq(usd.balanceOf(provider), amount, "transferred");
    }

    function test_cancel() public {
        usd.mint(buyer, 5);
        bytes32 typeHash = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
        bytes memory cancellation = signToken(keccak256(abi.encode(typeHash, buyer, NONCE)));
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationInvalid.selector, provider));
        usd.cancelAuthorization(provider, NONCE, cancellation);
        usd.cancelAuthorization(buyer, NONCE, cancellation);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationUsedAlready.selector, buyer, NONCE));
        usd.cancelAuthorization(buyer, NONCE, cancellation);
        bytes memory signature = authorization("Receive", stranger, 5, 0, block.timestamp + 1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeployedUSD.AuthorizationUsedAlready.selector, buyer, NONCE));
        usd.receiveWithAuthorization(buyer, stranger, 5, 0, block.timestamp + 1, NONCE, signature);
    }

    function test_permit(uint64 amount) public {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typeHash, buyer, stranger, amount, 0, block.timestamp));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, tokenDigest(structHash));
        usd.permit(buyer, stranger, amount, block.timestamp, v, r, s);
        eq(usd.allowance(buyer, stranger), amount, "allowance");
    }

    function authorization(string memory kind, address to, uint256 value, uint256 validAfter, uint256 validBefore)
        private
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256(
            bytes.concat(
                bytes(kind),
                "WithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
            )
        );
        return signToken(keccak256(abi.encode(typeHash, buyer, to, value, validAfter, validBefore, NONCE)));
    }
}
