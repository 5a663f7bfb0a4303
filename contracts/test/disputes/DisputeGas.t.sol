// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {DisputeBase} from "./DisputeBase.sol";

/// @title What a whole dispute costs: 100,000 steps of a model of ten million parameters, down to one segment.
/// @notice The run is 17 levels deep, a trace of 2,500 values 12, the tensor 18; the chain has 4,096 terms. Figures are
/// whole transactions; of a move that comes more than once, the dearest.
contract DisputeGasTest is DisputeBase {
    uint256 private _total;
    uint256 private _last;
    bool private _isKept;
    mapping(string move => uint256) private _moves;
    mapping(string move => uint256) private _dearest;

    function counted(string memory move) internal override {
        _last = vm.lastCallGas().gasTotalUsed;
        _total += _last;
        ++_moves[move];
        if (!_isKept || _last <= _dearest[move]) return;
        _dearest[move] = _last;
        vm.snapshotGasLastCall("Disputes", move);
    }

    function setUp() public override {
        super.setUp();
        credit(claimant, 1e6);
        credit(challenger, 1e6);
    }

    function test_gas_dispute() public {
        _isKept = true;
        Plan memory plan = bigPlan();
        World memory w = build(plan);
        playToEnd(w, plan);
        proveArithmetic(w);
        atMost(_last, 110_000, "prove arithmetic");
        eq(uint256(stateOf(w.key)), uint256(IDisputes.DisputeState.ChallengerWon), "won");
        vm.snapshotValue("Disputes", "a whole dispute", _total);
        uint256 shown = _moves["reveal"] + _moves["tensor"] + _moves["show leaf"] + _moves["enter"]
            + _moves["accumulators"] + _moves["operands"];
        uint256 picked =
            _moves["pick"] + _moves["pick value"] + _moves["pick element"] + _moves["pick part"] + 1;
        vm.snapshotValue("Disputes", "moves of the claimant", shown);
        vm.snapshotValue("Disputes", "moves of the challenger", picked);
        atMost(shown, 16, "moves of the claimant");
        atMost(picked, 16, "moves of the challenger");
        atMost(_total, 2_500_000, "the whole dispute");
    }

    /// @dev The tensor has 2^20 leaves, so that its path has 20 siblings; its root is proven in the trace and in the
    /// state, as deep as this model has them.
    function test_gas_proveRead() public {
        Plan memory plan = bigPlan();
        (plan.rows, plan.element, plan.lie, plan.wrong) = (16_384, 9_999_999, 5, 0);
        World memory w = build(plan);
        playToEnd(w, plan);
        _isKept = true;
        proveRead(w, 5);
        eq(w.openA.leafPath.length, 20, "siblings");
        atMost(_last, 400_000, "prove read");
        bytes memory data = abi.encodeCall(disputes.proveRead, (w.key, w.p, w.op, w.operands, 5, w.openA));
        eq(_last, floorOf(data), "what the data costs at least");
    }

    /// @dev What a call costs at least for its data (EIP-7623).
    function floorOf(bytes memory data) private pure returns (uint256 gas) {
        gas = 21_000;
        for (uint256 i = 0; i < data.length; ++i) gas += data[i] == 0 ? 10 : 40;
    }

    function bigPlan() private pure returns (Plan memory plan) {
        plan = Plan(100_000, 54_321, 30, 2_499, 1_235, 4_096, 4_096, 4_096, 9_999_999, 37, NO_LIE, 1);
    }
}
