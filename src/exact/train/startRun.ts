import { type Backend, BackendError, type Executable } from '../Backend.ts'
import type { Graph } from '../Graph.ts'
import { initialisation, type Parameter } from '../models/Parameter.ts'

/** A run: a training graph, and the state that it has come to. */
export type Run = AsyncDisposable & {
  readonly graph: Graph
  /** Bytes it holds in memory. */
  readonly memoryBytes: number
  /** How many steps the state has behind it. */
  stepsDone(): number
  /**
   * Applies the graph to the state and a batch.
   *
   * @throws {BatchError} when the batch does not fit.
   */
  step(batch: readonly Uint8Array[]): StepReport
  /** A view of a state slot, which the next step overwrites. */
  readState(index: number): Uint8Array
  /** A copy of the state, slot by slot. */
  state(): readonly Uint8Array[]
  /** Goes on from a state that `state` gave. */
  restore(state: readonly Uint8Array[]): void
  /** The executable's, where it has one. */
  readonly commit: Executable['commit']
}

export type StepReport = {
  /** Which step this was, from 0. */
  readonly step: number
  readonly loss: number
  /** Before clipping. */
  readonly gradientNorm: number
  readonly learningRate: number
}

/**
 * Prepares a training graph and draws the first state of its parameters.
 *
 * @param parameters those of the graph, the first of its state slots.
 * @throws {BackendError} when the graph is no training graph.
 */
export async function startRun(
  { backend }: { readonly backend: Backend },
  { graph, parameters, seed, signal }: startRun.Options,
): Promise<Run> {
  const counter = graph.state.findIndex(({ name }) => name === 'step')
  const results = ['loss', 'gradientNorm', 'learningRate'].map((name) =>
    graph.results.findIndex((result) => result.name === name),
  )
  if (counter < 0 || results.includes(-1))
    throw new BackendError('The graph has no step counter and loss: build it by trainingGraph.')
  const first = await drawParameters({ backend }, { parameters, seed, signal })
  const executable = await backend.prepare(graph, { signal })
  first.forEach((bytes, index) => executable.writeState(index, bytes))
  const stepsDone = () => word(executable.readState(counter))
  return {
    graph,
    memoryBytes: executable.memoryBytes,
    stepsDone,
    step(batch) {
      const step = stepsDone()
      const values = executable.step(batch)
      const [loss, gradientNorm, learningRate] = results.map((index) => float(values[index]!))
      return { step, loss: loss!, gradientNorm: gradientNorm!, learningRate: learningRate! }
    },
    readState: (index) => executable.readState(index),
    commit: executable.commit,
    state: () => graph.state.map((_, index) => executable.readState(index).slice()),
    restore(state) {
      if (state.length !== graph.state.length)
        throw new BackendError(`The state has ${state.length} slots: it is of another graph.`)
      state.forEach((bytes, index) => executable.writeState(index, bytes))
    },
    [Symbol.asyncDispose]: () => executable[Symbol.asyncDispose](),
  }
}

export declare namespace startRun {
  type Options = {
    graph: Graph
    parameters: readonly Parameter[]
    seed: readonly [number, number]
    signal?: AbortSignal | undefined
  }
}

/** The first state of parameters, in order, for a seed. */
export async function drawParameters(
  { backend }: { readonly backend: Backend },
  { parameters, seed, signal }: Omit<startRun.Options, 'graph'>,
): Promise<readonly Uint8Array[]> {
  await using executable = await backend.prepare(initialisation(parameters), { signal })
  executable.step([bytesOf(Uint32Array.from(seed))])
  return parameters.map((_, index) => executable.readState(index).slice())
}

/** Words as little-endian bytes. */
export function bytesOf(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4)
  const view = new DataView(bytes.buffer)
  words.forEach((each, index) => view.setUint32(4 * index, each, true))
  return bytes
}

function word(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
}

function float(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)
}
