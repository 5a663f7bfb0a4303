import * as DagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { checkGraph, MalformedGraphError } from './checkGraph.ts'
import { equal } from './commit/merkle.ts'
import { sha256 } from './commit/sha256.ts'
import type { Graph, NamedValue, Node } from './Graph.ts'

/**
 * The canonical bytes of a graph: dag-cbor of its fields and no others. Equal graphs give equal bytes.
 *
 * @example
 * ```ts
 * const bytes = encode(graph)
 * const same = decode(bytes)
 * ```
 */
export function encode({ version, state, batch, ops, next, results }: Graph): Uint8Array {
  return DagCbor.encode({
    version,
    state: state.map(slotOf),
    batch: batch.map(slotOf),
    ops: ops.map(nodeOf),
    next: [...next],
    results: results.map(({ name, value }) => ({ name, value })),
  })
}

/**
 * Reads the canonical bytes of a graph, from anyone: types and shapes are computed again, every number,
 * name and limit is checked.
 *
 * @throws {MalformedGraphError} naming the op and the fix.
 */
export function decode(bytes: Uint8Array): Graph {
  if (bytes.byteLength > limits.bytes)
    throw new MalformedGraphError(`A graph takes at most ${limits.bytes} bytes.`)
  let value: unknown
  try {
    value = DagCbor.decode(bytes)
  } catch (cause) {
    throw new MalformedGraphError('The bytes are not dag-cbor: give what `encode` wrote.', {
      cause,
    })
  }
  const graph = checkGraph(value)
  if (!equal(encode(graph), bytes))
    throw new MalformedGraphError('The bytes are not canonical: give what `encode` wrote.')
  return graph
}

/** The id of a graph: CID version 1 of its canonical bytes (dag-cbor, sha2-256), in base32. */
export function cidOf(graph: Graph): string {
  const digest = Digest.create(sha2256, sha256(encode(graph)))
  return CID.createV1(DagCbor.code, digest).toString()
}

/** The longest encoded graph that is read. */
export const limits = { bytes: 64 * 2 ** 20 } as const

/** Number of sha2-256 among the hashes of multiformats. */
const sha2256 = 0x12

function slotOf({ name, dtype, shape }: NamedValue) {
  return { name, dtype, shape: [...shape] }
}

function nodeOf({ op, inputs, dtype, shape }: Node) {
  return { op: opOf(op), inputs: [...inputs], dtype, shape: [...shape] }
}

/** The fields of an op and nothing that hangs on it by chance. */
function opOf(op: Node['op']) {
  if (op.kind === 'map') {
    const { inputs, constants, code, result } = op.program
    return { kind: op.kind, program: { inputs, constants, code, result } }
  }
  const { kind } = op
  if (kind === 'contract' || kind === 'contract-i8')
    return { kind, transposeA: op.transposeA, transposeB: op.transposeB }
  if (kind === 'reduce') return { kind, of: op.of, axis: op.axis }
  if (kind === 'transpose') return { kind, permutation: op.permutation }
  if (kind === 'slice') return { kind, starts: op.starts }
  if (kind === 'concat' || kind === 'place') return { kind, axis: op.axis }
  if (kind === 'philox') return { kind, stream: op.stream }
  return { kind }
}
