import { BackendError, checkBytes, type Executable } from '../Backend.ts'
import { type Graph, valueOf } from '../Graph.ts'
import { byteLength } from '../Tensor.ts'
import { control } from './barrier.ts'
import type { Compiled } from './compile.ts'
import { startCommitting } from './startCommitting.ts'
import type { Loaded, Pool } from './startPool.ts'
import { type StageTimes, startStopwatch } from './StageTimes.ts'

/** An executable of this back end. */
export type WasmExecutable = Executable & {
  /** How long each stage took in all steps so far; empty unless the back end was given a clock. */
  readonly stageTimes: () => StageTimes
  /** In all threads at once; or in those that only hash, while the next step is computed. */
  readonly commit: () => (slot: number) => Uint8Array | undefined
}

/** Puts a compiled graph into memory, in all threads that will run it. */
export async function startExecutable(
  graph: Graph,
  compiled: Compiled,
  { pool, beside, stallMs, signal, now }: startExecutable.Options,
): Promise<WasmExecutable> {
  const { pages, shared, plan } = compiled
  const memory = allocate(pages, shared)
  const bytes = new Uint8Array(memory.buffer)
  const words = new Int32Array(memory.buffer)
  for (const [address, word] of compiled.words) words[address / 4] = word
  const module = await WebAssembly.compile(compiled.code)
  const stopwatch = now && startStopwatch(compiled.stages, now)
  const env = { memory, ...(stopwatch ? { mark: stopwatch.mark } : {}) }
  const instance = await WebAssembly.instantiate(module, { env })
  const { step: run, commit } = instance.exports as Record<
    'step' | 'commit',
    (thread: number, threads: number) => void
  >
  const team = compiled.isParallel ? await pool?.load(module, memory) : undefined
  const hashers = await beside?.load(module, memory)
  signal?.throwIfAborted()

  const view = (address: number, value: number) =>
    bytes.subarray(address, address + byteLength(valueOf(graph, value)))
  const slots = [...graph.state, ...graph.batch].map((_, value) =>
    view(plan.addresses[value]!, value),
  )
  const results = graph.results.map(({ value }, index) => view(plan.results[index]!, value))
  const [stepFlags, constantFlags] = [compiled.stepFlags, compiled.constantFlags].map(
    ({ at, bytes: length }) => bytes.subarray(at, at + length),
  ) as [Uint8Array, Uint8Array]
  const changed = control.changed / 4
  words[changed] = 1
  let broken: BackendError | undefined
  const expectAlive = () => {
    if (broken) throw broken
  }
  const committing = startCommitting({
    compiled,
    words,
    commit,
    team,
    beside: hashers,
    stallMs,
    onStall() {
      throw (broken = stopped(undefined))
    },
  })
  const slotAt = (index: number) => {
    expectAlive()
    const slot = graph.state[index] && slots[index]
    if (slot) return slot
    throw new BackendError(`The graph has ${graph.state.length} state slots: none is ${index}.`)
  }

  return {
    graph,
    memoryBytes: bytes.byteLength,
    step(batch) {
      expectAlive()
      checkBytes(graph.batch, batch)
      batch.forEach((value, index) => slots[graph.state.length + index]!.set(value))
      stepFlags.fill(0)
      if (words[changed] !== 0) constantFlags.fill(0)
      try {
        together(team, words, () => run(0, compiled.threads))
      } catch (error) {
        broken = error instanceof BackendError ? error : stopped(error)
        throw broken
      }
      words[changed] = 0
      return results
    },
    stageTimes: () => stopwatch?.times() ?? [],
    commit() {
      expectAlive()
      return committing.begin()
    },
    readState: slotAt,
    writeState(index, value) {
      const slot = slotAt(index)
      committing.settle()
      checkBytes([graph.state[index]!], [value])
      slot.set(value)
      if (compiled.constantSlots.has(index)) words[changed] = 1
    },
    [Symbol.asyncDispose]() {
      if (!broken) committing.settle()
      broken ??= new BackendError('The executable was disposed of: prepare the graph again.')
      team?.drop()
      hashers?.drop()
      return Promise.resolve()
    },
  }
}

export declare namespace startExecutable {
  type Options = {
    pool: Pool | undefined
    /** Workers that only hash. */
    beside: Pool | undefined
    stallMs: number
    signal: AbortSignal | undefined
    /** A clock in milliseconds, when stages are to be timed. */
    now: (() => number) | undefined
  }
}

/** Runs the caller's part of a step beside the others'. */
function together(team: Loaded | undefined, words: Int32Array, run: () => void): void {
  team?.begin('step')
  try {
    run()
  } catch (error) {
    // The others wait where threads meet: let them see that there is nothing to wait for.
    Atomics.store(words, control.failed / 4, 1)
    Atomics.add(words, control.meeting / 4, 1)
    Atomics.notify(words, control.meeting / 4)
    throw error
  }
}

function allocate(pages: number, shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch (cause) {
    throw new BackendError(`There is no memory for ${Math.ceil(pages / 16)} MiB.`, { cause })
  }
}

function stopped(cause: unknown): BackendError {
  return new BackendError(
    'A thread did not finish its part of a step, and the state is lost: prepare the graph again,' +
      ' with more stallMs where an op takes longer.',
    { cause },
  )
}
