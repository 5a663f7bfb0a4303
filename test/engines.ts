/**
 * Small real engines for tests: they answer by a rule that anybody can follow, at a speed that the clock
 * of the test decides, and one of each kind breaks its word in its own way.
 */
import { EngineError, UnknownModelError } from '../src/engine/Engine.ts'
import type { CompletionEvent, Engine, ExactRun, Model } from '../src/engine/Engine.ts'
import type * as Completion from '../src/protocol/Completion.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Json from '../src/protocol/Json.ts'
import type { Clock } from '../src/runtime/Clock.ts'

/** The model that all of them serve. */
export const wordModel: Model = {
  id: 'words',
  weights: Hex.sha256('words'),
  quantisation: 'none',
  build: 'words 1',
  contextTokens: 4_096,
  tiers: ['statistical', 'unverified'],
}

export type EngineOptions = {
  /** Needed when a token takes time. */
  clock?: Clock | undefined
  /** Time a token takes. @default 0 */
  tokenMs?: number | undefined
  model?: Model | undefined
}

/** Answers by the rule: words that follow from the whole request, until `maxTokens` or a full stop. */
export function honestEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* (request, pause) {
    const tokens = wordsOf(request)
    for (const token of tokens) {
      await pause()
      yield deltaOf(token)
    }
    yield endOf(request, tokens)
  })
}

/** The model of a `claimingEngine`. */
export const claimedModel: Model = { ...wordModel, build: 'claimed words 1', tiers: ['exact'] }

/**
 * Honest, and says which run made each answer: its roots are hashes of what they stand for. `change` makes
 * it say something else of a run.
 */
export function claimingEngine(
  options: EngineOptions & { change?: ((run: ExactRun) => ExactRun) | undefined } = {},
): Engine {
  const { change = (run: ExactRun) => run } = options
  const honest = honestEngine({ model: claimedModel, ...options })
  const runOf = (request: Completion.Request, steps: number): ExactRun =>
    change({
      graph: Hex.sha256('graph'),
      graphCid: Hex.sha256('graph cid'),
      start: Hex.sha256(`start of ${Json.hash(request)}`),
      end: Hex.sha256(`end of ${Json.hash(request)} after ${steps}`),
      data: Hex.zero,
      seed: [request.seed, 0],
      steps,
      run: Hex.sha256(`run of ${Json.hash(request)} for ${steps}`),
    })
  return {
    ...honest,
    async *complete(request, run) {
      for await (const event of honest.complete(request, run)) {
        if (event.type === 'completion-delta') yield event
        else {
          const { inputTokens, outputTokens } = event.usage
          yield { ...event, exact: runOf(request, inputTokens + outputTokens - 1) }
        }
      }
    },
    exactRun: async (request, { steps }) => runOf(request, steps),
  }
}

/** Answers other words than the rule says, as fluently. */
export function wrongEngine(options: EngineOptions = {}): Engine {
  const honest = honestEngine(options)
  return {
    ...honest,
    complete: (request, { signal }) =>
      honest.complete({ ...request, seed: (request.seed + 1) % 2 ** 32 }, { signal }),
  }
}

/** Honest, at a second a token. */
export function slowEngine(options: EngineOptions & { clock: Clock }): Engine {
  return honestEngine({ tokenMs: 1_000, ...options })
}

/** Stops in the middle, says nothing, and does not listen to its signal either. */
export function stallingEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* (request) {
    yield deltaOf(wordsOf(request)[0]!)
    await new Promise(() => {})
  })
}

/** Breaks in the middle with an error. */
export function failingEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* (request) {
    yield deltaOf(wordsOf(request)[0]!)
    throw new EngineError('The runtime went away.')
  })
}

/** Ends in the middle without saying how. */
export function vanishingEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* (request) {
    yield deltaOf(wordsOf(request)[0]!)
  })
}

/** Makes more tokens than asked for. */
export function talkativeEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* (request) {
    for (let made = 0; made <= request.maxTokens; made++) yield deltaOf(made % words.length)
    yield endOf(request, [])
  })
}

/** Counts more tokens than it made, to be paid for them. */
export function greedyEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* (request) {
    const tokens = wordsOf(request)
    for (const token of tokens) yield deltaOf(token)
    const usage = { inputTokens: 1_000_000, outputTokens: tokens.length }
    yield { type: 'completion-end', finishReason: 'stop', usage }
  })
}

/** Yields things that are no events of an engine. */
export function garbageEngine(options: EngineOptions = {}): Engine {
  return engine(options, async function* () {
    yield { type: 'completion-delta', delta: { text: 7, tokenIds: 'none' } } as never
  })
}

const words = 'a loom holds many threads and weft binds them into one cloth that lasts .'.split(' ')
const fullStop = words.length - 1

/** The tokens that the rule gives: a chain of hashes that starts from the request. */
export function wordsOf(request: Completion.Request): readonly number[] {
  const { stop: _, maxTokens, ...rest } = request
  const tokens: number[] = []
  let state = Json.hash(rest)
  while (tokens.length < maxTokens) {
    state = Hex.sha256(state)
    const token = Number.parseInt(state.slice(2, 10), 16) % words.length
    tokens.push(token)
    if (token === fullStop) break
  }
  return tokens
}

/** A greedy request for a few words. */
export function wordRequest(facts: Partial<Completion.Request> = {}): Completion.Request {
  return {
    model: wordModel.id,
    input: { kind: 'chat', messages: [{ role: 'user', content: 'What is weft?' }] },
    maxTokens: 8,
    temperatureMicro: 0,
    topPMicro: 1_000_000,
    seed: 7,
    stop: [],
    logprobs: 0,
    ...facts,
  }
}

const deltaOf = (token: number): CompletionEvent => ({
  type: 'completion-delta',
  delta: { text: `${words[token]} `, tokenIds: [token] },
})

function endOf(request: Completion.Request, tokens: readonly number[]): CompletionEvent {
  return {
    type: 'completion-end',
    finishReason: tokens.at(-1) === fullStop ? 'stop' : 'length',
    usage: { inputTokens: inputTokens(request), outputTokens: tokens.length },
  }
}

function inputTokens({ input }: Completion.Request): number {
  const texts = input.kind === 'text' ? [input.prompt] : input.messages.map((m) => m.content)
  return texts.reduce((sum, text) => sum + text.split(' ').length, 0)
}

function engine(
  { clock, tokenMs = 0, model = wordModel }: EngineOptions,
  answer: (
    request: Completion.Request,
    pause: () => Promise<void>,
  ) => AsyncGenerator<CompletionEvent>,
): Engine {
  return {
    models: [model],
    async *complete(request, { signal }) {
      if (request.model !== model.id)
        throw new UnknownModelError({ model: request.model, models: [model.id] })
      const pause = async () => {
        signal.throwIfAborted()
        if (tokenMs > 0) await clock?.sleep(tokenMs, { signal })
      }
      yield* answer(request, pause)
    },
    async [Symbol.asyncDispose]() {},
  }
}
