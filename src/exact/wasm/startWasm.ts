import { type Backend, BackendError, type PrepareOptions } from '../Backend.ts'
import type { Graph } from '../Graph.ts'
import type { Fusion } from './arithmetic.ts'
import type { Kernels, Tile } from './Compilation.ts'
import { compile, type CompileOptions } from './compile.ts'
import { type Machine, probe, kernelsFor } from './Machine.ts'
import { startExecutable, type WasmExecutable } from './startExecutable.ts'
import { type Pool, startPool } from './startPool.ts'

/** The back end in WebAssembly, and its threads. Dispose of it when its executables are not needed any more. */
export type Wasm = AsyncDisposable &
  Omit<Backend, 'prepare'> & {
    prepare(graph: Graph, options?: PrepareOptions): Promise<WasmExecutable>
  }

/**
 * Starts the WebAssembly back end: tries what the machine can do in every thread, and then gives the
 * same bits as the reference, whatever the machine, the tile and the number of threads.
 *
 * @example
 * ```ts
 * await using backend = await startWasm({ threads: 2 })
 * await using executable = await backend.prepare(graph)
 * const [loss] = executable.step([tokens])
 * ```
 * @throws {BackendError} when a worker cannot start.
 */
export async function startWasm(options: startWasm.Options = {}): Promise<Wasm> {
  const {
    threads = 1,
    stallMs = 60_000,
    v8Version = process.versions.v8,
    spawn,
    now,
    hashers = 0,
  } = options
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new BackendError(`The back end runs 1 to ${mostThreads} threads, not ${threads}.`)
  if (!Number.isInteger(hashers) || hashers < 0 || hashers > mostThreads)
    throw new BackendError(`The back end hashes on 0 to ${mostThreads} threads, not ${hashers}.`)
  const { aloneBelow = 4096, revectorize = isRevectorizing() } = options
  const own = probe(v8Version)
  const pool: Pool | undefined =
    threads === 1 ? undefined : await startPool({ workers: threads - 1, v8Version, spawn })
  const beside: Pool | undefined =
    hashers === 0
      ? undefined
      : await startPool({ workers: hashers, v8Version, spawn, withCaller: false })
  const machine = weakest([own, ...(pool?.machines ?? [])])
  const { fusion = machine.fusion } = options
  const best = kernelsFor({ fusion, dot: machine.dot }, revectorize)
  const { tile = best.tile, integerTile = best.integerTile, dot = best.dot } = options
  const kernels: Kernels = { tile, integerTile, dot }
  const isTimed = now !== undefined
  const compileOptions: CompileOptions = {
    fusion,
    kernels,
    threads,
    hashers,
    stallMs,
    aloneBelow,
    isTimed,
  }
  return {
    name: nameOf(threads, fusion),
    async prepare(graph, { signal } = {}) {
      signal?.throwIfAborted()
      const compiled = compile(graph, compileOptions)
      return startExecutable(graph, compiled, { pool, beside, stallMs, signal, now })
    },
    async [Symbol.asyncDispose]() {
      await pool?.[Symbol.asyncDispose]()
      await beside?.[Symbol.asyncDispose]()
    },
  }
}

const mostThreads = 8

export declare namespace startWasm {
  type Options = {
    /** 1 to 8, the caller's own thread among them. */
    threads?: number | undefined
    /** Threads that only hash the state when it is committed to (`commit`), while the next step is computed. */
    hashers?: number | undefined
    /** How long a step waits for a thread before it counts as dead: longer than the longest op takes. */
    stallMs?: number | undefined
    /** Instead of what the probe finds; `fused` where the machine is not gives wrong bits. */
    fusion?: Fusion | undefined
    /** Instead of what the probe finds. */
    dot?: Kernels['dot'] | undefined
    /** Ops of fewer elements than this are done by one thread. */
    aloneBelow?: number | undefined
    /** Whether V8 runs with `--experimental-wasm-revectorize`: kernels are then twice as wide. */
    revectorize?: boolean | undefined
    /** Instead of the tile for this version of V8. Any tile gives the same bits. */
    tile?: Tile | undefined
    integerTile?: Tile | undefined
    v8Version?: string | undefined
    /** A clock in milliseconds: executables then time their stages (`stageTimes`), which costs a little. */
    now?: (() => number) | undefined
    /** For tests: how a worker is started. */
    spawn?: startPool.Options['spawn']
  }
}

function isRevectorizing(): boolean {
  const options = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(' ')]
  return options.includes('--experimental-wasm-revectorize')
}

/** What all threads can do. */
function weakest(machines: readonly Machine[]): Machine {
  return {
    fusion: machines.every(({ fusion }) => fusion === 'fused') ? 'fused' : 'emulated',
    dot: (['i16', 'pairs', 'quads'] as const).find((dot) =>
      machines.some((machine) => machine.dot === dot),
    )!,
  }
}

function nameOf(threads: number, fusion: Fusion): string {
  const how = fusion === 'fused' ? '' : ', emulated'
  return `wasm, ${threads} thread${threads === 1 ? '' : 's'}${how}`
}
