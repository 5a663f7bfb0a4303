// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IDisputeRules} from "./interfaces/IDisputeRules.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {ExactTransfer} from "./libraries/ExactTransfer.sol";
import {PackedClaim, PackedClaimLibrary} from "./libraries/PackedClaim.sol";
import {PackedDispute, PackedDisputeLibrary} from "./libraries/PackedDispute.sol";

/// @title Disputes
/// @notice Plays disputes about runs of exact programs, and holds the bonds.
///
///  A claim:    None --challenge--> Challenged --a challenger wins--> Rejected
///                |                      | the window is over, no dispute is open
///                +----------------------+----> Final --release--> the bond is credit again
///
///  A dispute:  None --challenge--> Open --timeout, concede of the claimant, a proof--> ChallengerWon --slash
///                                    |---timeout, concede of the challenger----------> ClaimantWon
///                                    +---close, when its claim was rejected----------> Closed
///
/// Within an open dispute the parties move by turns, and only the hash of a position is stored; who is to move has its
/// clock running. `DisputeRules` says where a move leads and whether a proof proves anything. What decides a dispute
/// calls nothing else: the registry is asked for the stake afterwards, by `slash`, and tokens leave by `withdraw`.
///
/// Always: free + reserved + what of rejected claims is still to be burned = tokens held (but for tokens sent here by
/// mistake). There is no owner, no upgrade and no pause, and nothing loops over what others own.
contract Disputes is IDisputes, IERC5267, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using ExactTransfer for IERC20;

    /// @dev An account's money; the sum of all is what was deposited, so that it cannot overflow.
    struct Credit {
        uint128 free;
        uint128 reserved;
        uint128 withdrawing;
        uint40 withdrawableAt;
    }

    struct ClaimSlot {
        PackedClaim packed;
    }

    struct Dispute {
        bytes32 position;
        PackedDispute packed;
    }

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant CLAIM_TYPEHASH = keccak256(
        "ExactClaim(address claimant,bytes32 job,bytes32 graph,bytes32 graphCid,bytes32 start,bytes32 end,bytes32 data,uint32 seed0,uint32 seed1,uint32 worker,uint32 steps,bytes32 run,uint96 bond,uint40 challengeUntil)"
    );
    bytes32 private constant PLY_TYPEHASH = keccak256(
        "Ply(bytes32 dispute,uint32 number,bytes32 position,uint8 turn,uint32 claimantSeconds,uint32 challengerSeconds)"
    );
    uint8 private constant CLAIMANT = 0;
    uint8 private constant CHALLENGER = 1;
    uint256 private constant POSITION_BEGINS = 4 + 2 * 32;
    uint256 private constant POSITION_ENDS = POSITION_BEGINS + 25 * 32;
    string private constant NAME = "Weft";
    string private constant VERSION = "1";

    /// @notice Nobody gets one part in so many of a lost bond of a claim.
    uint256 public constant BURNED = 5;

    /// @notice Where what nobody gets is sent: no key of it is known.
    address public constant NOBODY = 0x000000000000000000000000000000000000dEaD;

    /// @notice The stable token all amounts are in.
    IERC20 public immutable usd;

    /// @inheritdoc IDisputes
    address public immutable vault;

    /// @notice Holds the stake, and lets this contract take it.
    IProviderRegistry public immutable registry;

    /// @notice Says where a move leads.
    IDisputeRules public immutable rules;

    /// @inheritdoc IDisputes
    uint256 public immutable clockSeconds;

    /// @inheritdoc IDisputes
    uint256 public immutable challengeWindow;

    /// @inheritdoc IDisputes
    uint256 public immutable withdrawalDelay;

    /// @inheritdoc IDisputes
    mapping(address account => Credit) public credits;

    mapping(bytes32 claim => ClaimSlot) private _claims;
    mapping(bytes32 dispute => Dispute) private _disputes;

    constructor(
        IERC20 usd_,
        address vault_,
        IProviderRegistry registry_,
        IDisputeRules rules_,
        uint256 clockSeconds_,
        uint256 withdrawalDelay_
    ) {
        if (address(usd_) == address(0) || vault_ == address(0)) revert ZeroAddress();
        if (address(registry_) == address(0) || address(rules_) == address(0)) revert ZeroAddress();
        uint256 evidenceWindow = registry_.evidenceWindow();
        if (clockSeconds_ == 0 || clockSeconds_ > type(uint32).max || 2 * clockSeconds_ >= evidenceWindow) {
            revert ClockTooLong(clockSeconds_);
        }
        challengeWindow = evidenceWindow - 2 * clockSeconds_;
        if (withdrawalDelay_ <= challengeWindow) revert DelayTooShort(withdrawalDelay_, challengeWindow);
        (usd, vault, registry, rules) = (usd_, vault_, registry_, rules_);
        (clockSeconds, withdrawalDelay) = (clockSeconds_, withdrawalDelay_);
    }

    /// @inheritdoc IDisputes
    function claims(bytes32 claim)
        external
        view
        returns (address claimant, uint64 bond, uint24 open, ClaimState state)
    {
        PackedClaim packed = _claims[claim].packed;
        return (packed.claimant(), packed.bond(), packed.open(), packed.state());
    }

    /// @inheritdoc IDisputes
    function stateOf(Claim calldata claim) external view returns (ClaimState) {
        PackedClaim packed = _claims[claimId(claim)].packed;
        ClaimState state = packed.state();
        if (state == ClaimState.Rejected || packed.open() > 0) return state;
        if (claim.steps == 0 || claim.claimant == address(0)) return ClaimState.None;
        return block.timestamp > claim.challengeUntil ? ClaimState.Final : state;
    }

    /// @inheritdoc IDisputes
    function disputes(bytes32 dispute)
        external
        view
        returns (
            bytes32 position,
            uint32 number,
            uint8 turn,
            uint32 claimantSeconds,
            uint32 challengerSeconds,
            uint40 movedAt,
            DisputeState state
        )
    {
        Dispute storage slot = _disputes[dispute];
        PackedDispute packed = slot.packed;
        (position, number, turn) = (slot.position, packed.number(), packed.turn());
        (claimantSeconds, challengerSeconds) = (packed.claimantSeconds(), packed.challengerSeconds());
        (movedAt, state) = (packed.movedAt(), packed.state());
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory)
    {
        return (hex"0f", NAME, VERSION, block.chainid, vault, 0, new uint256[](0));
    }

    /// @inheritdoc IDisputes
    function claimId(Claim calldata claim) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(CLAIM_TYPEHASH, claim)));
    }

    /// @inheritdoc IDisputes
    function disputeId(Key calldata key) public pure returns (bytes32) {
        return _disputeId(key.claim, key.challenger);
    }

    /// @inheritdoc IDisputes
    function deposit(address account, uint256 amount) external nonReentrant {
        _checkDeposit(account, amount);
        usd.pull(msg.sender, amount);
        _credit(account, msg.sender, amount);
    }

    /// @inheritdoc IDisputes
    function depositWithAuthorization(
        address account,
        address from,
        uint256 amount,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant {
        _checkDeposit(account, amount);
        usd.receiveWithAuthorization(from, amount, validBefore, keccak256(abi.encode(account, salt)), signature);
        _credit(account, from, amount);
    }

    /// @inheritdoc IDisputes
    function requestWithdrawal(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint128).max) revert AmountTooLarge(amount);
        uint256 withdrawableAt = block.timestamp + withdrawalDelay;
        Credit storage credit = credits[msg.sender];
        credit.withdrawing = uint128(amount);
        credit.withdrawableAt = uint40(withdrawableAt);
        emit WithdrawalRequested(msg.sender, amount, withdrawableAt);
    }

    /// @inheritdoc IDisputes
    function withdraw() external nonReentrant {
        Credit storage credit = credits[msg.sender];
        uint128 amount = credit.withdrawing < credit.free ? credit.withdrawing : credit.free;
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        if (block.timestamp < credit.withdrawableAt) revert WithdrawalTooEarly(credit.withdrawableAt);
        credit.free -= amount;
        (credit.withdrawing, credit.withdrawableAt) = (0, 0);
        emit Withdrawn(msg.sender, amount);
        usd.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IDisputes
    function challenge(Claim calldata claim, bytes calldata signature) external returns (bytes32 dispute) {
        bytes32 id = claimId(claim);
        if (claim.steps == 0 || claim.claimant == address(0)) revert InvalidClaim(id);
        if (claim.claimant == msg.sender) revert SelfChallenge(msg.sender);
        if (block.timestamp > claim.challengeUntil) revert ChallengeTooLate(claim.challengeUntil);
        dispute = _disputeId(id, msg.sender);
        if (_disputes[dispute].packed.state() != DisputeState.None) revert AlreadyChallenged(dispute);
        PackedClaim packed = _claims[id].packed;
        if (packed.state() == ClaimState.Rejected) revert ClaimRejected(id);
        if (packed.state() == ClaimState.None) {
            if (!_isSigned(claim.claimant, id, signature)) revert InvalidSignature(id);
            packed = PackedClaimLibrary.challenged(claim.claimant, _reserveOf(claim));
        }
        uint64 bond = packed.bond();
        Credit storage credit = credits[msg.sender];
        if (credit.free < bond) revert InsufficientCredit(msg.sender, credit.free, bond);
        (credit.free, credit.reserved) = (credit.free - bond, credit.reserved + bond);
        _claims[id].packed = packed.withOneMore();
        bytes32 position = rules.first(claim);
        _disputes[dispute] = Dispute(position, PackedDisputeLibrary.opened(uint32(clockSeconds), claim.steps));
        emit Challenged(dispute, id, msg.sender, bond, claim);
    }

    /// @inheritdoc IDisputes
    function reveal(Key calldata key, Position calldata, bytes32[] calldata nodes) external {
        _move(key, CLAIMANT, Move.Reveal, abi.encodePacked(nodes));
    }

    /// @inheritdoc IDisputes
    function pick(Key calldata key, Position calldata, uint256 child, bytes32, bytes32[] calldata) external {
        _move(key, CHALLENGER, Move.Pick, abi.encode(child));
    }

    /// @inheritdoc IDisputes
    function pickValue(
        Key calldata key,
        Position calldata,
        uint256 child,
        bytes32,
        bytes32[] calldata,
        bytes calldata,
        bytes32[] calldata
    ) external {
        _move(key, CHALLENGER, Move.PickValue, abi.encode(child));
    }

    /// @inheritdoc IDisputes
    function enter(
        Key calldata key,
        Position calldata,
        Claim calldata claim,
        bytes32 stateBefore,
        bytes32[] calldata,
        bytes32 stateAfter,
        Header calldata,
        bytes32 trace,
        bytes32[] calldata nodes
    ) external {
        _checkClaim(claim, key);
        _move(key, CLAIMANT, Move.Enter, abi.encodePacked(stateBefore, stateAfter, trace, nodes));
    }

    /// @inheritdoc IDisputes
    function disputeAfter(Key calldata key, Position calldata) external {
        _move(key, CHALLENGER, Move.DisputeAfter, "");
    }

    /// @inheritdoc IDisputes
    function tensor(
        Key calldata key,
        Position calldata,
        bytes32 root,
        bytes32[] calldata nodes,
        bytes calldata leaf
    ) external {
        _move(key, CLAIMANT, Move.Tensor, abi.encodePacked(root, nodes, leaf));
    }

    /// @inheritdoc IDisputes
    function showLeaf(Key calldata key, Position calldata, bytes calldata leaf) external {
        _move(key, CLAIMANT, Move.ShowLeaf, leaf);
    }

    /// @inheritdoc IDisputes
    function pickElement(Key calldata key, Position calldata, uint256 place, bytes calldata) external {
        _move(key, CHALLENGER, Move.PickElement, abi.encode(place));
    }

    /// @inheritdoc IDisputes
    function accumulators(Key calldata key, Position calldata, bytes calldata shown) external {
        _move(key, CLAIMANT, Move.Accumulators, shown);
    }

    /// @inheritdoc IDisputes
    function pickPart(Key calldata key, Position calldata, uint256 part, bytes calldata) external {
        _move(key, CHALLENGER, Move.PickPart, abi.encode(part));
    }

    /// @inheritdoc IDisputes
    function operands(Key calldata key, Position calldata, bytes calldata shown) external {
        _move(key, CLAIMANT, Move.Operands, shown);
    }

    /// @inheritdoc IDisputes
    function proveRead(
        Key calldata key,
        Position calldata,
        bytes calldata,
        bytes calldata,
        uint256,
        TensorOpening calldata
    ) external {
        _prove(key, Move.ProveRead);
    }

    /// @inheritdoc IDisputes
    function proveDraw(
        Key calldata key,
        Position calldata,
        Claim calldata claim,
        bytes calldata,
        bytes calldata,
        DataOpening calldata
    ) external {
        _checkClaim(claim, key);
        _prove(key, Move.ProveDraw);
    }

    /// @inheritdoc IDisputes
    function proveArithmetic(
        Key calldata key,
        Position calldata,
        bytes calldata,
        bytes calldata,
        bytes calldata
    ) external {
        _prove(key, Move.ProveArithmetic);
    }

    /// @inheritdoc IDisputes
    function proveSlot(
        Key calldata key,
        Position calldata,
        bytes calldata,
        bytes32[] calldata,
        bytes32,
        bytes32,
        bytes32[] calldata
    ) external {
        _prove(key, Move.ProveSlot);
    }

    /// @inheritdoc IDisputes
    function concede(Key calldata key) external {
        bytes32 id = disputeId(key);
        PackedDispute dispute = _openDispute(id);
        uint8 loser = dispute.turn();
        if (msg.sender != _party(key, loser)) revert NotYourTurn(msg.sender);
        _end(id, key, dispute, _wonAgainst(loser), Move.Concede);
    }

    /// @inheritdoc IDisputes
    function timeout(Key calldata key) external {
        bytes32 id = disputeId(key);
        PackedDispute dispute = _openDispute(id);
        (uint256 left, uint256 used) = _clock(dispute);
        if (used <= left) revert ClockStillRuns(left - used);
        _end(id, key, dispute, _wonAgainst(dispute.turn()), Move.Timeout);
    }

    /// @inheritdoc IDisputes
    function adopt(
        Key calldata key,
        Position calldata position,
        Ply calldata ply,
        bytes calldata claimantSignature,
        bytes calldata challengerSignature
    ) external {
        bytes32 id = disputeId(key);
        PackedDispute dispute = _openDispute(id);
        if (ply.number <= dispute.number()) revert StalePly(ply.number, dispute.number());
        _checkPosition(ply.position);
        bool fits = ply.dispute == id && ply.turn == position.turn && ply.turn <= CHALLENGER
            && ply.claimantSeconds <= clockSeconds && ply.challengerSeconds <= clockSeconds;
        if (!fits) revert WrongPly(ply.dispute);
        bytes32 digest = _digest(keccak256(abi.encode(PLY_TYPEHASH, ply)));
        bool signed = _isSigned(_party(key, CLAIMANT), digest, claimantSignature)
            && _isSigned(key.challenger, digest, challengerSignature);
        if (!signed) revert InvalidSignature(digest);
        dispute = dispute.moved(ply.claimantSeconds, ply.challengerSeconds, ply.number, ply.turn);
        _disputes[id] = Dispute(ply.position, dispute);
        emit Adopted(id, ply, msg.data[POSITION_BEGINS:POSITION_ENDS]);
    }

    /// @inheritdoc IDisputes
    function close(Key calldata key) external {
        bytes32 id = disputeId(key);
        PackedDispute dispute = _disputes[id].packed;
        if (dispute.state() != DisputeState.Open) revert DisputeNotOpen(id);
        PackedClaim claim = _claims[key.claim].packed;
        if (claim.state() != ClaimState.Rejected) revert ClaimNotRejected(key.claim);
        _claims[key.claim].packed = claim.withOneLess();
        _disputes[id].packed = dispute.withState(DisputeState.Closed);
        _unreserve(key.challenger, claim.bond(), claim.bond());
        emit Ended(id, key.claim, DisputeState.Closed, Move.Close);
    }

    /// @inheritdoc IDisputes
    function release(Claim calldata claim) external {
        bytes32 id = claimId(claim);
        PackedClaim packed = _claims[id].packed;
        bool ends = packed.state() == ClaimState.Challenged && packed.open() == 0;
        if (!ends || block.timestamp <= claim.challengeUntil) revert ClaimNotFinal(id);
        _claims[id].packed = packed.withState(ClaimState.Final);
        _unreserve(claim.claimant, packed.bond(), packed.bond());
        emit Released(id, packed.bond());
    }

    /// @inheritdoc IDisputes
    function slash(Claim calldata claim, address challenger) external nonReentrant {
        bytes32 id = _disputeId(claimId(claim), challenger);
        PackedDispute dispute = _disputes[id].packed;
        if (dispute.state() != DisputeState.ChallengerWon) revert DisputeNotWon(id);
        if (dispute.isSlashed()) revert AlreadySlashed(id);
        (uint72 stake, uint72 unbonding,,) = registry.registrations(claim.claimant);
        if (claim.bond == 0 || uint256(stake) + unbonding == 0) revert NothingToSlash(id);
        _disputes[id].packed = dispute.slashed();
        uint256 before = usd.balanceOf(address(this));
        registry.slash(claim.claimant, claim.bond, address(this));
        uint256 taken = usd.balanceOf(address(this)) - before;
        credits[challenger].free += uint128(taken);
        emit Slashed(id, claim.claimant, challenger, taken);
    }

    /// @inheritdoc IDisputes
    function burn(bytes32 claim) external nonReentrant {
        PackedClaim packed = _claims[claim].packed;
        uint256 amount = packed.bond() / BURNED;
        if (packed.state() != ClaimState.Rejected || packed.isBurned() || amount == 0) revert NothingToBurn(claim);
        _claims[claim].packed = packed.burned();
        emit Burned(claim, amount);
        usd.safeTransfer(NOBODY, amount);
    }

    /// @dev Stores where a move leads and stops the clock of who moved.
    function _move(Key calldata key, uint8 party, Move move, bytes memory data) private {
        (bytes32 id, PackedDispute dispute) = _turn(key, party);
        (bytes32 next, uint8 turn) = abi.decode(_ask(dispute), (bytes32, uint8));
        (uint32 claimantSeconds, uint32 challengerSeconds) = (dispute.claimantSeconds(), dispute.challengerSeconds());
        (uint256 left, uint256 used) = _clock(dispute);
        if (party == CLAIMANT) claimantSeconds = uint32(left - used);
        else challengerSeconds = uint32(left - used);
        uint32 number = dispute.number() + 1;
        _disputes[id] = Dispute(next, dispute.moved(claimantSeconds, challengerSeconds, number, turn));
        emit Moved(id, move, number, next, data);
    }

    /// @dev Ends a dispute for the challenger if this call proves something.
    function _prove(Key calldata key, Move move) private {
        (bytes32 id, PackedDispute dispute) = _turn(key, CHALLENGER);
        _ask(dispute);
        _end(id, key, dispute, DisputeState.ChallengerWon, move);
    }

    /// @dev Checks that the dispute is at this position, and that it is the caller's turn as this party and in time.
    function _turn(Key calldata key, uint8 party) private view returns (bytes32 id, PackedDispute dispute) {
        id = disputeId(key);
        dispute = _openDispute(id);
        if (dispute.turn() != party || msg.sender != _party(key, party)) revert NotYourTurn(msg.sender);
        (uint256 left, uint256 used) = _clock(dispute);
        if (used > left) revert ClockRanOut(used - left);
        _checkPosition(_disputes[id].position);
    }

    /// @dev Sends this very call on to the rules, which have functions of the same names and arguments.
    function _ask(PackedDispute dispute) private view returns (bytes memory) {
        return Address.functionStaticCall(address(rules), bytes.concat(msg.data, bytes32(uint256(dispute.steps()))));
    }

    /// @dev The loser's bond goes where it belongs.
    function _end(bytes32 id, Key calldata key, PackedDispute dispute, DisputeState state, Move by) private {
        PackedClaim claim = _claims[key.claim].packed;
        if (claim.state() == ClaimState.Rejected) revert ClaimRejected(key.claim);
        uint128 bond = claim.bond();
        _disputes[id].packed = dispute.withState(state);
        claim = claim.withOneLess();
        if (state == DisputeState.ClaimantWon) {
            _claims[key.claim].packed = claim;
            credits[key.challenger].reserved -= bond;
            credits[claim.claimant()].free += bond;
        } else {
            _claims[key.claim].packed = claim.withState(ClaimState.Rejected);
            credits[claim.claimant()].reserved -= bond;
            _unreserve(key.challenger, bond, 2 * bond - bond / uint128(BURNED));
        }
        emit Ended(id, key.claim, state, by);
    }

    function _unreserve(address account, uint128 reserved, uint128 freed) private {
        Credit storage credit = credits[account];
        (credit.free, credit.reserved) = (credit.free + freed, credit.reserved - reserved);
    }

    /// @dev Takes a claim's bond from its claimant's free credit. That there is too little must not keep anyone from
    /// challenging, or who makes false claims would see to it; nor a bond that nobody could match.
    function _reserveOf(Claim calldata claim) private returns (uint64) {
        Credit storage credit = credits[claim.claimant];
        uint256 bond = claim.bond < credit.free ? claim.bond : credit.free;
        if (bond > type(uint64).max) bond = type(uint64).max;
        (credit.free, credit.reserved) = (credit.free - uint128(bond), credit.reserved + uint128(bond));
        return uint64(bond);
    }

    function _checkDeposit(address account, uint256 amount) private pure {
        if (amount == 0) revert ZeroAmount();
        if (account == address(0)) revert ZeroAddress();
        if (amount > type(uint72).max) revert AmountTooLarge(amount);
    }

    function _credit(address account, address from, uint256 amount) private {
        credits[account].free += uint128(amount);
        emit Deposited(account, from, amount);
    }

    function _openDispute(bytes32 id) private view returns (PackedDispute dispute) {
        dispute = _disputes[id].packed;
        if (dispute.state() != DisputeState.Open) revert DisputeNotOpen(id);
    }

    /// @dev What was left to the party in turn at the last move, and what it has used since.
    function _clock(PackedDispute dispute) private view returns (uint256 left, uint256 used) {
        bool isClaimants = dispute.turn() == CLAIMANT;
        left = isClaimants ? dispute.claimantSeconds() : dispute.challengerSeconds();
        used = block.timestamp - dispute.movedAt();
    }

    function _party(Key calldata key, uint8 turn) private view returns (address) {
        return turn == CLAIMANT ? _claims[key.claim].packed.claimant() : key.challenger;
    }

    function _wonAgainst(uint8 loser) private pure returns (DisputeState) {
        return loser == CLAIMANT ? DisputeState.ChallengerWon : DisputeState.ClaimantWon;
    }

    function _checkClaim(Claim calldata claim, Key calldata key) private view {
        bytes32 id = claimId(claim);
        if (id != key.claim) revert WrongClaim(id, key.claim);
    }

    /// @dev Key and position stand first in every call that brings them. A position is all words, so that what hashes to
    /// what is stored is what was encoded there.
    function _checkPosition(bytes32 expected) private pure {
        bytes32 given = keccak256(msg.data[POSITION_BEGINS:POSITION_ENDS]);
        if (given != expected) revert WrongPosition(given, expected);
    }

    function _disputeId(bytes32 claim, address challenger) private pure returns (bytes32) {
        return keccak256(abi.encode(claim, challenger));
    }

    /// @dev The domain of the network names the vault, and is made anew each time because a chain's id may change.
    function _digest(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(NAME)), keccak256(bytes(VERSION)), block.chainid, vault)
        );
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    /// @dev A key's signature of 64 or 65 bytes, or whatever a contract wallet takes for its own.
    function _isSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        address recovered;
        if (signature.length == 64) {
            (recovered,,) = ECDSA.tryRecover(digest, bytes32(signature[:32]), bytes32(signature[32:]));
        } else {
            (recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        }
        if (recovered == signer && signer != address(0)) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }
}
