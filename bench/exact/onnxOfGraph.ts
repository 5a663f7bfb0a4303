import type { Backend } from '../../src/exact/Backend.ts'
import * as Elementwise from '../../src/exact/Elementwise.ts'
import { type Graph, type Node, valueOf } from '../../src/exact/Graph.ts'
import type { Program } from '../../src/exact/Program.ts'
import { count, type DType, type Shape } from '../../src/exact/Tensor.ts'
import * as Onnx from './Onnx.ts'
import { type Emitter, writeProgram } from './onnxOfProgram.ts'

/**
 * A graph as an ONNX model that computes the same up to rounding: products, reductions and moves as
 * the operators of that name, programs as elementwise operators. What depends on no input is computed
 * here. A masked softmax becomes one operator.
 *
 * Inputs are the slots, `s0` and on for the state and `b0` and on for the batch; outputs the next
 * state `n0` and on, left out where a slot stays as it is, and the results `r0` and on. What is u32
 * here is int32 there.
 */
export async function onnxOfGraph(graph: Graph, backend: Backend): Promise<Onnx.Model> {
  const emitter = startEmitter()
  const first = graph.state.length + graph.batch.length
  const names: (string | undefined)[] = [
    ...graph.state.map((_, index) => `s${index}`),
    ...graph.batch.map((_, index) => `b${index}`),
  ]
  const folded = await foldConstants(graph, backend)
  const nameOf = (value: number): string => {
    const known = names[value]
    if (known !== undefined) return known
    const constant = folded.get(value)
    const made = constant
      ? emitter.tensor(valueOf(graph, value), constant)
      : emitNode(emitter, { graph, nameOf }, value - first)
    names[value] = made
    return made
  }
  const outputs = [
    ...graph.next.map((value, slot) => ({ name: `n${slot}`, value, isKept: value === slot })),
    ...graph.results.map(({ value }, index) => ({ name: `r${index}`, value, isKept: false })),
  ].filter(({ isKept }) => !isKept)
  for (const { name, value } of outputs) emitter.named('Identity', [nameOf(value)], name)
  const slots = [...graph.state, ...graph.batch]
  const used = emitter.used()
  return {
    nodes: emitter.nodes(),
    constants: emitter.constants(),
    inputs: slots
      .map((slot, index) => described(names[index]!, slot))
      .filter(({ name }) => used.has(name)),
    outputs: outputs.map(({ name, value }) => described(name, valueOf(graph, value))),
  }
}

type Context = { readonly graph: Graph; readonly nameOf: (value: number) => string }

function described(name: string, { dtype, shape }: { dtype: DType; shape: Shape }): Onnx.Value {
  return { name, dtype: dtype === 'f32' ? 'float' : 'int32', shape }
}

function emitNode(emitter: Emitter, { graph, nameOf }: Context, index: number): string {
  const node = graph.ops[index]!
  const { op, inputs, shape } = node
  const input = (at: number) => nameOf(inputs[at]!)
  const shapeOf = (at: number) => valueOf(graph, inputs[at]!).shape
  const { emit, integers } = emitter
  switch (op.kind) {
    case 'contract':
      return product(emitter, [input(0), input(1)], [shapeOf(0), shapeOf(1)], op)
    case 'map': {
      const softmax = maskedSoftmax(graph, node)
      if (softmax !== undefined) return emit('Softmax', [nameOf(softmax)], { axis: -1 })
      const dtypes = inputs.map((value) => valueOf(graph, value).dtype)
      const names = inputs.map(nameOf)
      const made = writeProgram(emitter, op.program, { names, dtypes, dtype: node.dtype })
      const widest = inputs.some((value) => count(valueOf(graph, value).shape) === count(shape))
      return widest ? made : emit('Expand', [made, integers(shape)])
    }
    case 'reduce': {
      const name = { sum: 'ReduceSum', sumsq: 'ReduceSumSquare', max: 'ReduceMax' }[op.of]
      return emit(name, [input(0), integers([op.axis])], { keepdims: 1 })
    }
    case 'reshape':
      return emit('Reshape', [input(0), integers(shape)])
    case 'transpose':
      return emit('Transpose', [input(0)], { perm: op.permutation })
    case 'slice': {
      const ends = op.starts.map((start, axis) => start + shape[axis]!)
      return emit('Slice', [input(0), integers(op.starts), integers(ends)])
    }
    case 'concat':
      return emit('Concat', inputs.map(nameOf), { axis: op.axis })
    case 'broadcast':
      return emit('Expand', [input(0), integers(shape)])
    case 'gather':
      return emit('Gather', [input(0), input(1)], { axis: 0 })
    case 'scatter-add': {
      const places = emit('Reshape', [input(1), integers([...shapeOf(1), 1])])
      const zeros = emitter.tensor(node, new Uint8Array(4 * count(shape)))
      const wide = emit('Cast', [places], { to: 7 })
      return emit('ScatterND', [zeros, wide, input(0)], { reduction: 'add' })
    }
    case 'contract-i8':
    case 'place':
    case 'philox':
      throw new Error(`The bench has no ONNX operator for ${op.kind}.`)
  }
}

function product(
  { emit }: Emitter,
  names: readonly [string, string],
  [a, b]: readonly [Shape, Shape],
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): string {
  if (a.length === 2 && b.length === 2) {
    if (!transposeA && !transposeB) return emit('MatMul', names)
    return emit('Gemm', names, { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 })
  }
  // The engine itself joins these with the product.
  const turned = (name: string, rank: number) => {
    const axes = Array.from({ length: rank }, (_, axis) => axis)
    return emit('Transpose', [name], { perm: [...axes.slice(0, -2), rank - 1, rank - 2] })
  }
  const left = transposeA ? turned(names[0], a.length) : names[0]
  const right = transposeB ? turned(names[1], b.length) : names[1]
  return emit('MatMul', [left, right])
}

/** What a masked softmax is of (masked places are -infinity there): the pattern of `Ops.softmaxMasked`. */
function maskedSoftmax(graph: Graph, node: Node): number | undefined {
  const first = graph.state.length + graph.batch.length
  const nodeOf = (value: number | undefined) => graph.ops[(value ?? 0) - first]
  const is = (each: Node | undefined, program: Program): each is Node =>
    each?.op.kind === 'map' && JSON.stringify(each.op.program) === JSON.stringify(program)
  if (!is(node, Elementwise.div)) return undefined
  const [powers, sum] = node.inputs.map(nodeOf)
  if (sum?.op.kind !== 'reduce' || sum.op.of !== 'sum' || sum.inputs[0] !== node.inputs[0])
    return undefined
  if (!is(powers, Elementwise.where)) return undefined
  const exponential = nodeOf(powers.inputs[1])
  if (!is(exponential, Elementwise.expOfDifference)) return undefined
  const largest = nodeOf(exponential.inputs[1])
  if (largest?.op.kind !== 'reduce' || largest.op.of !== 'max') return undefined
  const visible = nodeOf(largest.inputs[0])
  if (!is(visible, Elementwise.where)) return undefined
  const isMasked = visible.inputs[0] === powers.inputs[0]
  return isMasked && visible.inputs[1] === exponential.inputs[0] ? largest.inputs[0] : undefined
}

/** The bytes of every value that depends on no slot and is read by one that does. */
async function foldConstants(
  graph: Graph,
  backend: Backend,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const first = graph.state.length + graph.batch.length
  const isConstant: boolean[] = Array.from({ length: first }, () => false)
  for (const { inputs } of graph.ops) isConstant.push(inputs.every((value) => isConstant[value]))
  const wanted = new Set<number>()
  graph.ops.forEach(({ inputs }, index) => {
    if (isConstant[first + index]) return
    for (const value of inputs) if (isConstant[value]) wanted.add(value)
  })
  for (const value of [...graph.next, ...graph.results.map((result) => result.value)])
    if (isConstant[value]) wanted.add(value)
  const numbers = new Map<number, number>()
  const ops: Node[] = []
  graph.ops.forEach((node, index) => {
    if (!isConstant[first + index]) return
    const inputs = node.inputs.map((value) => numbers.get(value)!)
    numbers.set(first + index, ops.push({ ...node, inputs }) - 1)
  })
  const results = [...wanted].map((value) => ({ name: `c${value}`, value: numbers.get(value)! }))
  await using executable = await backend.prepare({
    version: 1,
    state: [],
    batch: [],
    next: [],
    ops,
    results,
  })
  const values = executable.step([])
  return new Map([...wanted].map((value, index) => [value, values[index]!.slice()]))
}

function startEmitter(): Emitter & {
  readonly named: (op: string, inputs: readonly string[], output: string) => void
  readonly nodes: () => readonly Onnx.Node[]
  readonly constants: () => readonly Onnx.Constant[]
  readonly used: () => ReadonlySet<string>
} {
  const nodes: Onnx.Node[] = []
  const constants = new Map<string, Onnx.Constant>()
  const known = new Map<string, string>()
  const add = (node: Omit<Onnx.Node, 'outputs'>, output: string) =>
    void nodes.push({ ...node, outputs: [output] })
  const constant = (dtype: Onnx.DType, shape: Shape, bytes: Uint8Array) => {
    const text = bytes.length > 64 ? `${constants.size}` : Buffer.from(bytes).toString('hex')
    const key = `${dtype} ${shape.join()} ${text}`
    const name = constants.get(key)?.name ?? `c${constants.size}`
    constants.set(key, { name, dtype, shape, bytes })
    return name
  }
  return {
    emit(op, inputs, attributes) {
      const key = JSON.stringify([op, inputs, attributes])
      const found = known.get(key)
      if (found !== undefined) return found
      const output = `v${known.size}`
      known.set(key, output)
      add({ op, inputs, attributes }, output)
      return output
    },
    float: (value) => constant('float', [], new Uint8Array(Float32Array.of(value).buffer)),
    word: (value) => constant('int32', [], new Uint8Array(Int32Array.of(value | 0).buffer)),
    integers: (values) =>
      constant('int64', [values.length], new Uint8Array(BigInt64Array.from(values, BigInt).buffer)),
    tensor: ({ dtype, shape }, bytes) =>
      constant(dtype === 'f32' ? 'float' : 'int32', shape, bytes),
    named: (op, inputs, output) => add({ op, inputs }, output),
    nodes: () => nodes,
    constants: () => [...constants.values()],
    used: () => new Set(nodes.flatMap(({ inputs }) => inputs)),
  }
}
