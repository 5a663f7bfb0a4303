import { setImmediate } from 'node:timers/promises'
import type { Backend } from '../exact/Backend.ts'
import { rootOfBytes } from '../exact/commit/merkle.ts'
import * as Compliance from '../exact/compliance.ts'
import type { Graph } from '../exact/Graph.ts'
import { BaseError } from '../runtime/Errors.ts'
import type * as Completion from '../protocol/Completion.ts'
import {
  ContextLengthError,
  EngineError,
  UnknownModelError,
  UnsupportedError,
  type CompletionEvent,
  type Engine,
  type Model,
} from './Engine.ts'
import { openDecoder, type OpenedDecoder } from './internal/openDecoder.ts'
import {
  firstState,
  generationAt,
  prepareGeneration,
  type Generation,
  type PreparedGeneration,
  type RunningGeneration,
  type Writing,
} from './internal/prepareGeneration.ts'
import { slotPool } from './internal/slotPool.ts'
import { textStream } from './internal/textStream.ts'
import { tokenPieces } from './internal/tokenPieces.ts'

/** An engine whose every answer is a run that can be claimed, repeated and judged. */
export type ExactEngine = Engine &
  Required<Pick<Engine, 'exactRun'>> & {
    /** What the run of a request follows from: what a prover of it starts with. Throws as `complete` does. */
    sourceOf(request: Completion.Request): ExactSource
  }

export type ExactSource = {
  readonly graph: Graph
  /** Bytes of each state slot before the first step. */
  readonly start: readonly Uint8Array[]
  readonly seed: readonly [number, number]
}

/**
 * Computes a decoder with the exact engine: an answer is a generation run (`generationGraph`), whose tokens
 * are the same on every machine and whose roots come with the end. Prompt and answer are read a token a
 * step, so that a prompt takes as long as an answer of its length.
 *
 * A request is computed in the shortest of the lengths 64, 128, 256 ... that hold its prompt and
 * `maxTokens`: memory and time of a step grow with the length. Which one follows from the request alone.
 *
 * @param ports.backend computes; which one, and with how many threads, changes no bit.
 * @throws as `openDecoder` does, when the path leads to no decoder of this engine.
 *
 * @example
 * ```ts
 * await using backend = await startWasm({ threads: 1 })
 * await using engine = await exactEngine({ backend }, { path: 'model.gguf' })
 * ```
 */
export async function exactEngine(
  { backend }: { readonly backend: Backend },
  options: exactEngine.Options,
): Promise<ExactEngine> {
  const { path, contextTokens: wanted = 4096, concurrency = 1 } = options
  const opened = await openDecoder({ backend }, { path, positions: wanted })
  const contextTokens = opened.model.config.positions
  const model: Model = {
    id: options.id ?? opened.name,
    weights: opened.hash,
    quantisation: opened.quantisation,
    build,
    contextTokens,
    tiers: ['exact', 'statistical', 'unverified'],
  }
  const generations = new Map<number, Generation>()
  const at = (positions: number) => {
    const known = generations.get(positions) ?? generationAt(opened, positions)
    generations.set(positions, known)
    return known
  }
  const roots = new Map<Uint8Array, Uint8Array>()
  const rootOfWeights = (bytes: Uint8Array) => {
    // Those of all lengths begin where the loaded ones do; only the rotary tables are shorter.
    const whole = opened.weights.find((each) => isSame(each, bytes))
    const root = (whole && roots.get(whole)) ?? rootOfBytes(bytes)
    if (whole) roots.set(whole, root)
    return root
  }
  const prepare = (positions: number) =>
    prepareGeneration({ backend }, at(positions), { rootOfWeights })
  const benches = slotPool({ size: concurrency, open: () => Promise.resolve(openBench(prepare)) })
  // The first length is prepared now, so that a model that does not fit is refused here.
  {
    await using bench = await benches.acquire({})
    await bench.value.at(lengthFor(1, contextTokens))
  }
  const runtime: Runtime = { model, opened, benches, at }
  return {
    models: [model],
    complete: (request, { signal }) => complete(runtime, request, signal),
    async exactRun(request, { steps, signal }) {
      const { writing, positions } = plan(runtime, request)
      await using bench = await benches.acquire({ signal })
      const run = (await bench.value.at(positions)).begin(writing)
      for (let step = 0; step < steps; step++) await advance(run, signal)
      return run.facts()
    },
    sourceOf(request) {
      const { writing, positions } = plan(runtime, request)
      const { graph, ...decoder } = at(positions)
      return { graph, start: firstState(decoder, writing), seed: writing.seed }
    },
    [Symbol.asyncDispose]: () => benches[Symbol.asyncDispose](),
  }
}

export declare namespace exactEngine {
  type Options = {
    /** A GGUF file, or a folder with config.json, tokenizer.json and safetensors. */
    path: string
    /** Name buyers ask for. @default the file's name without `.gguf` */
    id?: string | undefined
    /** Prompt and answer together; never more than the model was trained for. @default 4096 */
    contextTokens?: number | undefined
    /** Jobs that run at once, each with the weights in memory of its own; more wait. @default 1 */
    concurrency?: number | undefined
  }
}

/**
 * What equal strings promise equal tokens and roots for: the arithmetic by the hash of its suite, and the
 * version of all that is between a request and a run: templates, lengths, seeds.
 */
const build = `weft-exact 1 f32 ${Compliance.suiteHash(Compliance.golden)}`

type Runtime = {
  readonly model: Model
  readonly opened: OpenedDecoder
  readonly benches: slotPool.Pool<Bench>
  readonly at: (positions: number) => Generation
}

async function* complete(
  runtime: Runtime,
  request: Completion.Request,
  signal: AbortSignal,
): AsyncGenerator<CompletionEvent> {
  signal.throwIfAborted()
  const { writing, positions } = plan(runtime, request)
  const { prompt } = writing
  const { texts } = runtime.opened
  await using bench = await runtime.benches.acquire({ signal })
  const run = (await bench.value.at(positions)).begin(writing)
  const stream = textStream({ stop: request.stop })
  const pieces = tokenPieces(texts.text, prompt)
  let finishReason: Completion.FinishReason = 'length'
  let outputTokens = 0
  for (let read = 1; read < prompt.length; read++) await advance(run, signal)
  while (outputTokens < request.maxTokens && !stream.stopped) {
    const token = await advance(run, signal)
    if (texts.isEnd(token)) {
      finishReason = 'stop'
      break
    }
    outputTokens++
    const piece = pieces.push(token)
    const delta = piece && stream.push(piece)
    if (delta) yield { type: 'completion-delta', delta }
  }
  const rest = stream.stopped ? undefined : pieces.end()
  for (const delta of [rest && stream.push(rest), stream.end()])
    if (delta) yield { type: 'completion-delta', delta }
  if (stream.stopped) finishReason = 'stop'
  signal.throwIfAborted()
  const usage = { inputTokens: prompt.length, outputTokens }
  yield { type: 'completion-end', finishReason, usage, exact: run.facts() }
}

/** One step, and a turn for everything else in the process. */
async function advance(run: RunningGeneration, signal: AbortSignal): Promise<number> {
  await setImmediate()
  signal.throwIfAborted()
  try {
    return run.step()
  } catch (cause) {
    if (cause instanceof BaseError) throw cause
    throw new EngineError('The exact engine failed while it made an answer.', { cause })
  }
}

/** The run that a request asks for. */
function plan(
  { model, opened }: Runtime,
  request: Completion.Request,
): { readonly writing: Writing; readonly positions: number } {
  if (request.model !== model.id)
    throw new UnknownModelError({ model: request.model, models: [model.id] })
  if (request.logprobs > 0)
    throw new UnsupportedError({ feature: 'log-probabilities', fix: 'ask with logprobs 0.' })
  if (request.topPMicro < 1_000_000 && request.temperatureMicro > 0)
    throw new UnsupportedError({
      feature: 'drawing among the most likely tokens only',
      fix: 'ask with top_p 1, or with temperature 0.',
    })
  const prompt = opened.texts.prompt(request.input)
  const { contextTokens } = model
  const tokens = prompt.length + request.maxTokens
  if (tokens > contextTokens)
    throw new ContextLengthError({
      inputTokens: prompt.length,
      maxTokens: request.maxTokens,
      contextTokens,
    })
  const temperature = request.temperatureMicro / 1_000_000
  const seed = [request.seed, 0] as const
  return { writing: { prompt, temperature, seed }, positions: lengthFor(tokens, contextTokens) }
}

/** The shortest of the lengths that are computed with. */
function lengthFor(tokens: number, contextTokens: number): number {
  let length = shortest
  while (length < tokens) length *= 2
  return Math.min(length, contextTokens)
}

const shortest = 64

/** Generations made ready, the last few lengths that were asked for. */
type Bench = AsyncDisposable & { at(positions: number): Promise<PreparedGeneration> }

function openBench(prepare: (positions: number) => Promise<PreparedGeneration>): Bench {
  const ready = new Map<number, PreparedGeneration>()
  return {
    async at(positions) {
      const found = ready.get(positions) ?? (await prepare(positions))
      ready.delete(positions)
      ready.set(positions, found)
      const [[oldest, prepared] = []] = ready
      if (ready.size > readyLimit && oldest !== undefined) {
        ready.delete(oldest)
        await prepared?.[Symbol.asyncDispose]()
      }
      return found
    },
    async [Symbol.asyncDispose]() {
      for (const prepared of ready.values()) await prepared[Symbol.asyncDispose]()
      ready.clear()
    },
  }
}

/** Lengths that one bench keeps ready; each holds the weights. */
const readyLimit = 2

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.byteLength === b.byteLength
}
