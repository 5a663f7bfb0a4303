// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who is right about a run of an exact program.
/// @notice `docs/disputes.md` is the protocol; names and fields are those of that page. Amounts are in the token's
/// smallest unit (micro-USD), times in seconds since the epoch.
interface IDisputes {
    /// @notice What a claimant signs, EIP-712 `ExactClaim`. Its digest is its id.
    struct Claim {
        address claimant;
        bytes32 job;
        bytes32 graph;
        bytes32 graphCid;
        bytes32 start;
        bytes32 end;
        bytes32 data;
        uint32 seed0;
        uint32 seed1;
        uint32 worker;
        uint32 steps;
        bytes32 run;
        uint96 bond;
        uint40 challengeUntil;
    }

    /// @notice Names a dispute: an account challenges a claim at most once. `disputeId` is its id.
    struct Key {
        bytes32 claim;
        address challenger;
    }

    /// @notice The state of a dispute; only the hash of its ABI encoding is stored. The page's `before` and `after` are
    /// `stateBefore` and `stateAfter` here, because Solidity keeps one of the words for itself.
    struct Position {
        uint8 phase;
        uint8 turn;
        uint8 level;
        uint64 index;
        bytes32 node;
        uint32 step;
        bytes32 stateBefore;
        bytes32 stateAfter;
        bytes32 leaves;
        uint32 stateCount;
        uint32 batchCount;
        uint32 opCount;
        uint32 resultCount;
        bytes32 trace;
        uint32 value;
        bytes32 op;
        uint64 byteLength;
        uint8 elementBytes;
        uint8 width;
        uint64 element;
        uint32 low;
        uint32 high;
        bytes32 accIn;
        bytes32 accOut;
        bytes32 shown;
    }

    /// @notice What stands at the head of a graph of version 1.
    struct Header {
        uint32 stateCount;
        uint32 batchCount;
        uint32 opCount;
        uint32 resultCount;
        bytes32 leaves;
    }

    /// @notice A position that both parties sign off chain, EIP-712.
    struct Ply {
        bytes32 dispute;
        uint32 number;
        bytes32 position;
        uint8 turn;
        uint32 claimantSeconds;
        uint32 challengerSeconds;
    }

    /// @notice Opens the 256 bytes of a tensor that an element lies in. `name` is the hash of the slot's name where the
    /// tensor is one of the state; `rootPath` proves its root in the state or in the trace.
    struct TensorOpening {
        bytes32 name;
        bytes32 root;
        bytes32[] rootPath;
        bytes leaf;
        bytes32[] leafPath;
    }

    /// @notice Opens the 256 bytes of the data that a token lies in. For data shorter than a row, leaf and path are empty.
    struct DataOpening {
        uint64 byteLength;
        bytes32 bytesRoot;
        bytes leaf;
        bytes32[] leafPath;
    }

    /// @notice `None`: nothing is known of it here. `Final`: the window is over and no dispute is open.
    enum ClaimState {
        None,
        Challenged,
        Rejected,
        Final
    }

    /// @notice `Closed`: the claim was rejected in another dispute.
    enum DisputeState {
        None,
        Open,
        ClaimantWon,
        ChallengerWon,
        Closed
    }

    /// @notice What changed a dispute.
    enum Move {
        Reveal,
        Pick,
        PickValue,
        Enter,
        DisputeAfter,
        Tensor,
        ShowLeaf,
        PickElement,
        Accumulators,
        PickPart,
        Operands,
        ProveRead,
        ProveDraw,
        ProveArithmetic,
        ProveSlot,
        Concede,
        Timeout,
        Close
    }

    event Deposited(address indexed account, address indexed from, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint256 withdrawableAt);
    event Withdrawn(address indexed account, uint256 amount);
    /// @notice A dispute began, with a bond of each side.
    event Challenged(
        bytes32 indexed dispute, bytes32 indexed claim, address indexed challenger, uint256 bond, Claim details
    );
    /// @notice A party moved to the position with this hash. `data` is what the other needs to follow, packed:
    /// Reveal: the nodes. Enter: before, after, trace, the nodes. Tensor: root, then nodes or bytes. ShowLeaf,
    /// Accumulators, Operands: the bytes. Pick, PickValue: child. PickElement: place. PickPart: part (each a word).
    /// DisputeAfter: nothing.
    event Moved(bytes32 indexed dispute, Move indexed move, uint256 number, bytes32 position, bytes data);
    /// @notice The parties went on from a position, here in its ABI encoding, that they had reached off chain.
    event Adopted(bytes32 indexed dispute, Ply ply, bytes position);
    event Ended(bytes32 indexed dispute, bytes32 indexed claim, DisputeState state, Move by);
    /// @notice The bond of a final claim went back to its claimant's credit.
    event Released(bytes32 indexed claim, uint256 bond);
    /// @notice The registry took stake of the loser, now credit of the winner.
    event Slashed(bytes32 indexed dispute, address indexed claimant, address indexed winner, uint256 amount);
    event Burned(bytes32 indexed claim, uint256 amount);

    error ZeroAmount();
    error ZeroAddress();
    /// @notice More than 2^72 - 1 at once.
    error AmountTooLarge(uint256 amount);
    error InsufficientCredit(address account, uint256 free, uint256 needed);
    error NothingToWithdraw(address account);
    error WithdrawalTooEarly(uint256 withdrawableAt);
    /// @notice Stake or credit could leave before a dispute ends.
    error ClockTooLong(uint256 clockSeconds);
    error DelayTooShort(uint256 withdrawalDelay, uint256 challengeWindow);
    error InvalidClaim(bytes32 claim);
    error InvalidSignature(bytes32 digest);
    error SelfChallenge(address account);
    error ChallengeTooLate(uint256 challengeUntil);
    error ClaimRejected(bytes32 claim);
    error ClaimNotRejected(bytes32 claim);
    error ClaimNotFinal(bytes32 claim);
    error AlreadyChallenged(bytes32 dispute);
    error DisputeNotOpen(bytes32 dispute);
    error DisputeNotWon(bytes32 dispute);
    error AlreadySlashed(bytes32 dispute);
    error NotYourTurn(address caller);
    error ClockRanOut(uint256 secondsAgo);
    error ClockStillRuns(uint256 secondsLeft);
    /// @notice The position brought along is not the one that is stored.
    error WrongPosition(bytes32 given, bytes32 stored);
    /// @notice The claim brought along is not the one in dispute.
    error WrongClaim(bytes32 given, bytes32 expected);
    /// @notice A position that is not newer than the one that is stored.
    error StalePly(uint256 number, uint256 stored);
    /// @notice A ply of another dispute, of another turn than its position's, or with more time than there is.
    error WrongPly(bytes32 dispute);
    /// @notice The position has another move. Phases have the numbers of the page.
    error WrongMove(uint256 phase, uint256 level);
    error WrongCount(uint256 given, uint256 expected);
    error WrongLength(uint256 given, uint256 expected);
    error OutOfRange(uint256 index, uint256 count);
    /// @notice What was shown is not what was committed to.
    error NotCommitted(bytes32 given, bytes32 expected);
    /// @notice A graph of a sort that no claim may have.
    error UnknownGraph(uint256 stateCount, uint256 batchCount, uint256 opCount);
    /// @notice The value is no batch of tokens.
    error NotDrawn(uint256 kind);
    /// @notice What was opened agrees with what the claimant showed.
    error NothingProven();
    error NothingToSlash(bytes32 dispute);
    error NothingToBurn(bytes32 claim);

    /// @notice The vault of the network, which all its signatures name.
    function vault() external view returns (address);

    /// @notice Time of each party for all its moves of a dispute.
    function clockSeconds() external view returns (uint256);

    /// @notice The longest window of a challenge after which the registry still has the stake.
    function challengeWindow() external view returns (uint256);

    /// @notice How long credit waits between `requestWithdrawal` and `withdraw`; longer than `challengeWindow`.
    function withdrawalDelay() external view returns (uint256);

    /// @notice An account's money: `free` includes `withdrawing`, of which less may be left when it is taken.
    function credits(address account)
        external
        view
        returns (uint128 free, uint128 reserved, uint128 withdrawing, uint40 withdrawableAt);

    function claimId(Claim calldata claim) external view returns (bytes32);

    function disputeId(Key calldata key) external pure returns (bytes32);

    /// @notice What is stored of a claim that was challenged: `bond` is what its claimant had to reserve, `open` how
    /// many disputes are. Whether it is final depends on its window too: `stateOf`.
    function claims(bytes32 claim)
        external
        view
        returns (address claimant, uint64 bond, uint24 open, ClaimState state);

    /// @notice The state of a claim now. `Final` says nothing of its signature when nobody challenged it.
    function stateOf(Claim calldata claim) external view returns (ClaimState);

    /// @notice A dispute as it stands: what was left of the clocks at `movedAt`; since then the clock of `turn` runs.
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
        );

    /// @notice Adds to `account`'s credit from the caller's allowance.
    function deposit(address account, uint256 amount) external;

    /// @notice The same by `from`'s `ReceiveWithAuthorization` (ERC-3009) with the nonce
    /// keccak256(abi.encode(account, salt)), valid from 0 to `validBefore`. Anyone may bring it.
    function depositWithAuthorization(
        address account,
        address from,
        uint256 amount,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external;

    /// @notice Starts the delay; replaces an earlier request.
    function requestWithdrawal(uint256 amount) external;

    /// @notice Pays the caller what it asked for, or what is left of it.
    function withdraw() external;

    /// @notice Opens the caller's dispute of a signed claim. Reserves the claim's bond from the claimant, or all its free
    /// credit if that is less, once a claim; and as much from the caller.
    function challenge(Claim calldata claim, bytes calldata signature) external returns (bytes32 dispute);

    /// @notice Shows the nodes under the node.
    function reveal(Key calldata key, Position calldata position, bytes32[] calldata nodes) external;

    /// @notice Points at one of them.
    function pick(
        Key calldata key,
        Position calldata position,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings
    ) external;

    /// @notice The same at the bottom of a trace, with the graph's leaf of the value.
    function pickValue(
        Key calldata key,
        Position calldata position,
        uint256 child,
        bytes32 picked,
        bytes32[] calldata siblings,
        bytes calldata opLeaf,
        bytes32[] calldata opPath
    ) external;

    /// @notice Shows the states around the step and what lies highest in its trace.
    function enter(
        Key calldata key,
        Position calldata position,
        Claim calldata claim,
        bytes32 stateBefore,
        bytes32[] calldata path,
        bytes32 stateAfter,
        Header calldata header,
        bytes32 trace,
        bytes32[] calldata nodes
    ) external;

    /// @notice Concedes the trace, so that only the state after it can be wrong.
    function disputeAfter(Key calldata key, Position calldata position) external;

    /// @notice Shows the root of a value's tensor, and the nodes under it or, if it has but one leaf, the bytes.
    function tensor(
        Key calldata key,
        Position calldata position,
        bytes32 root,
        bytes32[] calldata nodes,
        bytes calldata leaf
    ) external;

    /// @notice Shows the bytes of a leaf.
    function showLeaf(Key calldata key, Position calldata position, bytes calldata leaf) external;

    /// @notice Points at an element of them.
    function pickElement(Key calldata key, Position calldata position, uint256 place, bytes calldata leaf) external;

    /// @notice Shows accumulators between parts of the element's chain.
    function accumulators(Key calldata key, Position calldata position, bytes calldata shown) external;

    /// @notice Points at a part.
    function pickPart(Key calldata key, Position calldata position, uint256 part, bytes calldata shown) external;

    /// @notice Shows what the segment reads.
    function operands(Key calldata key, Position calldata position, bytes calldata shown) external;

    /// @notice Proves that read number `read` is not what stands in the tensor that it comes from.
    function proveRead(
        Key calldata key,
        Position calldata position,
        bytes calldata opLeaf,
        bytes calldata shown,
        uint256 read,
        TensorOpening calldata opening
    ) external;

    /// @notice Proves that a token is not the one that was drawn from the data, or that nothing can be.
    function proveDraw(
        Key calldata key,
        Position calldata position,
        Claim calldata claim,
        bytes calldata opLeaf,
        bytes calldata shown,
        DataOpening calldata opening
    ) external;

    /// @notice Proves that the segment of `accIn` and these operands gives something else.
    function proveArithmetic(
        Key calldata key,
        Position calldata position,
        bytes calldata opLeaf,
        bytes calldata accIn,
        bytes calldata shown
    ) external;

    /// @notice Proves that a slot of the state did not become its next value, whose tensor root is `root`. `nextName` is
    /// the hash of the other slot's name where that value is one of the state.
    function proveSlot(
        Key calldata key,
        Position calldata position,
        bytes calldata slotLeaf,
        bytes32[] calldata slotPath,
        bytes32 nextName,
        bytes32 root,
        bytes32[] calldata rootPath
    ) external;

    /// @notice Gives up, in one's turn.
    function concede(Key calldata key) external;

    /// @notice Ends a dispute for the other when the clock of who is in turn has run out. Anyone.
    function timeout(Key calldata key) external;

    /// @notice Goes on from a position that both have signed. Anyone.
    function adopt(
        Key calldata key,
        Position calldata position,
        Ply calldata ply,
        bytes calldata claimantSignature,
        bytes calldata challengerSignature
    ) external;

    /// @notice Ends an open dispute of a claim that was rejected in another; the bond goes back. Anyone.
    function close(Key calldata key) external;

    /// @notice Gives the bond of a final claim back to its claimant's credit. Anyone.
    function release(Claim calldata claim) external;

    /// @notice After a dispute that the challenger won: has the registry take stake of the claimant, the claim's bond or
    /// all there is if that is less, for the winner's credit. Once a dispute. Anyone.
    function slash(Claim calldata claim, address challenger) external;

    /// @notice Sends the part of a rejected claim's bond that nobody gets to where nobody has a key. Once a claim. Anyone.
    function burn(bytes32 claim) external;
}
