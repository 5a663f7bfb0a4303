/** Matrix products: the right operand is packed by all threads, then each computes its rows. */
import type { Node } from '../Graph.ts'
import { count as elements } from '../Tensor.ts'
import type { Code } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { call, i32, when } from './instructions.ts'
import { panelsFunction } from './packing.ts'
import { type Kind, tileOf, wordsOf } from './panels.ts'
import { productFunction, scaleFunction } from './products.ts'
import type { Access, Stage } from './Stage.ts'
import { access, numbers, type Placed, type Rooms, share, shareRows, workOf } from './places.ts'

type Product = Extract<Node['op'], { kind: 'contract' | 'contract-i8' }>

/** The sizes of a product, and where the operands' elements lie, in bytes. */
type Layout = {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly batches: number
  readonly a: Operand
  readonly b: Operand
}

type Operand = {
  /** From one row of a, or column of b, to the next. */
  readonly stepLine: number
  readonly stepK: number
  readonly batch: number
}

export function productStages(
  compilation: Compilation,
  op: Product,
  { inputs, out, rooms }: { inputs: readonly Placed[]; out: Placed; rooms: Rooms },
): readonly Stage[] {
  const [a, b, scaleA, scaleB] = inputs as readonly Placed[] as [Placed, Placed, Placed, Placed]
  const layout = layoutOf(op, a, b, out)
  if (op.kind === 'contract') {
    const packed = packStages(compilation, ['f32'], { b, layout, rooms })
    return [...packed.stages, rowsStage(compilation, 'f32', { a, out, layout, packed, rooms })]
  }
  const kinds: readonly Kind[] = compilation.kernels.dot !== 'i16' ? ['i8', 'i16'] : ['i16']
  const packed = packStages(compilation, kinds, { b, layout, rooms })
  const kindsOfRows = kinds.map((kind) =>
    rowsStage(compilation, kind, { a, out, layout, packed, rooms }),
  )
  const scale = scaleFunction(compilation)
  const batchA = scaleA.shape.length > 1 ? layout.m : 0
  const batchB = scaleB.shape.length > 1 ? layout.n : 0
  // Several batches of a made one have their scales one after the other, too.
  const [rows] = kindsOfRows as [Stage]
  const scales = numbers(out.at, scaleA.at, scaleB.at, layout.n, layout.m, batchA, batchB)
  return [
    ...packed.stages,
    {
      ...rows,
      run: (begin, end, thread) => [
        eitherKind(
          packed,
          kindsOfRows.map(({ run }) => run(begin, end, thread)),
        ),
        call(scale, ...scales, begin, end),
      ],
      accesses: [...rows.accesses, access('read', scaleA), access('read', scaleB)],
    },
  ]
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
  const layout = layoutOf(op, inputs[0]!, inputs[1]!, out)
  return Math.max(
    ...kindsOf(compilation, op).map((kind) => bytesOfPanels(compilation, kind, layout)),
  )
}

function kindsOf({ kernels }: Compilation, op: Product): readonly Kind[] {
  if (op.kind === 'contract') return ['f32']
  return kernels.dot !== 'i16' ? ['i8', 'i16'] : ['i16']
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

/** The kernel for seven-bit integers, or the other one when the flag says that some were out of range. */
function eitherKind({ flagAt }: Packed, [narrow, wide]: readonly Code[]): Code {
  return wide ? when(i32.load(i32.const(flagAt)), wide, narrow!) : narrow!
}

function rowsStage(
  compilation: Compilation,
  kind: Kind,
  given: { a: Placed; out: Placed; layout: Layout; packed: Packed; rooms: Rooms },
): Stage {
  const { a, out, layout, packed, rooms } = given
  const { m, n, k, batches } = layout
  const units = m * batches
  const run = productFunction(compilation, kind)
  const perThread = shareRows(compilation, units, units * n * k)
  const batchB = packedBatches(layout) > 1 ? batchBytes(compilation, kind, layout) : 0
  const { stepLine, stepK, batch } = layout.a
  const operands = numbers(a.at, stepLine, stepK, batch, packed.at, batchB, out.at, n, k, m)
  const own =
    layout.a.stepLine === k * (a.dtype === 'i8' ? 1 : 4) ? perThread * layout.a.stepLine : undefined
  return {
    what: kind === 'f32' ? 'contract' : 'contract-i8',
    units,
    perThread,
    run: (begin, end, thread) => call(run, ...operands, workOf(rooms, thread), begin, end),
    accesses: [
      access('write', out, perThread * n * 4),
      access('read', a, a.shape.length > 2 || batches === 1 ? own : undefined),
      ...panelAccess('read', packed),
      ...flagAccess('i16', packed),
    ],
  }
}
