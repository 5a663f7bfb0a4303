import type { Backend } from '../../exact/Backend.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import { leafHash, rootOfBytes } from '../../exact/commit/merkle.ts'
import { type Graph, valueOf } from '../../exact/Graph.ts'
import { byteLength } from '../../exact/Tensor.ts'
import { type Leaves, leavesOfRoots } from './tree.ts'

/** All that one step of a run reads and computes, as far as it is asked for. */
export type DisputedStep = AsyncDisposable & {
  readonly index: number
  /** Tensor roots of the batch slot and the ops in order: leaves of the trace. */
  readonly trace: Leaves
  readonly traceRoots: readonly Uint8Array[]
  /** The tensors' leaves of the state before the step and after it. */
  readonly before: StateLeaves
  readonly after: StateLeaves
  /** The bytes of values by their numbers, computed at once: of a state slot those before the step. */
  values(numbers: readonly number[]): Promise<readonly Uint8Array[]>
}

/** The leaves of a state, and the tensor roots in them. */
export type StateLeaves = Leaves & { readonly roots: readonly Uint8Array[] }

/**
 * Computes the trace of a step: all values, in windows of a bounded size, as results of graphs that are the
 * same up to there. Of the values only roots are kept; those that are asked for are computed again.
 */
export async function openStep(
  { backend }: { readonly backend: Backend },
  { graph, index, before, after, batch, windowBytes, signal }: openStep.Options,
): Promise<DisputedStep> {
  const slots = graph.state.length
  const last = slots + graph.batch.length + graph.ops.length
  const bytesOf = (number: number) => byteLength(valueOf(graph, number))
  const cache = startCache(windowBytes)

  /** The values of one run of the step, views that last until the next. */
  async function* compute(numbers: readonly number[]): AsyncGenerator<[number, Uint8Array], void> {
    const results = numbers.map((value) => ({ name: `${value}`, value }))
    const ops = graph.ops.slice(0, Math.max(...numbers) + 1 - slots - graph.batch.length)
    const next = graph.state.map((_, slot) => slot)
    await using executable = await backend.prepare({ ...graph, ops, next, results }, { signal })
    before.forEach((bytes, slot) => executable.writeState(slot, bytes))
    const found = executable.step(batch)
    for (const [at, number] of numbers.entries()) yield [number, found[at]!]
  }

  async function values(numbers: readonly number[]): Promise<readonly Uint8Array[]> {
    const computed = [...new Set(numbers)].filter((number) => number >= slots)
    const missing = computed.filter((number) => !cache.get(number))
    cache.keep(computed)
    if (missing.length > 0)
      for await (const [number, bytes] of compute(missing)) cache.put(number, bytes.slice())
    return numbers.map((number) => before[number] ?? cache.get(number)!)
  }

  const roots: Uint8Array[] = []
  for (const window of windowsOf({ from: slots, to: last, bytesOf, windowBytes })) {
    signal?.throwIfAborted()
    for await (const [, bytes] of compute(window)) roots.push(rootOfBytes(bytes))
  }
  const afterRoots = graph.state.map((_, slot) => rootOfBytes(after(slot)))
  return {
    index,
    trace: leavesOfRoots(joined(roots)),
    traceRoots: roots,
    before: stateLeaves(graph, before.map(rootOfBytes)),
    after: stateLeaves(graph, afterRoots),
    values,
    [Symbol.asyncDispose]() {
      cache.keep([])
      return Promise.resolve()
    },
  }
}

export declare namespace openStep {
  type Options = {
    graph: Graph
    index: number
    /** The state before the step, and a view of each slot after it. */
    before: readonly Uint8Array[]
    after: (slot: number) => Uint8Array
    batch: readonly Uint8Array[]
    windowBytes: number
    signal?: AbortSignal | undefined
  }
}

/** Values in order, as many at once as the window holds, but at least one. */
function* windowsOf({ from, to, bytesOf, windowBytes }: Windows): Generator<number[]> {
  let window: number[] = []
  let bytes = 0
  for (let number = from; number < to; number++) {
    const more = bytesOf(number)
    if (window.length > 0 && (bytes + more > windowBytes || window.length >= longestWindow)) {
      yield window
      window = []
      bytes = 0
    }
    window.push(number)
    bytes += more
  }
  if (window.length > 0) yield window
}

type Windows = {
  readonly from: number
  readonly to: number
  readonly bytesOf: (number: number) => number
  readonly windowBytes: number
}

/** A graph has at most 10,000 results. */
const longestWindow = 4096

/** Values that were asked for: what is needed at once, and the last others that the window holds. */
function startCache(windowBytes: number) {
  const values = new Map<number, Uint8Array>()
  const evict = (needed: ReadonlySet<number>) => {
    let bytes = values.values().reduce((sum, value) => sum + value.byteLength, 0)
    for (const [number, value] of values) {
      if (bytes <= windowBytes) return
      if (needed.has(number)) continue
      values.delete(number)
      bytes -= value.byteLength
    }
  }
  let kept: ReadonlySet<number> = new Set()
  return {
    get: (number: number) => values.get(number),
    put(number: number, bytes: Uint8Array) {
      values.set(number, bytes)
      evict(kept)
    },
    /** Says what the question at hand needs: none of it is dropped until the next. */
    keep(numbers: readonly number[]) {
      kept = new Set(numbers)
      if (kept.size === 0) values.clear()
      evict(kept)
    },
  }
}

function stateLeaves(graph: Graph, roots: readonly Uint8Array[]): StateLeaves {
  const hashes = roots.map((root, slot) => leafHash(StateRoot.leafOf(graph.state[slot]!, root)))
  return {
    roots,
    count: roots.length,
    hashes: (from, to) => joined(hashes.slice(from, to)),
  }
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * 32)
  hashes.forEach((hash, at) => bytes.set(hash, at * 32))
  return bytes
}
