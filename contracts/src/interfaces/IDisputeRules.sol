// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "./IDisputes.sol";

/// @title The rules of the game, without money and clocks.
/// @notice Each function has the name and arguments of the move in `IDisputes`, which sends its call on as it came, with
/// one more word at the end: how many steps the claim has. Whose turn it is, and that key, position and claim are those
/// of the dispute, `IDisputes` has checked. Moves return the hash of the next position and whose turn it is there;
/// proofs return when they prove something and revert when not. Anyone may ask what a move would give.
interface IDisputeRules {
    /// @notice The hash of the first position of a dispute of a claim.
    function first(IDisputes.Claim calldata claim) external pure returns (bytes32 position);

    function reveal(IDisputes.Key calldata key, IDisputes.Position calldata position, bytes32[] calldata nodes)
        external
        view
        returns (bytes32 next, uint8 turn);

    function pick(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings
    ) external view returns (bytes32 next, uint8 turn);

    function pickValue(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings,
        bytes calldata opLeaf,
        bytes32[] calldata opPath
    ) external view returns (bytes32 next, uint8 turn);

    function enter(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        IDisputes.Claim calldata claim,
        bytes32 stateBefore,
        bytes32[] calldata path,
        bytes32 stateAfter,
        IDisputes.Header calldata header,
        bytes32 trace,
        bytes32[] calldata nodes
    ) external view returns (bytes32 next, uint8 turn);

    function disputeAfter(IDisputes.Key calldata key, IDisputes.Position calldata position)
        external
        pure
        returns (bytes32 next, uint8 turn);

    function tensor(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        bytes32 root,
        bytes32[] calldata nodes,
        bytes calldata leaf
    ) external view returns (bytes32 next, uint8 turn);

    function showLeaf(IDisputes.Key calldata key, IDisputes.Position calldata position, bytes calldata leaf)
        external
        view
        returns (bytes32 next, uint8 turn);

    function pickElement(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        uint256 place,
        bytes calldata leaf
    ) external pure returns (bytes32 next, uint8 turn);

    function accumulators(IDisputes.Key calldata key, IDisputes.Position calldata position, bytes calldata shown)
        external
        pure
        returns (bytes32 next, uint8 turn);

    function pickPart(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        uint256 part,
        bytes calldata shown
    ) external pure returns (bytes32 next, uint8 turn);

    function operands(IDisputes.Key calldata key, IDisputes.Position calldata position, bytes calldata shown)
        external
        pure
        returns (bytes32 next, uint8 turn);

    function proveRead(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        bytes calldata opLeaf,
        bytes calldata shown,
        uint256 read,
        IDisputes.TensorOpening calldata opening
    ) external view;

    function proveDraw(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        IDisputes.Claim calldata claim,
        bytes calldata opLeaf,
        bytes calldata shown,
        IDisputes.DataOpening calldata opening
    ) external view;

    function proveArithmetic(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        bytes calldata opLeaf,
        bytes calldata accIn,
        bytes calldata shown
    ) external view;

    function proveSlot(
        IDisputes.Key calldata key,
        IDisputes.Position calldata position,
        bytes calldata slotLeaf,
        bytes32[] calldata slotPath,
        bytes32 nextName,
        bytes32 root,
        bytes32[] calldata rootPath
    ) external view;
}
