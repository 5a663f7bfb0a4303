// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeRules} from "./interfaces/IDisputeRules.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IExactJudge} from "./interfaces/IExactJudge.sol";
import {DisputePosition} from "./libraries/DisputePosition.sol";
import {DisputeProofs} from "./libraries/DisputeProofs.sol";

/// @title DisputeRules
/// @notice Says what a move leads to. It holds nothing but the judge's address, and stands beside `Disputes` because
/// both together are more than a contract may have.
///
///                reveal, pick            pickValue         tensor, reveal, pick
///  RUN ----> STEP ----> TRACE ----------------> VALUE ----> TENSOR ----> LEAF ----> CHAIN ----> SEGMENT: a proof
///               enter     | disputeAfter                                        |  accumulators,  ^
///                         v        reveal, pick                                 |  pickPart       |
///                       AFTER ----------------> SLOT: a proof                   +-----------------+
contract DisputeRules is IDisputeRules {
    using DisputePosition for IDisputes.Position;
    using DisputeProofs for IDisputes.Position;

    /// @notice Computes the segment that is left at the end.
    IExactJudge public immutable judge;

    constructor(IExactJudge judge_) {
        if (address(judge_) == address(0)) revert IDisputes.ZeroAddress();
        judge = judge_;
    }

    /// @inheritdoc IDisputeRules
    function first(IDisputes.Claim calldata claim) external pure returns (bytes32) {
        return DisputePosition.first(claim).hash();
    }

    /// @inheritdoc IDisputeRules
    function reveal(IDisputes.Key calldata, IDisputes.Position calldata position, bytes32[] calldata nodes)
        external
        view
        returns (bytes32, uint8)
    {
        IDisputes.Position memory p = position;
        p.reveal(nodes, _steps());
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function pick(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings
    ) external view returns (bytes32, uint8) {
        IDisputes.Position memory p = position;
        p.pick(child, picked, siblings, _steps());
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function pickValue(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings,
        bytes calldata opLeaf,
        bytes32[] calldata opPath
    ) external view returns (bytes32, uint8) {
        IDisputes.Position memory p = position;
        p.pickValue(child, picked, siblings, opLeaf, opPath, judge);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function enter(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        IDisputes.Claim calldata claim,
        bytes32 stateBefore,
        bytes32[] calldata path,
        bytes32 stateAfter,
        IDisputes.Header calldata header,
        bytes32 trace,
        bytes32[] calldata nodes
    ) external view returns (bytes32, uint8) {
        IDisputes.Position memory p = position;
        p.enter(claim, stateBefore, path, stateAfter, header, trace, nodes);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function disputeAfter(IDisputes.Key calldata, IDisputes.Position calldata position)
        external
        pure
        returns (bytes32, uint8)
    {
        IDisputes.Position memory p = position;
        p.disputeAfter();
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function tensor(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        bytes32 root,
        bytes32[] calldata nodes,
        bytes calldata leaf
    ) external view returns (bytes32, uint8) {
        IDisputes.Position memory p = position;
        p.tensor(root, nodes, leaf);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function showLeaf(IDisputes.Key calldata, IDisputes.Position calldata position, bytes calldata leaf)
        external
        view
        returns (bytes32, uint8)
    {
        IDisputes.Position memory p = position;
        p.showLeaf(leaf);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function pickElement(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        uint256 place,
        bytes calldata leaf
    ) external pure returns (bytes32, uint8) {
        IDisputes.Position memory p = position;
        p.pickElement(place, leaf);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function accumulators(IDisputes.Key calldata, IDisputes.Position calldata position, bytes calldata shown)
        external
        pure
        returns (bytes32, uint8)
    {
        IDisputes.Position memory p = position;
        p.accumulators(shown);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function pickPart(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        uint256 part,
        bytes calldata shown
    ) external pure returns (bytes32, uint8) {
        IDisputes.Position memory p = position;
        p.pickPart(part, shown);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function operands(IDisputes.Key calldata, IDisputes.Position calldata position, bytes calldata shown)
        external
        pure
        returns (bytes32, uint8)
    {
        IDisputes.Position memory p = position;
        p.operands(shown);
        return (p.hash(), p.turn);
    }

    /// @inheritdoc IDisputeRules
    function proveRead(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        bytes calldata opLeaf,
        bytes calldata shown,
        uint256 read,
        IDisputes.TensorOpening calldata opening
    ) external view {
        DisputeProofs.proveRead(position, opLeaf, shown, read, opening);
    }

    /// @inheritdoc IDisputeRules
    function proveDraw(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        IDisputes.Claim calldata claim,
        bytes calldata opLeaf,
        bytes calldata shown,
        IDisputes.DataOpening calldata opening
    ) external view {
        DisputeProofs.proveDraw(position, claim, opLeaf, shown, opening, judge);
    }

    /// @inheritdoc IDisputeRules
    function proveArithmetic(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        bytes calldata opLeaf,
        bytes calldata accIn,
        bytes calldata shown
    ) external view {
        DisputeProofs.proveArithmetic(position, opLeaf, accIn, shown, judge);
    }

    /// @inheritdoc IDisputeRules
    function proveSlot(
        IDisputes.Key calldata,
        IDisputes.Position calldata position,
        bytes calldata slotLeaf,
        bytes32[] calldata slotPath,
        bytes32 nextName,
        bytes32 root,
        bytes32[] calldata rootPath
    ) external view {
        DisputeProofs.proveSlot(position, slotLeaf, slotPath, nextName, root, rootPath);
    }

    /// @dev The word that `Disputes` adds behind the arguments.
    function _steps() private pure returns (uint256) {
        return uint256(bytes32(msg.data[msg.data.length - 32:]));
    }
}
