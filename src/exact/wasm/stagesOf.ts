/** What the threads do for each op, with the addresses of its values put in. */
import { count as elements, byteLength, type DType, type Shape } from '../Tensor.ts'
import type { Function } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { broadcastStrides, type Loop, loopsOver, strides } from './loops.ts'
import { call } from './instructions.ts'
import { mapFunction } from './map.ts'
import { copyFunction, gatherFunction, placeFunction, scatterAddFunction } from './moves.ts'
import { philoxFunction } from './philox.ts'
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
import { productStages } from './productStages.ts'
import { columnsAtOnce, identity, reduceColumns, reduceRows } from './reduce.ts'
import type { Access, Stage } from './Stage.ts'
import type { MapTask, ReduceTask, Task } from './Task.ts'

/** The stages of one task. */
export function stagesOf(
  compilation: Compilation,
  { op }: Task,
  { inputs, out, rooms }: Given,
): readonly Stage[] {
  const what = op.kind
  switch (op.kind) {
    case 'map':
      return [mapStage(compilation, op, inputs, out)]
    case 'contract':
    case 'contract-i8':
      return productStages(compilation, op, { inputs, out, rooms })
    case 'reduce':
      return [reduceStage(compilation, op, { inputs, out, rooms })]
    case 'reshape':
      return []
    case 'transpose': {
      const own = strides(inputs[0]!.shape)
      const back = op.permutation.map((axis) => own[axis]!)
      return [copyStage(compilation, { from: inputs[0]!, to: out, shape: out.shape, back, what })]
    }
    case 'slice': {
      const back = strides(inputs[0]!.shape)
      const skipped = op.starts.reduce((sum, start, axis) => sum + start * back[axis]!, 0)
      const from = { ...inputs[0]!, at: inputs[0]!.at + skipped * widthOf(out) }
      return [copyStage(compilation, { from, to: out, shape: out.shape, back, what })]
    }
    case 'broadcast': {
      const back = broadcastStrides(inputs[0]!.shape, out.shape)
      return [copyStage(compilation, { from: inputs[0]!, to: out, shape: out.shape, back, what })]
    }
    case 'concat':
      return concatStages(compilation, op.axis, inputs, out)
    case 'gather':
      return [gatherStage(compilation, inputs, out)]
    case 'place':
      return placeStages(compilation, op.axis, inputs, out)
    case 'scatter-add':
      return [scatterAddStage(compilation, inputs, out)]
    case 'philox':
      return [philoxStage(compilation, op.stream, inputs, out)]
  }
}

/** Bytes of an element. */
export function widthOf({ dtype }: { readonly dtype: DType }): 1 | 4 {
  return dtype === 'i8' ? 1 : 4
}

function stage(run: Function, parameters: readonly number[], rest: Omit<Stage, 'run'>): Stage {
  return {
    ...rest,
    run: (begin, end) => call(run, ...numbers(...parameters), begin, end),
  }
}

/** Elements of the rows that a thread has of a value, by its last axis. */
function ownElements(compilation: Compilation, shape: Shape): number {
  const size = elements(shape)
  const row = shape.at(-1) ?? 1
  const rows = size / row
  if (rows < compilation.threads)
    return share(compilation, { units: size, work: size, multiple: 16 })
  return shareRows(compilation, rows, size) * row
}

function mapStage(
  compilation: Compilation,
  { program }: MapTask,
  inputs: readonly Placed[],
  out: Placed,
): Stage {
  const read = inputs.map(({ shape }) => broadcastStrides(shape, out.shape))
  const loops = loopsOver(out.shape, [strides(out.shape), ...read]).map(withoutFirst)
  const { units, perThread, own } = division(compilation, out.shape, loops)
  const run = mapFunction(compilation, { program, dtype: out.dtype, loops })
  const isOwn = ({ shape }: Placed) => elements(shape) === elements(out.shape)
  return stage(run, [out.at, ...inputs.map(({ at }) => at)], {
    what: 'map',
    units,
    perThread,
    accesses: [
      access('write', out, own * widthOf(out)),
      ...inputs.map((input) => access('read', input, isOwn(input) ? own * 4 : undefined)),
    ],
  })
}

function withoutFirst({ size, strides: all }: Loop): Loop {
  return { size, strides: all.slice(1) }
}

/** How the outermost loop is divided, as nearly as it goes into parts of `own` elements. */
function division(
  compilation: Compilation,
  shape: Shape,
  loops: readonly Loop[],
  {
    own = ownElements(compilation, shape),
    work = elements(shape),
  }: { own?: number; work?: number } = {},
) {
  const units = loops[0]!.size
  const inner = elements(shape) / units
  const perThread =
    own % inner === 0 ? Math.min(own / inner, units) : share(compilation, { units, work })
  return { units, perThread, own: own % inner === 0 ? own : perThread * inner }
}

function reduceStage(
  compilation: Compilation,
  { of, axis, program = identity, from }: ReduceTask,
  { inputs, out, rooms }: { inputs: readonly Placed[]; out: Placed; rooms: Rooms },
): Stage {
  const shape = from ?? inputs[0]!.shape
  const k = shape[axis]!
  const inner = elements(shape.slice(axis + 1))
  const rowsShape = shape.slice(0, axis)
  const rows = elements(rowsShape)
  const work = elements(shape)
  const isWhole = (input: Placed) => elements(input.shape) === work
  if (inner === 1) {
    const read = inputs.map((input) => broadcastStrides(input.shape, shape))
    const loops = loopsOver(
      rowsShape,
      read.map((each) => each.slice(0, axis)),
    )
    const spec = { of, program, k, loops, strides: read.map((each) => each[axis]!) }
    const { units, perThread, own } = division(compilation, rowsShape, loops, {
      own: shareRows(compilation, rows, work),
      work,
    })
    return stage(reduceRows(compilation, spec), [out.at, ...inputs.map(({ at }) => at)], {
      what: 'reduce',
      units,
      perThread,
      accesses: [
        access('write', out, own * 4),
        ...inputs.map((input) => access('read', input, isWhole(input) ? own * k * 4 : undefined)),
      ],
    })
  }
  const [x] = inputs as [Placed]
  const blocks = Math.ceil(inner / columnsAtOnce)
  const units = rows * blocks
  const run = reduceColumns(compilation, { of, program })
  return {
    what: 'reduce',
    units,
    perThread: share(compilation, { units, work }),
    run: (begin, end, thread) =>
      call(run, ...numbers(out.at, x.at, k, inner, blocks), begin, end, workOf(rooms, thread)),
    accesses: [access('write', out), access('read', x)],
  }
}

type Copied = {
  readonly from: Placed
  readonly to: Placed
  /** What is copied, and the strides it is read with; it is written with those of `to`. */
  readonly shape: Shape
  readonly back: readonly number[]
  readonly what: Stage['what']
}

function copyStage(compilation: Compilation, { from, to, shape, back, what }: Copied): Stage {
  const loops = loopsOver(shape, [strides(to.shape), back])
  const width = widthOf(to)
  const isWhole = elements(shape) === elements(to.shape)
  const { units, perThread, own } = division(compilation, shape, loops)
  return stage(copyFunction(compilation, { loops, width }), [to.at, from.at], {
    what,
    units,
    perThread,
    accesses: [access('write', to, isWhole ? own * width : undefined), access('read', from)],
  })
}

function concatStages(
  compilation: Compilation,
  axis: number,
  inputs: readonly Placed[],
  out: Placed,
): readonly Stage[] {
  const step = strides(out.shape)[axis]! * widthOf(out)
  let at = out.at
  return inputs.map((from) => {
    const to = { ...out, at }
    at += step * from.shape[axis]!
    const made = copyStage(compilation, {
      from,
      to,
      shape: from.shape,
      back: strides(from.shape),
      what: 'concat',
    })
    const [, read] = made.accesses as [Access, Access]
    // Parts lie between each other, so that none of them waits for another.
    return { ...made, accesses: [{ ...access('write', out), ownBytes: 0 }, read] }
  })
}

function gatherStage(compilation: Compilation, inputs: readonly Placed[], out: Placed): Stage {
  const [table, indices] = inputs as readonly [Placed, Placed]
  const rowBytes = byteLength(table) / table.shape[0]!
  const units = elements(indices.shape)
  const perThread = shareRows(compilation, units, elements(out.shape))
  return stage(
    gatherFunction(compilation),
    [out.at, table.at, indices.at, table.shape[0]!, rowBytes],
    {
      what: 'gather',
      units,
      perThread,
      accesses: [
        access('write', out, perThread * rowBytes),
        access('read', table),
        access('read', indices),
      ],
    },
  )
}

function placeStages(
  compilation: Compilation,
  axis: number,
  inputs: readonly Placed[],
  out: Placed,
): readonly Stage[] {
  const [base, update, index] = inputs as readonly [Placed, Placed, Placed]
  const size = out.shape[axis]!
  const rowBytes = elements(out.shape.slice(axis + 1)) * widthOf(out)
  const units = elements(out.shape.slice(0, axis))
  const copied =
    base.at === out.at
      ? []
      : [
          copyStage(compilation, {
            from: base,
            to: out,
            shape: out.shape,
            back: strides(out.shape),
            what: 'place',
          }),
        ]
  const placed = stage(
    placeFunction(compilation),
    [out.at, update.at, index.at, size, update.shape[axis]!, rowBytes],
    {
      what: 'place',
      units,
      perThread: share(compilation, { units, work: elements(update.shape) }),
      accesses: [access('write', out), access('read', update), access('read', index)],
    },
  )
  return [...copied, placed]
}

function scatterAddStage(compilation: Compilation, inputs: readonly Placed[], out: Placed): Stage {
  const [updates, indices] = inputs as readonly [Placed, Placed]
  const units = out.shape[0]!
  const perThread = shareRows(compilation, units, elements(updates.shape) + elements(out.shape))
  const positions = elements(indices.shape)
  const row = elements(out.shape.slice(1))
  return stage(scatterAddFunction(compilation), [out.at, updates.at, indices.at, positions, row], {
    what: 'scatter-add',
    units,
    perThread,
    accesses: [
      access('write', out, perThread * row * 4),
      access('read', updates),
      access('read', indices),
    ],
  })
}

function philoxStage(
  compilation: Compilation,
  stream: number,
  inputs: readonly Placed[],
  out: Placed,
): Stage {
  const [seed, step] = inputs as readonly [Placed, Placed]
  const size = elements(out.shape)
  const units = Math.ceil(size / 4)
  return stage(philoxFunction(compilation), [out.at, seed.at, step.at, stream, size], {
    what: 'philox',
    units,
    perThread: share(compilation, { units, work: size * 16 }),
    accesses: [access('write', out), access('read', seed), access('read', step)],
  })
}
