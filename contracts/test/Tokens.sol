// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev Keeps one unit of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(to, address(this), 1);
    }
}

/// @dev During every transfer, calls what it was told to.
contract ReentrantToken is ERC20("Reentrant", "RE") {
    address private _target;
    bytes private _call;
    bool private _busy;
    bool public succeeded;
    bytes public returned;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function plan(address target, bytes calldata call_) external {
        (_target, _call, succeeded) = (target, call_, false);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (_target != address(0) && !_busy) {
            _busy = true;
            (succeeded, returned) = _target.call(_call);
            _busy = false;
        }
        super._update(from, to, amount);
    }
}

/// @dev A contract wallet: its owner's key signs for it, in 66 bytes of which the first says nothing.
contract Wallet is IERC1271 {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bool valid = signature.length == 66 && ECDSA.recoverCalldata(digest, signature[1:]) == _owner;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function run(address target, bytes calldata call) external returns (bytes memory) {
        (bool success, bytes memory result) = target.call(call);
        require(success, "Wallet: call failed");
        return result;
    }
}
