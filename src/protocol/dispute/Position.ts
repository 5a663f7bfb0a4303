import * as z from 'zod/mini'
import type { ExactClaim } from '../ExactClaim.ts'
import * as Hex from '../Hex.ts'

/** The state of a dispute: what the claimant is bound to and what is still open (`docs/disputes.md`). */
export type Position = {
  readonly phase: Phase
  readonly turn: Party
  /** Of `node`: its level above the leaves of its tree, and its place within the level. */
  readonly level: number
  readonly index: number
  /** What the claimant is bound to. */
  readonly node: Hex.Hex
  readonly step: number
  /** State roots around the step. */
  readonly before: Hex.Hex
  readonly after: Hex.Hex
  /** Merkle root over the graph's leaves, and how many there are of each sort. */
  readonly leaves: Hex.Hex
  readonly stateCount: number
  readonly batchCount: number
  readonly opCount: number
  readonly resultCount: number
  /** Root over the step's values. */
  readonly trace: Hex.Hex
  /** Number of the value in dispute, keccak256 of its graph leaf, its bytes. */
  readonly value: number
  readonly op: Hex.Hex
  readonly byteLength: number
  readonly elementBytes: number
  /** Bytes of an accumulator of its chain. */
  readonly width: number
  readonly element: number
  /** Segments of the chain in dispute, `low` to before `high`; keccak256 of the accumulators around them. */
  readonly low: number
  readonly high: number
  readonly accIn: Hex.Hex
  readonly accOut: Hex.Hex
  /** keccak256 of what the claimant has just shown and the challenger must repeat. */
  readonly shown: Hex.Hex
}

/** Phases by their number. */
export const phases = [
  'run',
  'step',
  'trace',
  'after',
  'value',
  'tensor',
  'leaf',
  'chain',
  'segment',
  'slot',
] as const
export type Phase = (typeof phases)[number]

/** Parties by the number of their turn. */
export const parties = ['claimant', 'challenger'] as const
export type Party = (typeof parties)[number]

/** Where a dispute of a claim begins. */
export function first({ steps, run }: Pick<ExactClaim, 'steps' | 'run'>): Position {
  const level = depth(steps)
  return { ...nothing, phase: level > 0 ? 'run' : 'step', level, node: run }
}

/** How many levels a tree has above `count` leaves. */
export function depth(count: number): number {
  let level = 0
  for (let size = count; size > 1; size = Math.ceil(size / 2)) level++
  return level
}

/** How many levels a reveal under a node of this level goes down: 16-ary, wider where it saves a whole round. */
export function stride(level: number): number {
  if (level <= 5) return level
  return level % 4 === 0 ? 4 : 5
}

/** The parts into which a chain is cut: where each begins, and where the last ends. */
export function partsOf({ low, high, width }: Pick<Position, 'low' | 'high' | 'width'>): number[] {
  const segments = high - low
  const parts = Math.min(width === 4 ? 64 : 16, segments)
  return Array.from(
    { length: parts + 1 },
    (_, index) => low + Math.floor((index * segments) / parts),
  )
}

/** The position as words of 32 bytes, in order: what Solidity's `abi.encode` gives for the struct. */
export function encode(position: Position): Uint8Array {
  const bytes = new Uint8Array(fields.length * 32)
  const view = new DataView(bytes.buffer)
  fields.forEach((field, index) => {
    const value = numeric(position, field)
    if (typeof value === 'number') view.setBigUint64(index * 32 + 24, BigInt(value))
    else bytes.set(Hex.toBytes(value), index * 32)
  })
  return bytes
}

/** What the chain keeps of a position, and what a ply signs. */
export function hash(position: Position): Hex.Hex {
  return Hex.keccak256(encode(position))
}

const hex = z.string().check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Hex.Hex>
const integer = (limit: number) => z.int().check(z.minimum(0), z.maximum(limit))
const uint8 = integer(2 ** 8 - 1)
const uint32 = integer(2 ** 32 - 1)
/** The contract counts to 2^64 - 1; no tensor and no run comes near this. */
const uint53 = integer(Number.MAX_SAFE_INTEGER)

/** Parses a position from outside. */
export const schema: z.ZodMiniType<Position> = z.strictObject({
  phase: z.enum(phases),
  turn: z.enum(parties),
  level: uint8,
  index: uint53,
  node: hex,
  step: uint32,
  before: hex,
  after: hex,
  leaves: hex,
  stateCount: uint32,
  batchCount: uint32,
  opCount: uint32,
  resultCount: uint32,
  trace: hex,
  value: uint32,
  op: hex,
  byteLength: uint53,
  elementBytes: uint8,
  width: uint8,
  element: uint53,
  low: uint32,
  high: uint32,
  accIn: hex,
  accOut: hex,
  shown: hex,
})

const nothing: Position = {
  phase: 'run',
  turn: 'claimant',
  level: 0,
  index: 0,
  node: Hex.zero,
  step: 0,
  before: Hex.zero,
  after: Hex.zero,
  leaves: Hex.zero,
  stateCount: 0,
  batchCount: 0,
  opCount: 0,
  resultCount: 0,
  trace: Hex.zero,
  value: 0,
  op: Hex.zero,
  byteLength: 0,
  elementBytes: 0,
  width: 0,
  element: 0,
  low: 0,
  high: 0,
  accIn: Hex.zero,
  accOut: Hex.zero,
  shown: Hex.zero,
}

/** In the order of the struct. */
export const fields = Object.keys(nothing) as readonly (keyof Position)[]

/** A field as the contract holds it: phases and parties by their number. */
export function numeric(position: Position, field: keyof Position): number | Hex.Hex {
  if (field === 'phase') return phases.indexOf(position.phase)
  if (field === 'turn') return parties.indexOf(position.turn)
  return position[field]
}
