import { type Backend, BackendError, checkBytes, type Executable } from './Backend.ts'
import type { Graph, Node } from './Graph.ts'
import { philoxWord } from './philox.ts'
import { contract, contractI8 } from './reference/product.ts'
import { move, sourceOf } from './reference/move.ts'
import { reduce } from './reference/reduce.ts'
import { runProgramOnMany } from './reference/runProgram.ts'
import { atOutput, broadcastIndex, coordinates, type Value, zeros } from './reference/Value.ts'

/**
 * The back end that says what every bit is: plain TypeScript, one element after the other, as SPEC.md
 * defines them. Slow; the other back ends are held against it.
 *
 * @example
 * ```ts
 * const executable = await reference.prepare(graph)
 * const [loss] = executable.step([tokens])
 * ```
 */
export const reference: Backend = {
  name: 'reference',
  prepare: (graph) => Promise.resolve(prepare(graph)),
}

function prepare(graph: Graph): Executable {
  const state = graph.state.map(zeros)
  const batch = graph.batch.map(zeros)
  const computed = graph.ops.map(zeros)
  const values = [...state, ...batch, ...computed]
  const computations = graph.ops.map((node) =>
    compute(
      node,
      node.inputs.map((input) => values[input]!),
    ),
  )
  let disposed = false
  const expectAlive = () => {
    if (disposed) throw new BackendError('The executable was disposed of: prepare the graph again.')
  }

  return {
    graph,
    memoryBytes: values.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
    step(bytes) {
      expectAlive()
      checkBytes(graph.batch, bytes)
      batch.forEach((slot, index) => slot.bytes.set(bytes[index]!))
      computations.forEach((run, index) => run(computed[index]!))
      const results = graph.results.map(({ value }) => values[value]!.bytes.slice())
      const next = graph.next.map((value) => values[value]!.bytes.slice())
      state.forEach((slot, index) => slot.bytes.set(next[index]!))
      return results
    },
    readState(index) {
      expectAlive()
      return slotAt(state, index).bytes
    },
    writeState(index, bytes) {
      expectAlive()
      const slot = slotAt(state, index)
      checkBytes([graph.state[index]!], [bytes])
      slot.bytes.set(bytes)
    },
    [Symbol.asyncDispose]() {
      disposed = true
      return Promise.resolve()
    },
  }
}

/** How an op computes its value from its inputs, each time it is called. */
function compute({ op }: Node, inputs: readonly Value[]): (out: Value) => void {
  switch (op.kind) {
    case 'contract':
      return withOutputRules(contract(op, inputs))
    case 'contract-i8':
      return withOutputRules(contractI8(op, inputs))
    case 'reduce':
      return withOutputRules(reduce(op, inputs[0]!))
    case 'scatter-add':
      return withOutputRules(scatterAdd(inputs[0]!, inputs[1]!))
    case 'map':
      return withOutputRules((out) => {
        const columns = inputs.map((input) => broadcastTo(input, out))
        const results = runProgramOnMany(op.program, columns, out.patterns.length)
        // An i8 keeps the low byte.
        out.patterns.set(results)
      })
    case 'philox':
      return (out) => {
        const [seed, step] = inputs.map((input) => input.patterns)
        const draw = { seed: [seed![0]!, seed![1]!], stream: op.stream, step: step![0]! } as const
        for (let element = 0; element < out.patterns.length; element++)
          out.patterns[element] = philoxWord(draw, element)
      }
    case 'reshape':
    case 'transpose':
    case 'slice':
    case 'broadcast':
    case 'concat':
    case 'gather':
    case 'place':
      return move(sourceOf(op, inputs))
  }
}

/** The gradient of gather: contributions to a row added in ascending position from +0. */
function scatterAdd(updates: Value, indices: Value) {
  return (out: Value) => {
    const rowLength = updates.f32.length / indices.patterns.length
    out.f32.fill(0)
    indices.patterns.forEach((row, position) => {
      if (row >= out.shape[0]!) return
      for (let i = 0; i < rowLength; i++)
        out.f32[row * rowLength + i]! += updates.f32[position * rowLength + i]!
    })
  }
}

/** What arithmetic gives is stored with one NaN and without subnormals. */
function withOutputRules(run: (out: Value) => void): (out: Value) => void {
  return (out) => {
    run(out)
    if (out.dtype !== 'f32') return
    for (let index = 0; index < out.patterns.length; index++)
      out.patterns[index] = atOutput(out.patterns[index]!)
  }
}

function broadcastTo(input: Value, { shape, patterns }: Value): Uint32Array {
  return Uint32Array.from(
    patterns,
    (_, index) => input.patterns[broadcastIndex(coordinates(index, shape), input.shape)]!,
  )
}

function slotAt(state: readonly Value[], index: number): Value {
  const slot = state[index]
  if (!slot) throw new BackendError(`The graph has ${state.length} state slots: none is ${index}.`)
  return slot
}
