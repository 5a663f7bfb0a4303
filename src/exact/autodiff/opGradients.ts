import * as Ops from '../ops.ts'
import { write } from '../Program.ts'
import type { Op, Shape, Tensor } from '../Tensor.ts'
import { broadcast, concat, gather, map, place, reduce, reshape } from '../Tensor.ts'
import { same, scatterAdd, slice, transpose } from '../Tensor.ts'
import { differentiate, GradientError } from './differentiate.ts'

/**
 * The gradient of a map with respect to one of its inputs, of a shape that broadcasts to the input's.
 *
 * @param upstream of a shape that broadcasts to the map's.
 */
export function mapGradient(tensor: Tensor, upstream: Tensor, index: number): Tensor | undefined {
  const { op, inputs, shape } = tensor
  if (op.kind !== 'map') return undefined
  const derivative = differentiate(op.program, index)
  if (!derivative) return undefined
  const { program, reads, times } = derivative
  const isUpstream = program.code.length === 0 && reads[0] === inputs.length
  const read = reads.map((at) => inputs[at] ?? upstream)
  const inside = isUpstream ? upstream : map(program, read)
  const gradient = times === 'inside' ? inside : Ops.mul(inside, upstream)
  const input = inputs[index]!
  return same(input.shape, shape) ? gradient : sumTo(broadcast(gradient, shape), input.shape)
}

/** The gradients of the inputs of an op that is neither map nor product; upstream has its shape. */
export function opGradient(tensor: Tensor, upstream: Tensor, index: number): Tensor | undefined {
  const { op, inputs } = tensor
  const x = inputs[index]!
  switch (op.kind) {
    case 'reduce':
      return reduceGradient(op.of, tensor, upstream)
    case 'reshape':
      return reshape(upstream, x.shape)
    case 'transpose':
      return transpose(upstream, inverse(op.permutation))
    case 'slice':
      return padded(upstream, op.starts, x.shape)
    case 'broadcast':
      return sumTo(upstream, x.shape)
    case 'concat': {
      const before = inputs.slice(0, index).reduce((sum, part) => sum + part.shape[op.axis]!, 0)
      return slice(upstream, origin(x.shape).with(op.axis, before), x.shape)
    }
    case 'gather':
      return index === 0 ? scatterAdd(upstream, inputs[1]!, x.shape[0]!) : undefined
    case 'scatter-add':
      return index === 0 ? gather(upstream, inputs[1]!) : undefined
    case 'place':
      return placeGradient(op.axis, inputs, upstream, index)
    case 'map':
    case 'contract':
    case 'contract-i8':
    case 'philox':
    case 'state':
    case 'batch':
      throw new GradientError(op.kind)
  }
}

/** A gradient summed over the axes along which its value was broadcast: neighbours as one. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (same(x.shape, shape)) return x
  const aligned = [...Array.from(x.shape.slice(shape.length), () => 1), ...shape]
  const groups: { size: number; summed: boolean }[] = []
  x.shape.forEach((size, axis) => {
    const summed = aligned[axis] === 1 && size !== 1
    const last = groups.at(-1)
    if (last && (size === 1 || last.summed === summed)) last.size *= size
    else groups.push({ size, summed })
  })
  const start = reshape(x, groups.length > 0 ? groups.map(({ size }) => size) : [1])
  const total = groups.reduce(
    (sum, { summed }, axis) => (summed ? reduce('sum', sum, axis) : sum),
    start,
  )
  return reshape(total, shape)
}

function reduceGradient(
  of: Extract<Op, { kind: 'reduce' }>['of'],
  tensor: Tensor,
  upstream: Tensor,
): Tensor {
  const x = tensor.inputs[0]!
  if (of === 'sum') return upstream
  if (of === 'sumsq') return map(twiceTimes, [x, upstream])
  // The greatest share the gradient among them.
  const isGreatest = map(equal, [x, tensor])
  const axis = tensor.shape.findIndex((size, at) => size !== x.shape[at])
  const greatest = axis < 0 ? isGreatest : reduce('sum', isGreatest, axis)
  return map(share, [isGreatest, upstream, greatest])
}

const twiceTimes = write(2, (w, x, g) => w.mul(w.add(x, x), g))
const equal = write(2, (w, x, y) => w.select(w.eq(x, y), w.f32(1), w.f32(0)))
const share = write(3, (w, isGreatest, g, greatest) => w.mul(isGreatest, w.div(g, greatest)))

/** x where it was cut from, zeros around it. */
function padded(x: Tensor, starts: readonly number[], shape: Shape): Tensor {
  return starts.reduce((inner, start, axis) => {
    const after = shape[axis]! - start - inner.shape[axis]!
    const zeros = (size: number) =>
      size > 0 ? [Ops.constant(0, inner.shape.with(axis, size))] : []
    return start + after === 0 ? inner : concat([...zeros(start), inner, ...zeros(after)], axis)
  }, x)
}

function placeGradient(
  axis: number,
  inputs: readonly Tensor[],
  upstream: Tensor,
  index: number,
): Tensor | undefined {
  const [base, update, at] = inputs as readonly [Tensor, Tensor, Tensor]
  if (index === 0) return place(upstream, Ops.constant(0, update.shape), at, axis)
  if (index === 2) return undefined
  // Rows from `at` on; a gather past the end gives the zeros of what was left out.
  const axes = [...base.shape.keys()]
  const order = [axis, ...axes.filter((other) => other !== axis)]
  const rows = Ops.addWords(Ops.iota(update.shape[axis]!), at)
  return transpose(gather(transpose(upstream, order), rows), inverse(order))
}

function inverse(permutation: readonly number[]): readonly number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis))
}

function origin(shape: Shape): readonly number[] {
  return shape.map(() => 0)
}
