import { equal, leafHash, verifyBytes, verifyLeaf } from '../../exact/commit/merkle.ts'
import { sha256 } from '../../exact/commit/sha256.ts'
import { dtypeNumbers } from '../../exact/commit/StateRoot.ts'
import { words } from '../../exact/commit/words.ts'
import { rowBegin } from '../../exact/data.ts'
import { type Leaf, MalformedLeafError, readLeaf } from '../../exact/readLeaf.ts'
import { type DType, limits, type Shape } from '../../exact/Tensor.ts'
import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import * as Hex from '../../protocol/Hex.ts'
import { evaluate } from '../judge/evaluate.ts'
import { type Judged, operandBytes, type Read, readsOf, sizeOf } from '../judge/readsOf.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import { MoveError } from './MoveError.ts'
import type { Position } from '../../protocol/dispute/Position.ts'

/**
 * That an operand is not what stands where it is read.
 *
 * @throws {MoveError} when it is, or the opening does not prove what it says.
 */
export function proveRead(
  claim: ExactClaim,
  position: Position,
  move: Move.Of<'prove-read'>,
): void {
  const leaf = opOf(position, move.op)
  const operands = checkShown(position, move.operands)
  const reads = readsOf(leaf, { ...position, segment: position.low }, operands)
  const read = reads[move.read]
  const from = operandBytes(reads.slice(0, move.read))
  const claimed = operands.subarray(from, from + (read?.bytes ?? 0))
  if (!read || claimed.byteLength < read.bytes)
    throw new MoveError('WrongPlace', `The operands hold no read ${move.read}.`)
  const { opening } = move
  if (leaf.kind === 'batch' || opening.source === 'data')
    return proveData({ claim, position, read, claimed, leaf, opening })
  const input = leaf.inputs[read.input as number]!
  const { byteLength, elementBytes } = sizeOf(input)
  const at = read.element * elementBytes
  const bytes = { leaf: Hex.toBytes(opening.leaf), path: opening.leafPath.map(Hex.toBytes) }
  const place = { index: Math.floor(at / 256), byteLength }
  if (!isRootOf(position, input, opening) || !verifyBytes(Hex.toBytes(opening.root), bytes, place))
    throw new MoveError('WrongPath', `The opening is not that of value ${input.index}.`)
  expectDifference(claimed, bytes.leaf.subarray(at % 256, (at % 256) + elementBytes))
}

/**
 * That a segment of the accumulator and the operands is not what the claimant says, or is not given what it reads.
 *
 * @throws {MoveError} when it is.
 */
export function proveArithmetic(position: Position, move: Move.Of<'prove-arithmetic'>): void {
  const leaf = opOf(position, move.op)
  const operands = checkShown(position, move.operands)
  const accIn = Hex.toBytes(move.accIn)
  if (Hex.keccak256(accIn) !== position.accIn)
    throw new MoveError('WrongBytes', 'The accumulator is not the one before the segment.')
  const place = { ...position, segment: position.low }
  if (operands.byteLength !== operandBytes(readsOf(leaf, place, operands))) return
  if (Hex.keccak256(evaluate(leaf, place, accIn, operands)) === position.accOut)
    throw new MoveError('NoFault', 'The segment gives what the claimant says.')
}

/**
 * That a state slot after the step is not the next value that the graph gives it.
 *
 * @throws {MoveError} when it is, or an opening does not prove what it says.
 */
export function proveSlot(position: Position, { slot, next }: Move.Of<'prove-slot'>): void {
  const { stateCount, batchCount, opCount, resultCount, index } = position
  const opening = { leaf: Hex.toBytes(slot.leaf), path: slot.path.map(Hex.toBytes) }
  const count = stateCount + batchCount + opCount + resultCount
  if (!verifyLeaf(Hex.toBytes(position.leaves), opening, { index, count }))
    throw new MoveError('WrongPath', `The leaf is not that of state slot ${index}.`)
  const leaf = read(opening.leaf)
  if (leaf.kind !== 'state') throw new MoveError('WrongLeaf', 'The leaf is not of a state slot.')
  if (!isRootOf(position, { ...leaf, index: leaf.next }, next))
    throw new MoveError('WrongPath', `The opening is not that of value ${leaf.next}.`)
  const expected = leafHash(stateLeaf(leaf.name, leaf, Hex.toBytes(next.root)))
  if (Hex.from(expected) === position.node)
    throw new MoveError('NoFault', 'The slot holds its next value.')
}

/** The bytes that the claimant has shown. */
export function checkShown({ shown }: Position, hex: Hex.Hex): Uint8Array {
  const bytes = Hex.toBytes(hex)
  if (Hex.keccak256(bytes) !== shown)
    throw new MoveError('WrongBytes', 'The bytes are not those that the claimant has shown.')
  return bytes
}

/** Reads the leaf of a value that can be in dispute. */
export function readJudged(bytes: Uint8Array): Judged {
  const leaf = read(bytes)
  if (leaf.kind !== 'op' && leaf.kind !== 'batch')
    throw new MoveError('WrongLeaf', `A ${leaf.kind} is not computed.`)
  return leaf
}

function read(bytes: Uint8Array): Leaf {
  try {
    return readLeaf(bytes)
  } catch (cause) {
    if (!(cause instanceof MalformedLeafError)) throw cause
    throw new MoveError('WrongLeaf', 'The leaf is none of a graph.', { cause })
  }
}

function opOf({ op }: Position, hex: Hex.Hex): Judged {
  const bytes = Hex.toBytes(hex)
  if (Hex.keccak256(bytes) !== op)
    throw new MoveError('WrongLeaf', 'The leaf is not that of the value in dispute.')
  return readJudged(bytes)
}

type Opened = {
  readonly name?: Hex.Hex
  readonly root: Hex.Hex
  readonly path: readonly Hex.Hex[]
}
type Typed = { readonly index: number; readonly dtype: DType; readonly shape: Shape }

/** Whether a root is that of a value: in the state before the step, or in its trace. */
function isRootOf(position: Position, value: Typed, { name, root, path }: Opened): boolean {
  const { stateCount, batchCount, opCount, before, trace } = position
  const bytes = Hex.toBytes(root)
  const steps = path.map(Hex.toBytes)
  if (value.index >= stateCount) {
    const at = { index: value.index - stateCount, count: batchCount + opCount }
    return verifyLeaf(Hex.toBytes(trace), { leaf: bytes, path: steps }, at)
  }
  const leaf = stateLeaf(Hex.toBytes(name ?? Hex.zero), value, bytes)
  const at = { index: value.index, count: stateCount }
  return verifyLeaf(Hex.toBytes(before), { leaf, path: steps }, at)
}

/** The leaf of a tensor in a state, of whose name only the hash is known. */
function stateLeaf(name: Uint8Array, { dtype, shape }: Omit<Typed, 'index'>, root: Uint8Array) {
  const sizes = Array.from({ length: limits.rank }, (_, axis) => shape[axis] ?? 0)
  return words(name, dtypeNumbers[dtype], shape.length, ...sizes, root)
}

type DataProof = {
  readonly claim: ExactClaim
  readonly position: Position
  readonly read: Read
  readonly claimed: Uint8Array
  readonly leaf: Judged
  readonly opening: Move.Opening
}

/** That a token is not the byte of the data set that Philox draws for it. */
function proveData({ claim, position, read, claimed, leaf, opening }: DataProof): void {
  const [rows, length] = leaf.shape
  if (leaf.kind !== 'batch' || opening.source !== 'data')
    throw new MoveError('WrongPath', 'Data is opened for the batch, and for nothing else.')
  if (rows === undefined || length === undefined || leaf.shape.length > 2 || leaf.dtype !== 'u32')
    throw new MoveError('WrongGraph', 'The batch of a graph in a claim is rows of tokens.')
  const { byteLength, bytesRoot } = opening
  if (Hex.from(sha256(words(byteLength, Hex.toBytes(bytesRoot)))) !== claim.data)
    throw new MoveError('WrongPath', 'Length and root are not those of the data set.')
  if (byteLength < length) return
  const draw = { seed: [claim.seed0, claim.seed1], step: position.step } as const
  const row = Math.floor(read.element / length)
  const begin = rowBegin(byteLength, { ...draw, worker: claim.worker, row, length })
  const at = begin + (read.element % length)
  const bytes = { leaf: Hex.toBytes(opening.leaf), path: opening.leafPath.map(Hex.toBytes) }
  const index = Math.floor(at / 256)
  if (!verifyBytes(Hex.toBytes(bytesRoot), bytes, { index, byteLength }))
    throw new MoveError('WrongPath', `The opening is not that of leaf ${index} of the data.`)
  expectDifference(claimed, bytes.leaf.subarray(at % 256, (at % 256) + 1))
}

function expectDifference(claimed: Uint8Array, found: Uint8Array): void {
  if (equal(claimed, found))
    throw new MoveError('NoFault', 'The operand is what stands where it is read.')
}
