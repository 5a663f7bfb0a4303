// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What one segment of one element of an op gives.
/// @notice `op` is a graph's leaf (`src/exact/SPEC.md` section 5); `docs/disputes.md` has the table of chains.
interface IExactJudge {
    /// @notice No op has this kind.
    error NothingToJudge(uint256 kind);
    error UnknownReduction(uint256 reduction);
    error NoSuchSegment(uint256 segment, uint256 segments);
    error WrongAccumulator(uint256 length, uint256 width);

    /// @notice The accumulator after a segment of an element's chain; after the last, which finishes it, the element's
    /// own four bytes.
    /// @return fits whether the operands are as long as what the segment reads; if not, there is no result.
    function segment(bytes calldata op, uint256 element, uint256 index, bytes calldata acc, bytes calldata operands)
        external
        pure
        returns (bool fits, bytes memory result);

    /// @notice The chain of each element: segments that accumulate (one more finishes), bytes of an accumulator, and the
    /// first of them.
    function chainOf(bytes calldata op)
        external
        pure
        returns (uint256 segments, uint256 width, bytes memory initial);

    /// @notice Where a row of a step's batch begins in the data; `beginnings` is how many places it might.
    function beginning(
        uint32 seed0,
        uint32 seed1,
        uint32 worker,
        uint32 step,
        uint32 row,
        uint64 beginnings
    ) external pure returns (uint256);
}
