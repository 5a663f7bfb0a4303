import { BaseError, messageOf } from '../runtime/Errors.ts'
import { type Graph, limits as graphLimits, type NamedValue, type Node } from './Graph.ts'
import { operators, type Operator, type Program } from './Program.ts'
import * as Tensor from './Tensor.ts'

/**
 * Checks a graph that came from outside, as plain data: every op is built again from its inputs, and
 * what it states must be what follows.
 *
 * @throws {MalformedGraphError} naming the op and the fix.
 */
export function checkGraph(value: unknown): Graph {
  const graph = record(value, 'The graph')
  if (graph['version'] !== 1) throw malformed('The graph', 'has a version that is not 1.')
  const state = list(graph['state'], 'state', graphLimits.slots).map(slot('state'))
  const batch = list(graph['batch'], 'batch', graphLimits.slots).map(slot('batch'))
  const values: Tensor.Tensor[] = [...state, ...batch].map(valueOf)
  if (values.length > graphLimits.slots)
    throw malformed('The graph', `has more than ${graphLimits.slots} slots.`)
  unique(
    [...state, ...batch].map(({ name }) => name),
    'slots',
  )
  const ops = list(graph['ops'], 'ops', graphLimits.ops).map((entry, index) => {
    const node = nodeFrom(entry, `Op ${index}`, values)
    values.push(valueOf(node))
    return node
  })
  const next = list(graph['next'], 'next', graphLimits.slots).map((entry) =>
    number(entry, 'A next value', values.length),
  )
  checkNext(state, next, values)
  const results = list(graph['results'], 'results', graphLimits.slots).map((entry, index) => {
    const where = `Result ${index}`
    const result = record(entry, where)
    return { name: name(result, where), value: number(result['value'], where, values.length) }
  })
  unique(
    results.map((result) => result.name),
    'results',
  )
  return { version: 1, state, batch, ops, next, results }
}

function checkNext(
  state: readonly NamedValue[],
  next: readonly number[],
  values: readonly Tensor.Tensor[],
): void {
  if (next.length !== state.length)
    throw malformed('The graph', `needs ${state.length} next values, not ${next.length}.`)
  state.forEach((slot, index) => {
    const { dtype, shape } = values[next[index]!]!
    if (dtype !== slot.dtype || !Tensor.same(shape, slot.shape))
      throw malformed(
        `State ${slot.name}`,
        `is ${told(slot)}, its next value ${told({ dtype, shape })}.`,
      )
  })
}

/**
 * Checks one op, as plain data, against the values that it reads by number.
 *
 * @param index what to call it in errors.
 * @throws {MalformedGraphError} naming the op and the fix.
 */
export function checkNode(entry: unknown, index: string, values: readonly Typed[]): Node {
  return nodeFrom(entry, index, values.map(valueOf))
}

function nodeFrom(entry: unknown, index: string, values: readonly Tensor.Tensor[]): Node {
  const node = record(entry, index)
  const given = record(node['op'], index)
  const where = `${index} (${String(given['kind']).slice(0, 20)})`
  const inputs = list(node['inputs'], where, 64).map((at) => number(at, where, values.length))
  const dtype = dtypeOf(node, where)
  const shape = shapeOf(node, where)
  const read = readers[given['kind'] as Kind]
  if (!Object.hasOwn(readers, given['kind'] as Kind) || !read)
    throw malformed(where, 'is of no known kind.')
  const tensors = inputs.map((at) => values[at]!)
  let built: Tensor.Tensor
  let op: Node['op']
  try {
    const needs = read.inputs
    if (needs !== undefined && needs !== inputs.length)
      throw malformed(where, `reads ${needs} values, not ${inputs.length}.`)
    op = read.op(given, where)
    built = rebuild(op, tensors, { dtype, shape })
  } catch (cause) {
    if (cause instanceof MalformedGraphError) throw cause
    const facts = tensors.map((tensor, at) => `Input ${at}: value ${inputs[at]}, ${told(tensor)}`)
    throw malformed(where, `does not fit its inputs: ${messageOf(cause)}`, { cause, facts })
  }
  if (built.dtype !== dtype || !Tensor.same(built.shape, shape))
    throw malformed(where, `says ${told({ dtype, shape })}, but its inputs give ${told(built)}.`)
  return { op, inputs, dtype, shape }
}

/** Builds the op again by the functions that models build with, which check what it reads. */
function rebuild(op: Node['op'], inputs: readonly Tensor.Tensor[], as: Typed): Tensor.Tensor {
  const [a, b, c, d] = inputs as readonly [
    Tensor.Tensor,
    Tensor.Tensor,
    Tensor.Tensor,
    Tensor.Tensor,
  ]
  switch (op.kind) {
    case 'contract':
      return Tensor.contract(a, b, op)
    case 'contract-i8':
      return Tensor.contractI8({ a, b, scaleA: c, scaleB: d }, op)
    case 'map':
      return Tensor.map(op.program, inputs, as)
    case 'reduce':
      return Tensor.reduce(op.of, a, op.axis)
    case 'reshape':
      return Tensor.reshape(a, as.shape)
    case 'transpose':
      return Tensor.transpose(a, op.permutation)
    case 'slice':
      return Tensor.slice(a, op.starts, as.shape)
    case 'concat':
      return Tensor.concat(inputs, op.axis)
    case 'broadcast':
      return Tensor.broadcast(a, as.shape)
    case 'gather':
      return Tensor.gather(a, b)
    case 'place':
      return Tensor.place(a, b, c, op.axis)
    case 'scatter-add':
      return Tensor.scatterAdd(a, b, as.shape[0] ?? 0)
    case 'philox':
      return Tensor.philox(a, b, op.stream, as.shape)
  }
}

/** For each kind how many values it reads, and its attributes out of plain data. */
const readers: Readonly<Record<Kind, Reader>> = {
  contract: { inputs: 2, op: (op, where) => ({ kind: 'contract', ...transposes(op, where) }) },
  'contract-i8': {
    inputs: 4,
    op: (op, where) => ({ kind: 'contract-i8', ...transposes(op, where) }),
  },
  map: { inputs: undefined, op: (op, where) => ({ kind: 'map', program: program(op, where) }) },
  reduce: {
    inputs: 1,
    op(op, where) {
      const { of } = op
      if (of !== 'sum' && of !== 'sumsq' && of !== 'max')
        throw malformed(where, 'reduces to sum, sumsq or max.')
      return { kind: 'reduce', of, axis: number(op['axis'], where, Tensor.limits.rank) }
    },
  },
  reshape: { inputs: 1, op: () => ({ kind: 'reshape' }) },
  transpose: {
    inputs: 1,
    op: (op, where) => ({ kind: 'transpose', permutation: axes(op['permutation'], where) }),
  },
  slice: { inputs: 1, op: (op, where) => ({ kind: 'slice', starts: axes(op['starts'], where) }) },
  concat: {
    inputs: undefined,
    op: (op, where) => ({ kind: 'concat', axis: number(op['axis'], where, Tensor.limits.rank) }),
  },
  broadcast: { inputs: 1, op: () => ({ kind: 'broadcast' }) },
  gather: { inputs: 2, op: () => ({ kind: 'gather' }) },
  place: {
    inputs: 3,
    op: (op, where) => ({ kind: 'place', axis: number(op['axis'], where, Tensor.limits.rank) }),
  },
  'scatter-add': { inputs: 2, op: () => ({ kind: 'scatter-add' }) },
  philox: {
    inputs: 2,
    op: (op, where) => ({ kind: 'philox', stream: number(op['stream'], where, 2 ** 32) }),
  },
}

type Kind = Node['op']['kind']
type Fields = Readonly<Record<string, unknown>>
type Typed = { readonly dtype: Tensor.DType; readonly shape: Tensor.Shape }
type Reader = {
  readonly inputs: number | undefined
  readonly op: (op: Fields, where: string) => Node['op']
}

function transposes(op: Fields, where: string) {
  const { transposeA, transposeB } = op
  if (typeof transposeA !== 'boolean' || typeof transposeB !== 'boolean')
    throw malformed(where, 'needs transposeA and transposeB, true or false.')
  return { transposeA, transposeB }
}

/** Only types are checked here; `Program.check` does the rest when the op is built. */
function program(op: Fields, where: string): Program {
  const { inputs, constants, code, result } = record(op['program'], where)
  const instruction = (entry: unknown) => {
    const [operator, ...registers] = list(entry, where, 4)
    if (!operators.includes(operator as Operator))
      throw malformed(where, `has an instruction that is none of ${operators.join(', ')}.`)
    return [operator as Operator, ...registers.map((at) => number(at, where, 1024))] as const
  }
  return {
    inputs: number(inputs, where, 5),
    constants: list(constants, where, 64).map((bits) => number(bits, where, 2 ** 32)),
    code: list(code, where, 512).map(instruction),
    result: number(result, where, 1024),
  }
}

function slot(kind: string) {
  return (entry: unknown, index: number): NamedValue => {
    const where = `The ${kind} slot ${index}`
    const fields = record(entry, where)
    return {
      name: name(fields, where),
      dtype: dtypeOf(fields, where),
      shape: shapeOf(fields, where),
    }
  }
}

function valueOf({ dtype, shape }: Typed): Tensor.Tensor {
  return { op: { kind: 'batch', name: 'value' }, dtype, shape, inputs: [] }
}

function shapeOf(fields: Fields, where: string): Tensor.Shape {
  const shape = axes(fields['shape'], where)
  if (shape.includes(0) || Tensor.count(shape) > Tensor.limits.elements)
    throw malformed(where, `has the shape [${shape.join(', ')}]: give 1 to 2^31 - 1 elements.`)
  return shape
}

function dtypeOf({ dtype }: Fields, where: string): Tensor.DType {
  if (dtype === 'f32' || dtype === 'u32' || dtype === 'i8') return dtype
  throw malformed(where, 'is of a type that is none of f32, u32, i8.')
}

function axes(value: unknown, where: string): number[] {
  return list(value, where, Tensor.limits.rank).map((size) => number(size, where, 2 ** 31))
}

function name({ name: text }: Fields, where: string): string {
  if (typeof text === 'string' && text.length > 0 && text.length <= 256 && text.isWellFormed())
    return text
  throw malformed(where, 'needs a name of 1 to 256 characters.')
}

function unique(names: readonly string[], what: string): void {
  if (new Set(names).size < names.length)
    throw malformed('The graph', `has two ${what} of one name.`)
}

function record(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw malformed(where, 'is not a record of fields.')
}

function list(value: unknown, where: string, limit: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= limit) return value
  throw malformed(where, `needs a list of at most ${limit} entries.`)
}

function number(value: unknown, where: string, limit: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < limit)
    return value
  throw malformed(where, `has a number that is not a whole one from 0 to ${limit - 1}.`)
}

function told({ dtype, shape }: Typed): string {
  return `${dtype} [${shape.join(', ')}]`
}

function malformed(
  where: string,
  problem: string,
  { cause, facts }: { cause?: unknown; facts?: readonly string[] } = {},
): MalformedGraphError {
  return new MalformedGraphError(`${where} ${problem}`, { cause, metaMessages: facts })
}

/** Thrown when a graph from outside is not well formed. */
export class MalformedGraphError extends BaseError {
  override readonly code = 'Exact.MalformedGraphError'

  constructor(shortMessage: string, options: BaseError.Options = {}) {
    super(shortMessage, options)
  }
}
