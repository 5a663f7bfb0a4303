import { Command, Option } from 'commander'
import type { Engine } from '../engine/Engine.ts'
import { exactEngine, type ExactEngine, type ExactSource } from '../engine/exact.ts'
import { llamaCppEngine } from '../engine/llamaCpp.ts'
import { severalEngines } from '../engine/severalEngines.ts'
import type { Backend } from '../exact/Backend.ts'
import { startWasm } from '../exact/wasm/startWasm.ts'
import type * as Completion from '../protocol/Completion.ts'
import { flippedBit, type Bit } from './flippedBit.ts'

/** The engines of a process, as one. */
export type OpenedEngine = AsyncDisposable & {
  readonly engine: Engine
  /**
   * What the run of a request follows from, and what computed it, so that a prover computes the same; undefined
   * where nothing is computed exactly.
   */
  readonly exactly: ((request: Completion.Request) => Exactly) | undefined
}

export type Exactly = { readonly backend: Backend; readonly source: ExactSource }

/** Options that choose engines. */
export type EngineOptions = {
  readonly engine: 'llama' | 'exact'
  readonly exact?: boolean | undefined
}

/** Adds those options to a command; `does` is what it does with a model. */
export function withEngineOptions(command: Command, does: string): Command {
  return command
    .addOption(
      new Option('--engine <name>', 'llama: llama.cpp; exact: the exact engine alone')
        .choices(['llama', 'exact'])
        .default('llama'),
    )
    .option('--exact', `${does} with the exact engine too`)
}

/** Opens what the options name on a model. */
export async function openEngine(
  options: EngineOptions & openEngine.Options,
): Promise<OpenedEngine> {
  await using stack = new AsyncDisposableStack()
  const engines: Engine[] = []
  if (options.engine === 'llama') engines.push(stack.use(await openLlama(options)))
  const isExact = options.engine === 'exact' || options.exact === true
  const exact = isExact ? stack.use(await openExact(options)) : undefined
  if (exact) engines.push(exact.engine)
  const [only, ...others] = engines
  const owned = stack.move()
  return {
    engine: only && others.length === 0 ? only : severalEngines(engines),
    exactly: exact?.exactly,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace openEngine {
  type Options = {
    path: string
    /** Name buyers ask for. @default from the file */
    id?: string | undefined
    threads: number
    /** Jobs that llama.cpp runs at once. The exact engine computes one at a time. */
    concurrency?: number | undefined
    /** For testing validators: the file of the model that answers in its place. */
    cheatWith?: string | undefined
    /** For testing disputes: a bit that is wrong in the exact engine's memory. */
    cheatBit?: Bit | undefined
  }
}

type Opening = openEngine.Options

async function openLlama(options: Opening): Promise<Engine> {
  const { path, id, threads, concurrency, cheatWith } = options
  const honest = await llamaCppEngine({ path, threads, concurrency, id })
  if (cheatWith === undefined) return honest
  // Says one model and runs another: what a validator is there to find.
  const other = await llamaCppEngine({
    path: cheatWith,
    threads,
    concurrency,
    id: honest.models[0]!.id,
  })
  return {
    models: honest.models,
    complete: (request, run) => (isProbe(request) ? honest : other).complete(request, run),
    async [Symbol.asyncDispose]() {
      await honest[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  }
}

async function openExact(options: Opening): Promise<AsyncDisposable & Required<OpenedEngine>> {
  const { path, id, threads, cheatBit } = options
  await using stack = new AsyncDisposableStack()
  const backend = stack.use(await startWasm({ threads: Math.min(threads, 8) }))
  const open = async (by: Backend): Promise<{ engine: ExactEngine; backend: Backend }> => ({
    engine: stack.use(await exactEngine({ backend: by }, { path, id })),
    backend: by,
  })
  const honest = await open(backend)
  const wrong = cheatBit ? await open(flippedBit(backend, cheatBit)) : honest
  const of = (request: Completion.Request) => (isProbe(request) ? honest : wrong)
  const owned = stack.move()
  const close = () => owned.disposeAsync()
  return {
    engine: {
      models: honest.engine.models,
      complete: (request, run) => of(request).engine.complete(request, run),
      exactRun: (request, run) => of(request).engine.exactRun(request, run),
      [Symbol.asyncDispose]: close,
    },
    exactly(request) {
      const { engine, backend: by } = of(request)
      return { backend: by, source: engine.sourceOf(request) }
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Like any clever cheat it knows a probe by its size, and answers that honestly. */
function isProbe({ maxTokens }: Completion.Request): boolean {
  return maxTokens <= probeTokens
}

const probeTokens = 16
