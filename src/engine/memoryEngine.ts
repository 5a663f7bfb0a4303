import * as Hex from '../protocol/Hex.ts'
import type * as Completion from '../protocol/Completion.ts'
import type { Clock } from '../runtime/Clock.ts'
import {
  ContextLengthError,
  UnknownModelError,
  UnsupportedError,
  type CompletionEvent,
  type Engine,
  type Model,
} from './Engine.ts'
import { draw } from './internal/sampleToken.ts'
import { textStream } from './internal/textStream.ts'

/**
 * An engine without a model, for simulations: each token is a word of a short list, chosen by hashing
 * the model's weights, the prompt and the position, and the seed unless the request is greedy. Equal
 * weights give equal answers; other weights, others.
 *
 * @param ports.clock Time one token takes passes on it.
 */
export function memoryEngine(
  ports: { clock: Clock },
  options: memoryEngine.Options = {},
): memoryEngine.MemoryEngine {
  const { tokenMs = 0 } = options
  const models = (options.models ?? [{}]).map(modelOf)
  const running = new Set<object>()

  async function* complete(
    request: Completion.Request,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<CompletionEvent> {
    signal.throwIfAborted()
    const model = models.find(({ id }) => id === request.model)
    if (!model)
      throw new UnknownModelError({ model: request.model, models: models.map(({ id }) => id) })
    if (request.logprobs > 0)
      throw new UnsupportedError({ feature: 'log-probabilities', fix: 'ask with logprobs 0.' })
    const prompt = promptOf(request)
    const inputTokens = Math.max(1, Math.ceil(prompt.length / 4))
    const { maxTokens } = request
    if (inputTokens + maxTokens > model.contextTokens)
      throw new ContextLengthError({ inputTokens, maxTokens, contextTokens: model.contextTokens })

    const job = {}
    running.add(job)
    try {
      const stream = textStream({ stop: request.stop })
      const start = Number.parseInt(Hex.sha256(`${model.weights} ${prompt}`).slice(2, 10), 16)
      const base = request.temperatureMicro === 0 ? start : (start ^ request.seed) >>> 0
      let outputTokens = 0
      while (outputTokens < maxTokens && !stream.stopped) {
        if (tokenMs > 0) await ports.clock.sleep(tokenMs, { signal })
        signal.throwIfAborted()
        const token = Math.floor(draw(base, outputTokens++) * words.length)
        const delta = stream.push({ text: `${words[token]} `, tokenIds: [token], logprobs: [] })
        if (delta) yield { type: 'completion-delta', delta }
      }
      const rest = stream.end()
      if (rest) yield { type: 'completion-delta', delta: rest }
      signal.throwIfAborted()
      const finishReason = stream.stopped ? 'stop' : 'length'
      yield { type: 'completion-end', finishReason, usage: { inputTokens, outputTokens } }
    } finally {
      running.delete(job)
    }
  }

  return { models, complete, busy: () => running.size, async [Symbol.asyncDispose]() {} }
}

export declare namespace memoryEngine {
  type Options = {
    /** What to fill in is the default: id `memory`, weights hashed from the id. @default one model */
    models?: readonly Partial<Model>[] | undefined
    /** @default 0 */
    tokenMs?: number | undefined
  }
  type MemoryEngine = Engine & {
    /** Jobs that run now. */
    readonly busy: () => number
  }
}

const words = (
  'each provider signs what it sold and the buyer pays for what was checked ' +
  'a lease ends when its funds return or its work is done'
).split(' ')

function modelOf(model: Partial<Model>): Model {
  const { id = 'memory' } = model
  return {
    id,
    weights: Hex.sha256(id),
    quantisation: 'none',
    build: 'memory 1',
    contextTokens: 4096,
    tiers: ['statistical', 'unverified'],
    ...model,
  }
}

function promptOf({ input }: Completion.Request): string {
  if (input.kind === 'text') return input.prompt
  return input.messages.map(({ role, content }) => `${role}: ${content}`).join('\n')
}
