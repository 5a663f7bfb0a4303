// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IProviderRegistry} from "../src/interfaces/IProviderRegistry.sol";
import {ExactTransfer} from "../src/libraries/ExactTransfer.sol";
import {Base} from "./Base.sol";
import {DeployedRegistry} from "./Deployed.sol";
import {FeeToken, ReentrantToken} from "./Tokens.sol";

contract ProviderRegistryTest is Base {
    string private constant PEER = "16Uiu2HAm1PeerIdOfFiftyThreeCharactersInBase58Text123";
    string private constant URI = "https://provider.example/offers.json";
    uint256 private constant DELAY = 2 hours;
    address private constant COURT = address(0xC0047);

    DeployedRegistry private registry;

    function setUp() public override {
        super.setUp();
        registry = newRegistry(address(usd), COURT, DELAY, 1 hours);
        provider = buyer; // who can sign
    }

    function test_constructor_reverts() public {
        vm.expectRevert(IProviderRegistry.ZeroAddress.selector);
        newRegistry(address(0), COURT, DELAY, 1);
        vm.expectRevert(IProviderRegistry.ZeroAddress.selector);
        newRegistry(address(usd), address(0), DELAY, 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.EvidenceWindowTooLong.selector, DELAY, DELAY));
        newRegistry(address(usd), COURT, DELAY, DELAY);
    }

    function test_register_reverts() public {
        vm.expectRevert(IProviderRegistry.EmptyPeerId.selector);
        registry.register("", URI, 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.TextTooLong.selector, 129, 128));
        registry.register(string(new bytes(129)), URI, 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.TextTooLong.selector, 513, 512));
        registry.register(PEER, string(new bytes(513)), 1);
        vm.expectRevert(IProviderRegistry.ZeroAmount.selector);
        registry.register(PEER, URI, 0);
        uint256 tooMuch = uint256(type(uint72).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.AmountTooLarge.selector, tooMuch));
        registry.register(PEER, URI, tooMuch);
        vm.expectRevert(); // no allowance
        registry.register(PEER, URI, 1);
    }

    function test_register_andAdd(uint72 first, uint64 second) public {
        first = uint72(bound(first, 1, type(uint64).max));
        stake(first);
        ok(registry.isRegistered(provider), "registered");
        eq(stakeOf(provider), first, "stake");
        if (second > 0) stake(second);
        vm.expectEmit(true, true, true, true);
        emit IProviderRegistry.Registered(provider, PEER, "", uint256(first) + second);
        vm.prank(provider);
        registry.register(PEER, "", 0);
        eq(stakeOf(provider), uint256(first) + second, "sum");
        (,,, uint64 announcedIn) = registry.registrations(provider);
        eq(announcedIn, block.number, "announced in");
        conserved();
    }

    function test_registerWithPermit_evenWhenUsedByAnother() public {
        usd.mint(provider, 100);
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typeHash, provider, address(registry), 100, 0, block.timestamp));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, tokenDigest(structHash));
        vm.prank(stranger);
        usd.permit(provider, address(registry), 100, block.timestamp, v, r, s);
        vm.prank(provider);
        registry.registerWithPermit(PEER, URI, 100, block.timestamp, v, r, s);
        eq(stakeOf(provider), 100, "stake");
    }

    function test_gas_registerWithAuthorization() public {
        usd.mint(provider, 100);
        bytes memory signature = signToken(receiveDigest(address(registry), 100, block.timestamp + 1, "n"));
        // Somebody else's call takes the stake of nobody but the caller.
        vm.prank(stranger);
        vm.expectRevert();
        registry.registerWithAuthorization(PEER, URI, 100, block.timestamp + 1, "n", signature);
        vm.prank(provider);
        registry.registerWithAuthorization(PEER, URI, 100, block.timestamp + 1, "n", signature);
        atMost(vm.snapshotGasLastCall("ProviderRegistry", "register with authorization"), 150_000, "gas");
        eq(stakeOf(provider), 100, "stake");
    }

    function test_gas_register() public {
        usd.mint(provider, 100);
        vm.prank(provider);
        usd.approve(address(registry), 100);
        vm.prank(provider);
        registry.register(PEER, URI, 100);
        atMost(vm.snapshotGasLastCall("ProviderRegistry", "register"), 150_000, "gas");
    }

    function test_unbond_reverts() public {
        stake(100);
        vm.prank(provider);
        vm.expectRevert(IProviderRegistry.ZeroAmount.selector);
        registry.requestUnbond(0);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.InsufficientStake.selector, provider, 100, 101));
        registry.requestUnbond(101);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NothingToUnbond.selector, provider));
        registry.unbond();
        vm.prank(provider);
        registry.requestUnbond(100);
        uint256 unbondableAt = block.timestamp + DELAY;
        vm.warp(unbondableAt - 1);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.UnbondingTooEarly.selector, unbondableAt));
        registry.unbond();
    }

    function test_unbond(uint64 amount, uint64 leaving) public {
        amount = uint64(bound(amount, 1, type(uint64).max));
        leaving = uint64(bound(leaving, 1, amount));
        stake(amount);
        vm.prank(provider);
        registry.requestUnbond(leaving);
        ok(registry.isRegistered(provider) == (leaving < amount), "registered");
        vm.warp(block.timestamp + DELAY);
        vm.prank(provider);
        registry.unbond();
        eq(usd.balanceOf(provider), leaving, "paid");
        conserved();
    }

    function test_slash_reverts() public {
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NotCourt.selector, provider));
        registry.slash(provider, 1, stranger);
        vm.prank(COURT);
        vm.expectRevert(IProviderRegistry.ZeroAmount.selector);
        registry.slash(provider, 0, stranger);
        vm.prank(COURT);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.InvalidBeneficiary.selector, address(0)));
        registry.slash(provider, 1, address(0));
        vm.prank(COURT);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.InvalidBeneficiary.selector, address(registry)));
        registry.slash(provider, 1, address(registry));
        vm.prank(COURT);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.NothingToSlash.selector, provider));
        registry.slash(provider, 1, stranger);
    }

    /// @dev Leaving stake goes first, nothing rounds to zero, and no more is taken than there is.
    function test_slash(uint64 amount, uint64 leaving, uint256 slashed) public {
        amount = uint64(bound(amount, 1, type(uint64).max));
        leaving = uint64(bound(leaving, 0, amount));
        slashed = bound(slashed, 1, type(uint256).max);
        stake(amount);
        if (leaving > 0) {
            vm.prank(provider);
            registry.requestUnbond(leaving);
        }
        vm.warp(block.timestamp + DELAY - 1);
        vm.prank(COURT);
        registry.slash(provider, slashed, stranger);
        uint256 taken = slashed < amount ? slashed : amount;
        eq(usd.balanceOf(stranger), taken, "taken");
        (uint72 left, uint72 unbonding,,) = registry.registrations(provider);
        eq(unbonding, taken < leaving ? leaving - taken : 0, "leaving");
        eq(uint256(left) + unbonding, amount - taken, "left");
        conserved();
    }

    function test_feeToken_reverts() public {
        FeeToken token = new FeeToken();
        registry = newRegistry(address(token), COURT, DELAY, 1);
        token.mint(address(this), 100);
        token.approve(address(registry), 100);
        vm.expectRevert(abi.encodeWithSelector(ExactTransfer.UnexpectedTransfer.selector, 100, 99));
        registry.register(PEER, URI, 100);
    }

    function test_reentrantToken_gainsNothing() public {
        ReentrantToken token = new ReentrantToken();
        registry = newRegistry(address(token), COURT, DELAY, 1);
        token.mint(address(this), 200);
        token.approve(address(registry), 200);
        token.plan(address(registry), abi.encodeCall(registry.register, (PEER, URI, 100)));
        registry.register(PEER, URI, 100);
        ok(!token.succeeded(), "re-entered");
        eq(stakeOf(address(this)), 100, "stake");
    }

    function test_interface() public view {
        ok(registry.supportsInterface(type(IProviderRegistry).interfaceId), "own");
        ok(registry.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        ok(!registry.supportsInterface(0xffffffff), "none");
    }

    function stake(uint256 amount) private {
        usd.mint(provider, amount);
        vm.prank(provider);
        usd.approve(address(registry), amount);
        vm.prank(provider);
        registry.register(PEER, URI, amount);
    }

    function stakeOf(address account) private view returns (uint256 amount) {
        (amount,,,) = registry.registrations(account);
    }

    function conserved() private view {
        (uint72 left, uint72 unbonding,,) = registry.registrations(provider);
        eq(uint256(left) + unbonding, usd.balanceOf(address(registry)), "conserved");
    }
}
