// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IExactJudge} from "../../src/interfaces/IExactJudge.sol";
import {Base} from "../Base.sol";
import {DeployedDisputes, DeployedRegistry} from "../Deployed.sol";
import {Trees} from "./Trees.sol";

/// @title A claim about a run in which one element of one product is in dispute, and every move down to it.
/// @dev Of each tree only what is around that element exists. The op is a[m, k] times b[k, n], a being the value before
/// it in the trace and b slot 0 of the state; all of their rows are whole leaves.
abstract contract DisputeBase is Base {
    struct Plan {
        uint32 steps;
        uint32 step;
        uint32 stateCount;
        uint32 opCount;
        /// @dev Place of the product in the trace, odd.
        uint32 place;
        uint256 rows;
        uint256 columns;
        uint256 terms;
        uint256 element;
        /// @dev The segment that is wrong, and the read in it that lies, if one does.
        uint256 segment;
        uint256 lie;
        /// @dev Adds to the last accumulator, so that the arithmetic lies.
        uint8 wrong;
    }

    struct World {
        IDisputes.Claim claim;
        IDisputes.Key key;
        IDisputes.Position p;
        IDisputes.Header header;
        Trees.Stage[] run;
        bytes32[] pathBefore;
        bytes32 stateBefore;
        bytes32 stateAfter;
        Trees.Stage[] trace;
        bytes32 traceRoot;
        bytes op;
        bytes32[] opPath;
        Trees.Stage[] tensor;
        bytes32 root;
        bytes leaf;
        uint256 place;
        bytes[] accs;
        bytes operands;
        IDisputes.TensorOpening openA;
        IDisputes.TensorOpening openB;
        Trees.Stage[] afterStages;
    }

    uint256 internal constant CLAIMANT_KEY = 0xC1A1;
    uint256 internal constant CHALLENGER_KEY = 0xC4A1;
    uint256 internal constant CLOCK = 10 minutes;
    uint256 internal constant WINDOW = 40 minutes;
    uint256 internal constant CREDIT_DELAY = 1 hours;
    uint96 internal constant BOND = 1000;
    uint256 internal constant NO_LIE = type(uint256).max;
    bytes32 internal constant DATA = keccak256("data");

    DeployedRegistry internal registry;
    DeployedDisputes internal disputes;
    IExactJudge internal judge;
    address internal rules;
    address internal claimant = vm.addr(CLAIMANT_KEY);
    address internal challenger = vm.addr(CHALLENGER_KEY);

    function setUp() public virtual override {
        super.setUp();
        judge = IExactJudge(vm.deployCode("contracts/out/ExactJudge.sol/ExactJudge.json", ""));
        rules = vm.deployCode("contracts/out/DisputeRules.sol/DisputeRules.json", abi.encode(judge));
        (registry, disputes) = newDisputes(address(usd));
    }

    /// @dev The registry knows its court before it is there, by how many contracts this one has made.
    function newDisputes(address token) internal returns (DeployedRegistry registry_, DeployedDisputes disputes_) {
        address court = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        registry_ = newRegistry(token, court, 2 hours, 1 hours);
        bytes memory arguments = abi.encode(token, vault, registry_, rules, CLOCK, CREDIT_DELAY);
        disputes_ = DeployedDisputes(vm.deployCode("contracts/out/Disputes.sol/Disputes.json", arguments));
        ok(address(disputes_) == court, "the court is where it was expected");
    }

    function credit(address account, uint256 amount) internal {
        usd.mint(account, amount);
        vm.prank(account);
        usd.approve(address(disputes), amount);
        vm.prank(account);
        disputes.deposit(account, amount);
    }

    function freeOf(address account) internal view returns (uint256 amount) {
        (amount,,,) = disputes.credits(account);
    }

    function reservedOf(address account) internal view returns (uint256 amount) {
        (, amount,,) = disputes.credits(account);
    }

    function stateOf(IDisputes.Key memory key) internal view returns (IDisputes.DisputeState state) {
        (,,,,,, state) = disputes.disputes(disputes.disputeId(key));
    }

    function simpleClaim() internal view returns (IDisputes.Claim memory claim) {
        claim.claimant = claimant;
        (claim.graph, claim.run, claim.data) = (keccak256("graph"), keccak256("run"), DATA);
        (claim.start, claim.end, claim.steps, claim.bond) = (keccak256("start"), keccak256("end"), 10, BOND);
        claim.challengeUntil = uint40(block.timestamp + WINDOW);
    }

    function claimDigest(IDisputes.Claim memory claim) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "ExactClaim(address claimant,bytes32 job,bytes32 graph,bytes32 graphCid,bytes32 start,bytes32 end,bytes32 data,uint32 seed0,uint32 seed1,uint32 worker,uint32 steps,bytes32 run,uint96 bond,uint40 challengeUntil)"
        );
        return digestOf(keccak256(abi.encode(typeHash, claim)));
    }

    function challengeIt(IDisputes.Claim memory claim, address by) internal returns (IDisputes.Key memory key) {
        bytes memory signature = sign(CLAIMANT_KEY, claimDigest(claim));
        vm.prank(by);
        disputes.challenge(claim, signature);
        counted("challenge");
        return IDisputes.Key(disputes.claimId(claim), by);
    }

    // What is in dispute.

    function smallPlan() internal pure returns (Plan memory) {
        return Plan(100, 37, 3, 40, 21, 4, 64, 192, 130, 1, NO_LIE, 0);
    }

    function build(Plan memory plan) internal view returns (World memory w) {
        w.op = productLeaf(plan);
        w.accs = new bytes[](plan.terms / 64 + 2);
        w.accs[0] = hex"00000000";
        for (uint256 i = 1; i < w.accs.length; ++i) w.accs[i] = abi.encodePacked(bytes4(keccak256(abi.encode(i)) >> 2));
        w.operands = floats(plan);
        if (plan.segment < plan.terms / 64) {
            (, w.accs[plan.segment + 1]) =
                judge.segment(w.op, plan.element, plan.segment, w.accs[plan.segment], w.operands);
        } else {
            w.operands = "";
            (, w.accs[plan.segment + 1]) =
                judge.segment(w.op, plan.element, plan.segment, w.accs[plan.segment], w.operands);
        }
        bytes memory last = w.accs[plan.segment + 1];
        last[0] = bytes1(uint8(last[0]) ^ plan.wrong);
        buildTensor(w, plan);
        buildInputs(w, plan);
        buildTrace(w, plan);
        buildGraph(w, plan, w.op, plan.stateCount + plan.place);
        buildRun(w, plan);
    }

    /// @dev The element's own bytes stand in the leaf that is shown.
    function buildTensor(World memory w, Plan memory plan) private pure {
        uint256 count = (plan.rows * plan.columns * 4 + 255) / 256;
        w.place = plan.element % 64;
        w.leaf = noise(256);
        bytes memory element = w.accs[w.accs.length - 1];
        for (uint256 i = 0; i < 4; ++i) w.leaf[4 * w.place + i] = element[i];
        (w.tensor, w.root) = Trees.grow(Trees.leafHash(w.leaf), plan.element / 64, count, 0);
    }

    /// @dev What the operands should be: rows of a are whole leaves, of b one number each counts.
    function buildInputs(World memory w, Plan memory plan) private pure {
        if (plan.segment == plan.terms / 64) return;
        uint256 term = plan.lie == NO_LIE ? 0 : plan.lie % 64;
        bytes memory leafA = slice(w.operands, 0, 256);
        if (plan.lie < 64) leafA[4 * term] ^= 0x01;
        uint256 first = plan.element / plan.columns * plan.terms + 64 * plan.segment;
        w.openA = opening(leafA, first / 64, plan.rows * plan.terms / 64);
        uint256 place = (64 * plan.segment + term) * plan.columns + plan.element % plan.columns;
        bytes memory leafB = noise(256);
        for (uint256 i = 0; i < 4; ++i) leafB[place % 64 * 4 + i] = w.operands[256 + 4 * term + i];
        if (plan.lie >= 64 && plan.lie != NO_LIE) leafB[place % 64 * 4] ^= 0x01;
        w.openB = opening(leafB, place / 64, plan.terms * plan.columns / 64);
        w.openB.name = sha256("b");
        bytes memory slot =
            abi.encodePacked(sha256("b"), typeWords(2, plan.terms, plan.columns), w.openB.root);
        (w.openB.rootPath, w.stateBefore) = Trees.pathFor(Trees.leafHash(slot), 0, plan.stateCount);
    }

    function opening(bytes memory leaf, uint256 index, uint256 count)
        internal
        pure
        returns (IDisputes.TensorOpening memory o)
    {
        o.leaf = leaf;
        (o.leafPath, o.root) = Trees.pathFor(Trees.leafHash(leaf), index, count);
    }

    function buildTrace(World memory w, Plan memory plan) private pure {
        bytes32 beside = w.openA.root == 0 ? bytes32("beside") : Trees.leafHash(w.openA.root);
        (w.trace, w.traceRoot) = Trees.grow(Trees.leafHash(w.root), plan.place, plan.opCount + 1, beside);
        w.openA.rootPath = Trees.pathOf(w.trace, true);
    }

    function buildGraph(World memory w, Plan memory plan, bytes memory leaf, uint256 index) internal pure {
        uint256 count = plan.stateCount + plan.opCount + 2;
        w.header = IDisputes.Header(plan.stateCount, 1, plan.opCount, 1, 0);
        (w.opPath, w.header.leaves) = Trees.pathFor(Trees.leafHash(leaf), index, count);
        w.claim.graph = sha256(abi.encode(1, w.header));
    }

    function buildRun(World memory w, Plan memory plan) internal view {
        if (w.stateBefore == 0) w.stateBefore = keccak256("before");
        if (w.stateAfter == 0) w.stateAfter = keccak256("after");
        bool isFirst = plan.step == 0;
        (w.run, w.claim.run) = Trees.grow(
            Trees.leafHash(w.stateAfter), plan.step, plan.steps, isFirst ? bytes32(0) : Trees.leafHash(w.stateBefore)
        );
        if (!isFirst) w.pathBefore = Trees.pathOf(w.run, true);
        (w.claim.claimant, w.claim.bond, w.claim.data) = (claimant, BOND, DATA);
        (w.claim.start, w.claim.end) = (isFirst ? w.stateBefore : keccak256("start"), keccak256("end"));
        if (plan.step + 1 == plan.steps) w.claim.end = w.stateAfter;
        w.claim.steps = plan.steps;
        w.claim.challengeUntil = uint40(block.timestamp + WINDOW);
    }

    function start(World memory w) internal {
        w.key = challengeIt(w.claim, challenger);
        w.p.node = w.claim.run;
        w.p.level = uint8(Trees.depth(w.claim.steps));
        w.p.phase = w.claim.steps == 1 ? 1 : 0;
    }

    /// @dev A call that must be refused for this reason, and leave all as it is.
    function refused(address by, bytes memory call, bytes4 reason) internal {
        vm.prank(by);
        (bool success, bytes memory result) = address(disputes).call(call);
        if (success || bytes4(result) != reason) revert NotRefused(success, bytes4(result), reason);
    }

    error NotRefused(bool success, bytes4 reason, bytes4 expected);

    /// @dev After each move; for who counts what it costs.
    function counted(string memory move) internal virtual {}

    // Moves, each with what it makes of the position.

    function reveal(World memory w, Trees.Stage memory stage) internal {
        vm.prank(claimant);
        disputes.reveal(w.key, w.p, stage.nodes);
        counted("reveal");
        w.p.turn = 1;
    }

    function pick(World memory w, Trees.Stage memory stage) internal {
        bytes32[] memory siblings = Trees.siblings(stage.nodes, stage.child);
        vm.prank(challenger);
        disputes.pick(w.key, w.p, stage.child, stage.nodes[stage.child], siblings);
        counted("pick");
        descend(w.p, stage);
        if (w.p.level > 0) w.p.turn = 0;
        else if (w.p.phase == 0) (w.p.phase, w.p.turn) = (1, 0);
        else if (w.p.phase == 3) w.p.phase = 9;
        else (w.p.phase, w.p.turn) = (6, 0);
    }

    function descend(IDisputes.Position memory p, Trees.Stage memory stage) internal pure {
        uint256 down = Trees.stride(p.level);
        p.node = stage.nodes[stage.child];
        p.level -= uint8(down);
        p.index = uint64((uint256(p.index) << down) + stage.child);
    }

    function dissect(World memory w, Trees.Stage[] memory stages, uint256 from) internal {
        for (uint256 i = from; i < stages.length; ++i) {
            reveal(w, stages[i]);
            pick(w, stages[i]);
        }
    }

    function enter(World memory w) internal {
        vm.prank(claimant);
        disputes.enter(
            w.key, w.p, w.claim, w.stateBefore, w.pathBefore, w.stateAfter, w.header, w.traceRoot, w.trace[0].nodes
        );
        counted("enter");
        w.p.step = uint32(w.p.index);
        (w.p.stateBefore, w.p.stateAfter, w.p.leaves) = (w.stateBefore, w.stateAfter, w.header.leaves);
        (w.p.stateCount, w.p.batchCount) = (w.header.stateCount, w.header.batchCount);
        (w.p.opCount, w.p.resultCount) = (w.header.opCount, w.header.resultCount);
        (w.p.trace, w.p.node, w.p.index, w.p.phase, w.p.turn) = (w.traceRoot, w.traceRoot, 0, 2, 1);
        w.p.level = uint8(Trees.depth(w.p.batchCount + w.p.opCount));
    }

    function pickValue(World memory w, Plan memory plan) internal {
        Trees.Stage memory stage = w.trace[w.trace.length - 1];
        bytes32[] memory siblings = Trees.siblings(stage.nodes, stage.child);
        vm.prank(challenger);
        disputes.pickValue(
            w.key, w.p, stage.child, stage.nodes[stage.child], siblings, w.op, w.opPath
        );
        counted("pick value");
        descend(w.p, stage);
        (w.p.value, w.p.op) = (plan.stateCount + plan.place, keccak256(w.op));
        (w.p.byteLength, w.p.elementBytes, w.p.width) = (uint64(plan.rows * plan.columns * 4), 4, 4);
        (w.p.low, w.p.high, w.p.accIn) = (0, uint32(w.accs.length - 1), keccak256(w.accs[0]));
        (w.p.phase, w.p.turn) = (4, 0);
    }

    function tensor(World memory w) internal {
        bool isOne = w.tensor.length == 0;
        bytes32[] memory nodes = isOne ? new bytes32[](0) : w.tensor[0].nodes;
        vm.prank(claimant);
        disputes.tensor(w.key, w.p, w.root, nodes, isOne ? w.leaf : bytes(""));
        counted("tensor");
        (w.p.node, w.p.index, w.p.turn) = (w.root, 0, 1);
        w.p.level = uint8(Trees.depth((w.p.byteLength + 255) / 256));
        w.p.phase = isOne ? 6 : 5;
        if (isOne) w.p.shown = keccak256(w.leaf);
    }

    function showLeaf(World memory w) internal {
        vm.prank(claimant);
        disputes.showLeaf(w.key, w.p, w.leaf);
        counted("show leaf");
        (w.p.shown, w.p.turn) = (keccak256(w.leaf), 1);
    }

    function pickElement(World memory w) internal {
        vm.prank(challenger);
        disputes.pickElement(w.key, w.p, w.place, w.leaf);
        counted("pick element");
        w.p.element = w.p.index * 64 + uint64(w.place);
        w.p.accOut = keccak256(slice(w.leaf, 4 * w.place, 4));
        (w.p.phase, w.p.turn, w.p.shown) = (w.p.high == 1 ? 8 : 7, 0, 0);
    }

    /// @dev One round between accumulators, towards a segment.
    function halve(World memory w, uint256 segment) internal {
        (uint256 parts, bytes memory shown) = shownParts(w);
        vm.prank(claimant);
        disputes.accumulators(w.key, w.p, shown);
        counted("accumulators");
        (w.p.shown, w.p.turn) = (keccak256(shown), 1);
        uint256 part;
        while (partAt(w, parts, part + 1) <= segment) ++part;
        vm.prank(challenger);
        disputes.pickPart(w.key, w.p, part, shown);
        counted("pick part");
        (uint256 low, uint256 high) = (partAt(w, parts, part), partAt(w, parts, part + 1));
        w.p.accIn = keccak256(w.accs[low]);
        w.p.accOut = keccak256(w.accs[high]);
        (w.p.low, w.p.high, w.p.shown) = (uint32(low), uint32(high), 0);
        (w.p.phase, w.p.turn) = (high - low == 1 ? 8 : 7, 0);
    }

    function shownParts(World memory w) internal pure returns (uint256 parts, bytes memory shown) {
        parts = w.p.high - w.p.low;
        if (parts > 64) parts = 64;
        for (uint256 i = 1; i < parts; ++i) shown = bytes.concat(shown, w.accs[partAt(w, parts, i)]);
    }

    function partAt(World memory w, uint256 parts, uint256 part) private pure returns (uint256) {
        return w.p.low + part * (w.p.high - w.p.low) / parts;
    }

    function operands(World memory w) internal {
        vm.prank(claimant);
        disputes.operands(w.key, w.p, w.operands);
        counted("operands");
        (w.p.shown, w.p.turn) = (keccak256(w.operands), 1);
    }

    function proveRead(World memory w, uint256 read) internal {
        vm.prank(challenger);
        disputes.proveRead(w.key, w.p, w.op, w.operands, read, read < 64 ? w.openA : w.openB);
        counted("prove read");
    }

    function proveArithmetic(World memory w) internal {
        vm.prank(challenger);
        disputes.proveArithmetic(w.key, w.p, w.op, w.accs[w.p.low], w.operands);
        counted("prove arithmetic");
    }

    function playToTrace(World memory w) internal {
        start(w);
        dissect(w, w.run, 0);
        enter(w);
    }

    function playToValue(World memory w, Plan memory plan) internal {
        playToTrace(w);
        for (uint256 i = 0; i + 1 < w.trace.length; ++i) {
            if (i > 0) reveal(w, w.trace[i]);
            pick(w, w.trace[i]);
        }
        if (w.trace.length > 1) reveal(w, w.trace[w.trace.length - 1]);
        pickValue(w, plan);
    }

    function playToLeaf(World memory w, Plan memory plan) internal {
        playToValue(w, plan);
        tensor(w);
        if (w.tensor.length == 0) return;
        pick(w, w.tensor[0]);
        dissect(w, w.tensor, 1);
        showLeaf(w);
    }

    function playToSegment(World memory w, Plan memory plan) internal {
        playToLeaf(w, plan);
        pickElement(w);
        while (w.p.phase == 7) halve(w, plan.segment);
    }

    function playToEnd(World memory w, Plan memory plan) internal {
        playToSegment(w, plan);
        operands(w);
    }

    // Bytes.

    function productLeaf(Plan memory plan) internal pure returns (bytes memory) {
        uint256 value = plan.stateCount + plan.place;
        return bytes.concat(
            abi.encode(2), typeWords(2, plan.rows, plan.columns), new bytes(6 * 32), abi.encode(2, value - 1),
            typeWords(2, plan.rows, plan.terms), abi.encode(0), typeWords(2, plan.terms, plan.columns)
        );
    }

    /// @dev Type f32, axes and sizes.
    function typeWords(uint256 axes, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodePacked(uint256(0), axes, a, b, new bytes(4 * 32));
    }

    /// @dev Numbers between 1 and 2 in magnitude.
    function floats(Plan memory plan) private pure returns (bytes memory all) {
        all = noise(512);
        for (uint256 i = 0; i < 512; i += 4) {
            all[i + 2] |= 0x80;
            all[i + 3] = bytes1((uint8(all[i + 3]) & 0x80) | 0x3f);
        }
        if (plan.terms == 0) all[0] = 0;
    }

    function noise(uint256 length) internal pure returns (bytes memory all) {
        all = new bytes(length);
        for (uint256 i = 0; i < length; ++i) all[i] = bytes1(keccak256(abi.encode(length, i)));
    }

    function slice(bytes memory data, uint256 from, uint256 length) internal pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) part[i] = data[from + i];
    }
}
