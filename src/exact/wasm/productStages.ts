/** Matrix products: the right operand is packed by all threads, then each computes its rows. */
import type { Node } from '../Graph.ts'
import { byteLength, count as elements } from '../Tensor.ts'
import type { Compilation } from './Compilation.ts'
import { call, i32, when } from './instructions.ts'
import { panelsFunction } from './packing.ts'
import { type Kind, tileOf, wordsOf } from './panels.ts'
import { type Operand, productFunction, type ProductSpec } from './matmul.ts'
import type { Access, Stage } from './Stage.ts'
import {
  access,
  type Given,
  numbers,
  type Placed,
  type Rooms,
  share,
  shareRows,
  workOf,
} from './places.ts'

export type Product = Extract<Node['op'], { kind: 'contract' | 'contract-i8' }>

/** The sizes of a product, and where the operands' elements lie, in bytes. */
type Layout = {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly batches: number
  readonly a: Operand
  readonly b: Operand
}

export function productStages(
  compilation: Compilation,
  op: Product,
  { inputs, out, rooms }: Given,
): readonly Stage[] {
  const [a, b, ...scales] = inputs as readonly Placed[] as [Placed, Placed, ...Placed[]]
  const layout = layoutOf(op, a, b, out)
  const given = { a, b, scales, out, layout, rooms }
  if (op.kind === 'contract' && isReadInPlace(compilation, op, { b, layout }))
    return [rowsStage(compilation, 'f32', given)]
  const kinds = kindsOf(compilation, op, b)
  const packed = packStages(compilation, kinds, given)
  const products = kinds.map((kind) => rowsStage(compilation, kind, { ...given, packed }))
  const [narrow, wide] = products as [Stage, Stage | undefined]
  if (!wide) return [...packed.stages, narrow]
  // The kernel for seven-bit integers, or the other one when the flag says that some were out of range.
  const run: Stage['run'] = (begin, end, thread) =>
    when(
      i32.load(i32.const(packed.flagAt)),
      wide.run(begin, end, thread),
      narrow.run(begin, end, thread),
    )
  return [...packed.stages, { ...narrow, run }]
}

/** Packs the right operand of a product for good. */
export function packRight(
  compilation: Compilation,
  op: Product,
  { inputs, out, rooms }: Given,
): void {
  const [a, b] = inputs as readonly Placed[] as [Placed, Placed]
  packStages(compilation, kindsOf(compilation, op, b), {
    b,
    layout: layoutOf(op, a, b, out),
    rooms,
  })
}

/** Whether packing the right operand would take longer than the product of so few rows with it. */
function isReadInPlace(
  compilation: Compilation,
  { transposeB }: Product,
  { b, layout }: { b: Placed; layout: Layout },
): boolean {
  const tile = tileOf(compilation, 'f32')
  const rows = layout.b.batch === 0 ? layout.m * layout.batches : layout.m
  // What is turned on the way is read by four terms of whole panels.
  const fits = !transposeB || (layout.k % 4 === 0 && layout.n % (tile.vectors * 4) === 0)
  return b.constant === undefined && fits && rows <= tile.rows
}

/** Where all rows of a lie evenly and b is the same for all, many products are one. */
function layoutOf({ transposeA, transposeB }: Product, a: Placed, b: Placed, out: Placed): Layout {
  const [m, n] = [out.shape.at(-2)!, out.shape.at(-1)!]
  const k = a.shape.at(transposeA ? -2 : -1)!
  const width = a.dtype === 'i8' ? 1 : 4
  const batches = elements(out.shape.slice(0, -2))
  const isOne = b.shape.length === 2 && !transposeA && a.shape.length > 2
  const batchOf = ({ shape }: Placed, size: number) => (shape.length > 2 ? size * width : 0)
  return {
    m: isOne ? m * batches : m,
    n,
    k,
    batches: isOne ? 1 : batches,
    a: {
      stepLine: (transposeA ? 1 : k) * width,
      stepK: (transposeA ? m : 1) * width,
      batch: isOne ? 0 : batchOf(a, m * k),
    },
    b: {
      stepLine: (transposeB ? k : 1) * width,
      stepK: (transposeB ? 1 : n) * width,
      batch: batchOf(b, k * n),
    },
  }
}

/** How many bytes the packed right operand of an op takes, all kinds that may be needed. */
export function panelBytes(
  compilation: Compilation,
  op: Product,
  inputs: readonly Placed[],
  out: Placed,
): number {
  const [a, b] = inputs as [Placed, Placed]
  const layout = layoutOf(op, a, b, out)
  if (op.kind === 'contract' && isReadInPlace(compilation, op, { b, layout })) return 0
  return Math.max(
    ...kindsOf(compilation, op, b).map((kind) => bytesOfPanels(compilation, kind, layout)),
  )
}

/** What the right operand is packed as; integers that may be out of range for the fast kernel in both ways. */
function kindsOf({ kernels }: Compilation, op: Product, b: Placed): readonly Kind[] {
  if (op.kind === 'contract') return ['f32']
  if (kernels.dot === 'i16') return ['i16']
  return b.isNarrow ? ['i8'] : ['i8', 'i16']
}

function bytesOfPanels(compilation: Compilation, kind: Kind, layout: Layout): number {
  return packedBatches(layout) * batchBytes(compilation, kind, layout)
}

function packedBatches({ b, batches }: Layout): number {
  return b.batch === 0 ? 1 : batches
}

function batchBytes(compilation: Compilation, kind: Kind, { n, k }: Layout): number {
  const width = tileOf(compilation, kind).vectors * 4
  return Math.ceil(n / width) * width * wordsOf(kind, k) * 4
}

type Packed = {
  readonly at: number
  readonly flagAt: number
  readonly stages: readonly Stage[]
  readonly bytes: number
}

/** Stages that pack the right operand: at once for weights that do not change, else in every step. */
function packStages(
  compilation: Compilation,
  kinds: readonly Kind[],
  { b, layout, rooms }: { b: Placed; layout: Layout; rooms: Rooms },
): Packed {
  const bytes = Math.max(...kinds.map((kind) => bytesOfPanels(compilation, kind, layout)))
  if (b.constant === undefined) {
    const packed = { at: rooms.scratchAt, flagAt: rooms.flagAt, bytes }
    return {
      ...packed,
      stages: kinds.map((kind) => packStage(compilation, kind, { b, layout, packed })),
    }
  }
  const key = JSON.stringify([
    b.constant,
    kinds,
    layout.b,
    layout.n,
    layout.k,
    packedBatches(layout),
  ])
  const panels = rooms.constantPanels(key, bytes)
  const packed = { at: panels.at, flagAt: panels.flagAt, bytes }
  if (panels.isNew)
    for (const kind of kinds) panels.add(packStage(compilation, kind, { b, layout, packed }))
  return { ...packed, stages: [] }
}

function packStage(
  compilation: Compilation,
  kind: Kind,
  { b, layout, packed }: { b: Placed; layout: Layout; packed: Omit<Packed, 'stages'> },
): Stage {
  const { n, k } = layout
  const width = tileOf(compilation, kind).vectors * 4
  const units = packedBatches(layout) * Math.ceil(n / width)
  const run = panelsFunction(compilation, kind)
  const { stepLine, stepK, batch } = layout.b
  const given = numbers(b.at, stepLine, stepK, n, k, batch, packed.at, packed.flagAt)
  const isSpare = kind === 'i16' && compilation.kernels.dot !== 'i16'
  return {
    what: 'pack',
    units,
    perThread: share(compilation, { units, work: units * width * k }),
    run: (begin, end) => {
      const code = call(run, ...given, begin, end)
      return isSpare ? when(i32.load(i32.const(packed.flagAt)), code) : code
    },
    accesses: [access('read', b), ...panelAccess('write', packed), ...flagAccess(kind, packed)],
  }
}

function panelAccess(kind: Access['kind'], { at, bytes }: Omit<Packed, 'stages'>) {
  return [{ kind, start: at, bytes }]
}

function flagAccess(kind: Kind, { flagAt }: Omit<Packed, 'stages'>): readonly Access[] {
  if (kind === 'f32') return []
  return [{ kind: kind === 'i8' ? 'write' : 'read', start: flagAt, bytes: 4 }]
}

function rowsStage(compilation: Compilation, kind: Kind, given: Operands): Stage {
  const { a, b, out, scales, layout, packed, rooms } = given
  const { m, n, batches } = layout
  const [scaleA, scaleB] = scales
  const width = tileOf(compilation, kind).vectors * 4
  const panels = Math.ceil(n / width)
  const run = productFunction(compilation, specOf(compilation, kind, given))
  const addresses = numbers(a.at, packed?.at ?? b.at, out.at, scaleA?.at ?? 0, scaleB?.at ?? 0)
  const work = m * batches * n * layout.k
  const isByRows = m * batches >= tileOf(compilation, kind).rows * compilation.threads
  const units = isByRows ? m * batches : panels
  const perThread = isByRows
    ? shareRows(compilation, units, work)
    : share(compilation, { units, work })
  const ownA = layout.a.stepLine * perThread
  const isOwnA = isByRows && ownA * m === (perThread * byteLength(a)) / batches
  return {
    what: kind === 'f32' ? 'contract' : 'contract-i8',
    units,
    perThread,
    run: (begin, end, thread) => {
      const room = workOf(rooms, thread)
      const rows = isByRows ? [begin, end] : numbers(0, m * batches)
      const columns = isByRows ? numbers(0, panels) : [begin, end]
      return call(run, ...addresses, room, ...rows, ...columns)
    },
    accesses: [
      access('write', out, isByRows ? perThread * n * 4 : undefined),
      access('read', a, isOwnA ? ownA : undefined),
      ...(packed ? panelAccess('read', packed) : [access('read', b)]),
      ...(packed ? flagAccess('i16', packed) : []),
      ...scales.map((scale) => access('read', scale)),
    ],
  }
}

function specOf(compilation: Compilation, kind: Kind, given: Operands): ProductSpec {
  const { layout, scales, packed } = given
  const { m, n, k, batches, a, b } = layout
  const [scaleA, scaleB] = scales
  // Words of whole rows are read as they lie; of other integers, and the other way round, panels are made.
  const lies = kind === 'f32' ? a.stepK === 4 : kind === 'i8' && a.stepK === 1 && k % 4 === 0
  const rightBatch = packedBatches(layout) > 1 ? batchBytes(compilation, kind, layout) : 0
  return {
    kind,
    m,
    n,
    k,
    batches,
    left: { ...a, isPacked: !lies },
    right: packed ? { batch: rightBatch, steps: undefined } : { batch: b.batch, steps: b },
    scales: {
      left: scaleA && scaleA.shape.length > 1 ? m : 0,
      right: scaleB && scaleB.shape.length > 1 ? n : 0,
    },
  }
}

type Operands = {
  readonly a: Placed
  readonly b: Placed
  /** Of the rows of a and of the columns of b, when they are integers. */
  readonly scales: readonly Placed[]
  readonly out: Placed
  readonly layout: Layout
  readonly packed?: Packed | undefined
  readonly rooms: Rooms
}
