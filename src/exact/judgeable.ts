import * as Merkle from './commit/merkle.ts'
import { sha256 } from './commit/sha256.ts'
import { dtypeNumbers } from './commit/StateRoot.ts'
import { words } from './commit/words.ts'
import { type Graph, valueOf } from './Graph.ts'
import { operators, type Program } from './Program.ts'
import { type DType, limits, type Op, type Shape } from './Tensor.ts'

/**
 * The form of a graph that a contract can judge by: one leaf for each state slot, batch slot and op, in
 * the order of their numbers, then one for each result. An op's leaf holds all that says what it had to
 * compute from what. SPEC.md section 5 is the layout.
 */
export function rootOf(graph: Graph): Uint8Array {
  return rootFrom(headerOf(graph))
}

/** What stands at the head of a graph: how many leaves of each sort there are, and their Merkle root. */
export type Header = {
  readonly version: number
  readonly state: number
  readonly batch: number
  readonly ops: number
  readonly results: number
  readonly leavesRoot: Uint8Array
}

/** The header of a graph. */
export function headerOf(graph: Graph): Header {
  const { version, state, batch, ops, results } = graph
  const counts = {
    state: state.length,
    batch: batch.length,
    ops: ops.length,
    results: results.length,
  }
  return { version, ...counts, leavesRoot: Merkle.rootOfLeaves(leavesOf(graph)) }
}

/** The root of a graph with this header: SHA-256 of six words. */
export function rootFrom({ version, state, batch, ops, results, leavesRoot }: Header): Uint8Array {
  return sha256(words(version, state, batch, ops, results, leavesRoot))
}

/**
 * Opens the leaf of a value by its number, or that of a result after them.
 *
 * @throws {LeafError} when there is no such leaf.
 */
export function open(graph: Graph, index: number): Merkle.Opening {
  return Merkle.openLeaf(leavesOf(graph), index)
}

/** Whether an opening proves leaf `index` of the graph with this root. */
export function verify(
  root: Uint8Array,
  opening: Merkle.Opening,
  { header, index }: { header: Header; index: number },
): boolean {
  const counts = [header.version, header.state, header.batch, header.ops, header.results]
  if (counts.some((count) => !Number.isSafeInteger(count) || count < 0)) return false
  if (header.leavesRoot.byteLength !== 32 || !Merkle.equal(rootFrom(header), root)) return false
  const count = header.state + header.batch + header.ops + header.results
  return Merkle.verifyLeaf(header.leavesRoot, opening, { index, count })
}

/** All leaves of a graph in order. */
export function leavesOf(graph: Graph): Uint8Array[] {
  const { state, batch, ops, next, results } = graph
  return [
    ...state.map((slot, index) =>
      leafOf({ ...slot, kind: 'state', attributes: [hashOf(slot.name), next[index]!] }),
    ),
    ...batch.map((slot) => leafOf({ ...slot, kind: 'batch', attributes: [hashOf(slot.name)] })),
    ...ops.map(({ op, inputs, dtype, shape }) => {
      const read = inputs.map((index) => ({ index, ...valueOf(graph, index) }))
      const program = op.kind === 'map' ? op.program : undefined
      return leafOf({ kind: op.kind, attributes: attributesOf(op), dtype, shape, read, program })
    }),
    ...results.map(({ name, value }) =>
      leafOf({ ...valueOf(graph, value), kind: 'result', attributes: [hashOf(name), value] }),
    ),
  ]
}

/** Numbers of the kinds in commitments: append only. */
export const kindNumbers: Readonly<Record<Op['kind'] | 'result', number>> = {
  state: 0,
  batch: 1,
  contract: 2,
  'contract-i8': 3,
  map: 4,
  reduce: 5,
  reshape: 6,
  transpose: 7,
  slice: 8,
  concat: 9,
  broadcast: 10,
  gather: 11,
  place: 12,
  'scatter-add': 13,
  philox: 14,
  result: 255,
}

/** What a leaf holds, before it is written; a name stands among the attributes as its hash. */
export type Leaf = {
  readonly kind: keyof typeof kindNumbers
  readonly dtype: DType
  readonly shape: Shape
  readonly attributes: readonly (number | Uint8Array)[]
  readonly read?: readonly { index: number; dtype: DType; shape: Shape }[]
  readonly program?: Program | undefined
}

/** The bytes of a leaf. */
export function leafOf({
  kind,
  attributes,
  read = [],
  program,
  ...value
}: Leaf): Uint8Array<ArrayBuffer> {
  const six = Array.from({ length: 6 }, (_, index) => attributes[index] ?? 0)
  const head = [kindNumbers[kind], ...typeWords(value), ...six, read.length]
  const inputs = read.flatMap(({ index, ...input }) => [index, ...typeWords(input)])
  const tail = program ? programBytes(program) : new Uint8Array(0)
  const front = words(...head, ...inputs)
  const leaf = new Uint8Array(front.byteLength + tail.byteLength)
  leaf.set(front)
  leaf.set(tail, front.byteLength)
  return leaf
}

/** Eight words: type, number of axes, six sizes. */
function typeWords({ dtype, shape }: { dtype: DType; shape: Shape }): number[] {
  const sizes = Array.from({ length: limits.rank }, (_, axis) => shape[axis] ?? 0)
  return [dtypeNumbers[dtype], shape.length, ...sizes]
}

/** The attributes of an op in order. */
export function attributesOf(op: Op): readonly number[] {
  switch (op.kind) {
    case 'contract':
    case 'contract-i8':
      return [Number(op.transposeA), Number(op.transposeB)]
    case 'reduce':
      return [['sum', 'sumsq', 'max'].indexOf(op.of), op.axis]
    case 'transpose':
      return op.permutation
    case 'slice':
      return op.starts
    case 'concat':
    case 'place':
      return [op.axis]
    case 'philox':
      return [op.stream]
    case 'state':
    case 'batch':
    case 'map':
    case 'reshape':
    case 'broadcast':
    case 'gather':
    case 'scatter-add':
      return []
  }
}

/** Four words (inputs, constants, instructions, result), constants of 4 bytes, instructions of 8. */
function programBytes({ inputs, constants, code, result }: Program): Uint8Array {
  const head = words(inputs, constants.length, code.length, result)
  const codeAt = head.byteLength + Math.ceil(constants.length / 8) * 32
  const bytes = new Uint8Array(codeAt + Math.ceil(code.length / 4) * 32)
  const view = new DataView(bytes.buffer)
  bytes.set(head)
  constants.forEach((bits, index) => view.setUint32(head.byteLength + index * 4, bits))
  code.forEach(([operator, ...registers], index) => {
    view.setUint16(codeAt + index * 8, operators.indexOf(operator))
    registers.forEach((at, place) => view.setUint16(codeAt + index * 8 + 2 + place * 2, at))
  })
  return bytes
}

function hashOf(name: string): Uint8Array {
  return sha256(new TextEncoder().encode(name))
}
