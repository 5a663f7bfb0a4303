import * as z from 'zod/mini'
import type * as Hex from '../Hex.ts'
import * as Json from '../Json.ts'

const hash = z.string().check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Hex.Hex>
/** Bytes, `limit` at most. */
const bytes = (limit: number) =>
  z
    .string()
    .check(
      z.regex(/^0x([0-9a-f]{2})*$/),
      z.maxLength(2 + 2 * limit),
    ) as unknown as z.ZodMiniType<Hex.Hex>
const integer = (limit: number) => z.int().check(z.minimum(0), z.maximum(limit))
const uint32 = integer(2 ** 32 - 1)
const nodes = z.array(hash).check(z.maxLength(32))
/** From a leaf to a root: no tree here has more than 2^45 leaves. */
const path = z.array(hash).check(z.maxLength(45))

/** The most bytes of what moves carry. */
export const limits = { leaf: 256, graphLeaf: 32 * 1024, accumulators: 1_024, operands: 1_024 }

const graphLeaf = bytes(limits.graphLeaf)
const opened = z.strictObject({ leaf: graphLeaf, path })

/** Where an operand comes from, opened there. */
const opening = z.discriminatedUnion('source', [
  /** A batch slot or an op's value, in the trace. */
  z.strictObject({
    source: z.literal('trace'),
    root: hash,
    path,
    leaf: bytes(limits.leaf),
    leafPath: path,
  }),
  /** A state slot, in the state before the step. `name` is the hash of its name. */
  z.strictObject({
    source: z.literal('state'),
    name: hash,
    root: hash,
    path,
    leaf: bytes(limits.leaf),
    leafPath: path,
  }),
  /** The data set: its length and the root over its bytes. */
  z.strictObject({
    source: z.literal('data'),
    byteLength: integer(Number.MAX_SAFE_INTEGER),
    bytesRoot: hash,
    leaf: bytes(limits.leaf),
    leafPath: path,
  }),
])
export type Opening = z.infer<typeof opening>

const move = z.discriminatedUnion('type', [
  /** Claimant: the nodes under the node. */
  z.strictObject({ type: z.literal('reveal'), nodes }),
  /** Challenger: the first of them that is wrong; a trace's leaf with the graph leaf of its value. */
  z.strictObject({
    type: z.literal('pick'),
    child: integer(31),
    node: hash,
    siblings: z.array(hash).check(z.maxLength(5)),
    op: z.optional(opened),
  }),
  /** Claimant: the states around the step, the graph's header, and the top of the step's trace. */
  z.strictObject({
    type: z.literal('enter'),
    before: hash,
    path,
    after: hash,
    header: z.strictObject({
      state: uint32,
      batch: uint32,
      ops: uint32,
      results: uint32,
      leaves: hash,
    }),
    trace: hash,
    nodes,
  }),
  /** Challenger: the whole trace is right, the state after the step does not follow from it. */
  z.strictObject({ type: z.literal('dispute-after') }),
  /** Claimant: a value's root, and what is under it: nodes, or the bytes of its only leaf. */
  z.strictObject({ type: z.literal('tensor'), root: hash, nodes, bytes: bytes(limits.leaf) }),
  z.strictObject({ type: z.literal('leaf'), bytes: bytes(limits.leaf) }),
  /** Challenger: which element of the leaf that was shown. */
  z.strictObject({
    type: z.literal('element'),
    place: integer(limits.leaf - 1),
    bytes: bytes(limits.leaf),
  }),
  /** Claimant: the accumulators between the parts of the chain. */
  z.strictObject({ type: z.literal('accumulators'), bytes: bytes(limits.accumulators) }),
  z.strictObject({
    type: z.literal('part'),
    part: integer(63),
    bytes: bytes(limits.accumulators),
  }),
  /** Claimant: what the segment reads. */
  z.strictObject({ type: z.literal('operands'), bytes: bytes(limits.operands) }),
  /** Challenger: operand number `read` is not what stands where it is read. */
  z.strictObject({
    type: z.literal('prove-read'),
    read: integer(limits.operands - 1),
    op: graphLeaf,
    operands: bytes(limits.operands),
    opening,
  }),
  /** Challenger: the operands do not give the accumulator. */
  z.strictObject({
    type: z.literal('prove-arithmetic'),
    op: graphLeaf,
    accIn: bytes(64),
    operands: bytes(limits.operands),
  }),
  /** Challenger: the state after the step does not hold the slot's next value. */
  z.strictObject({
    type: z.literal('prove-slot'),
    slot: opened,
    /** The root of the next value; with the hash of its name where it is a state slot. */
    next: z.strictObject({ name: hash, root: hash, path }),
  }),
  z.strictObject({ type: z.literal('concede') }),
])

/** What a party does in its turn. Hashes and bytes are hexadecimal. */
export type Move = z.infer<typeof move>

/** A move of one type. */
export type Of<type extends Move['type']> = Extract<Move, { readonly type: type }>

/** Parses a move from outside; nothing of it is longer than a move may be. */
export const schema: z.ZodMiniType<Move> = move

/** A move as it travels and is written down. */
export function serialize(value: Move): Uint8Array {
  return Json.toBytes(value)
}

/** @throws {Json.MalformedError} when the bytes are no move. */
export function deserialize(from: Uint8Array): Move {
  return Json.decode(schema, from, { what: 'Move' })
}
