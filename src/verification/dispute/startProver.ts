import type { Backend, Executable } from '../../exact/Backend.ts'
import { type Header, leavesOf } from '../../exact/judgeable.ts'
import { batchesOf, rowsOf } from '../../exact/data.ts'
import type { Graph } from '../../exact/Graph.ts'
import { rootOfLeaves } from '../../exact/commit/merkle.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { type DisputedStep, openStep } from './openStep.ts'
import { type Leaves, leavesOfRoots } from './tree.ts'

/**
 * Answers for a run, whichever part of it is asked for, by computing it again: the state before a step from
 * the checkpoint nearest before it, then all that the step computes. It holds one step at a time, so a
 * question about the step that is in dispute costs no more than a step.
 */
export type Prover = AsyncDisposable & {
  readonly graph: Graph
  readonly steps: number
  /** Leaves of the run root, and of the graph's root. */
  readonly run: Leaves
  readonly graphLeaves: readonly Uint8Array[]
  readonly header: Header
  readonly data: Uint8Array | undefined
  readonly seed: readonly [number, number]
  readonly worker: number
  /** The state root before a step; that of step `steps` is the end. */
  stateRoot(step: number): Uint8Array
  /** Computes a step anew, unless it is the one that was asked for last. */
  step(index: number): Promise<DisputedStep>
}

/**
 * Starts a prover of a run that was done already; `recordRun` does one.
 *
 * @throws {ProverError} when the run is not one that can be claimed.
 * @throws {DataError} when its graph takes rows of tokens, and the data is left out.
 */
export async function startProver(
  { backend, turn }: { readonly backend: Backend; readonly turn?: Turn | undefined },
  options: startProver.Options,
): Promise<Prover> {
  const { graph, start, data, steps, stateRoots, checkpoints = [], signal } = options
  const { seed = [0, 0], worker = 0, windowBytes = 64 * 1024 * 1024 } = options
  if (stateRoots.byteLength !== steps * 32)
    throw new ProverError(`${steps} steps leave ${steps} state roots of 32 bytes.`)
  if (graph.batch.length > 0 && !rowsOf(graph))
    throw new ProverError('A claim is about graphs whose only batch is rows of tokens.')
  const batchAt = batchesOf(graph, { data, seed, worker })
  const { graphLeaves, header } = leavesIn(graph)
  const first = StateRoot.from(graph.state, start)
  const all: readonly Checkpoint[] = [
    { step: 0, load: () => Promise.resolve(start) },
    ...checkpoints,
  ]
  let current: DisputedStep | undefined

  const close = async () => {
    const last = current
    current = undefined
    await last?.[Symbol.asyncDispose]()
  }
  return {
    graph,
    steps,
    run: leavesOfRoots(stateRoots),
    graphLeaves,
    header,
    data,
    seed,
    worker,
    stateRoot: (step) => (step === 0 ? first : stateRoots.slice((step - 1) * 32, step * 32)),
    async step(index) {
      if (current?.index === index) return current
      await close()
      const nearest = all
        .filter(({ step }) => step <= index)
        .reduce((best, each) => (each.step > best.step ? each : best))
      await using executable = await backend.prepare({ ...graph, results: [] }, { signal })
      restore(executable, await nearest.load())
      for (let step = nearest.step; step < index; step++) {
        signal?.throwIfAborted()
        executable.step(batchAt(step))
        await turn?.()
      }
      const before = graph.state.map((_, slot) => executable.readState(slot).slice())
      executable.step(batchAt(index))
      const after = (slot: number) => executable.readState(slot)
      current = await openStep(
        { backend },
        { graph, index, before, after, batch: batchAt(index), windowBytes, signal },
      )
      return current
    },
    [Symbol.asyncDispose]: close,
  }
}

export declare namespace startProver {
  type Options = RunOptions & {
    /** The state root that each step left, 32 bytes each. */
    stateRoots: Uint8Array
    checkpoints?: readonly Checkpoint[] | undefined
    /** Values of a step that are held at once, at least one of them. @default 64 MiB */
    windowBytes?: number | undefined
  }
}

/** What a run follows from. */
export type RunOptions = {
  graph: Graph
  /** Bytes of each state slot before the first step. */
  start: readonly Uint8Array[]
  /** The data set, when the graph reads a batch. */
  data?: Uint8Array | undefined
  seed?: readonly [number, number] | undefined
  worker?: number | undefined
  steps: number
  signal?: AbortSignal | undefined
}

/** Lets the process do other work between steps, which take it whole. */
export type Turn = () => Promise<void>

/** A state that was kept. */
export type Checkpoint = {
  /** How many steps it has behind it. */
  readonly step: number
  load(): Promise<readonly Uint8Array[]>
}

/** Leaves and header of graphs that provers were started for: a graph does not change. */
const known = new WeakMap<Graph, { graphLeaves: readonly Uint8Array[]; header: Header }>()

function leavesIn(graph: Graph) {
  const found = known.get(graph)
  if (found) return found
  const graphLeaves = leavesOf(graph)
  const { version, state, batch, ops, results } = graph
  const header = {
    version,
    state: state.length,
    batch: batch.length,
    ops: ops.length,
    results: results.length,
    leavesRoot: rootOfLeaves(graphLeaves),
  }
  known.set(graph, { graphLeaves, header })
  return { graphLeaves, header }
}

export function restore(executable: Executable, state: readonly Uint8Array[]): void {
  state.forEach((bytes, slot) => executable.writeState(slot, bytes))
}

/** Thrown when a run is not one that can be claimed, or is asked for what it does not have. */
export class ProverError extends BaseError {
  override readonly code = 'Dispute.ProverError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
