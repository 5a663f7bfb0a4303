import type { Engine, ExactRun } from '../engine/Engine.ts'
import * as Completion from '../protocol/Completion.ts'
import { stepsOfCompletion } from '../protocol/ExactClaim.ts'
import * as Json from '../protocol/Json.ts'
import { BaseError, messageOf } from '../runtime/Errors.ts'
import { RefusedError } from './RefusedError.ts'

/** What came out in the end. */
export type Finished = {
  readonly output: Completion.Output
  readonly usage: Completion.Usage
  /** The run that made it, when the engine computes exactly. */
  readonly exact?: ExactRun | undefined
}

/** The longest text of one answer, in UTF-16 units; the same limit as a message has. */
const textLimit = 1_000_000

/**
 * Runs a request and holds the engine to its word: no more tokens than asked, one end, usage that can be.
 *
 * @throws {RefusedError} with `Provider.EngineFaultError` when the engine breaks a rule.
 * @throws the reason of the signal as soon as it is aborted, also when the engine does not listen to it.
 */
export async function* runEngine(
  engine: Pick<Engine, 'complete'>,
  request: Completion.Request,
  { signal, build }: { signal: AbortSignal; build?: string | undefined },
): AsyncGenerator<Completion.Delta, Finished, undefined> {
  const texts: string[] = []
  const tokenIds: number[] = []
  let length = 0
  let finished: Finished | undefined
  for await (const event of untilAborted(engine.complete(request, { signal, build }), signal)) {
    if (finished) throw fault('it went on after its end')
    if (event.type === 'completion-end') {
      const output = { text: texts.join(''), tokenIds, finishReason: event.finishReason }
      finished = check({ output, usage: event.usage, exact: event.exact }, request)
      continue
    }
    const delta = parse(Completion.delta, event.delta, 'a delta')
    length += delta.text.length
    if (length > textLimit) throw fault(`its text is longer than ${textLimit}`)
    if (tokenIds.length + delta.tokenIds.length > request.maxTokens)
      throw fault(`it made more than the ${request.maxTokens} tokens asked for`)
    for (const id of delta.tokenIds) tokenIds.push(id)
    texts.push(delta.text)
    yield delta
  }
  if (!finished) throw fault('it ended in the middle')
  return finished
}

/**
 * The most tokens that a request's input can be: one a byte, and the frame that a chat template puts
 * around it. Buyers refuse receipts that count more.
 */
export function inputTokensLimit({ input }: Completion.Request): number {
  const frame = 256
  const bytes = (text: string) => Buffer.byteLength(text)
  if (input.kind === 'text') return bytes(input.prompt) + frame
  return input.messages.reduce((sum, { content }) => sum + bytes(content) + 32, frame)
}

/** Whether an error is about the request, so that the provider is not to blame. */
export function isAboutRequest(error: unknown): boolean {
  return error instanceof BaseError && requestCodes.has(error.code)
}

const requestCodes = new Set([
  'Engine.UnknownModelError',
  'Engine.UnsupportedError',
  'Engine.ContextLengthError',
])

function check({ output, usage, exact }: Finished, request: Completion.Request): Finished {
  const parsed = parse(Completion.usage, usage, 'the usage')
  const most = inputTokensLimit(request)
  if (parsed.outputTokens > request.maxTokens)
    throw fault(`it counts ${parsed.outputTokens} tokens, asked for ${request.maxTokens}`)
  if (parsed.inputTokens > most)
    throw fault(`it counts ${parsed.inputTokens} tokens of input, which has at most ${most}`)
  const steps = stepsOfCompletion(parsed, output.finishReason)
  if (exact && (exact.steps < steps.least || exact.steps > steps.most))
    throw fault(`its run has ${exact.steps} steps, its tokens take ${steps.most}`)
  return { output: parse(Completion.output, output, 'the end'), usage: parsed, exact }
}

function parse<type>(schema: Parameters<typeof Json.parse<type>>[0], value: unknown, what: string) {
  try {
    return Json.parse(schema, value, { what })
  } catch (error) {
    throw fault(`${what} is malformed: ${messageOf(error)}`)
  }
}

function fault(what: string): RefusedError {
  return new RefusedError(
    'Provider.EngineFaultError',
    `The engine broke the rules: ${what}. Nothing is charged.`,
  )
}

/** Yields what a generator yields; throws the signal's reason also when the generator does not. */
async function* untilAborted<item>(
  source: AsyncGenerator<item>,
  signal: AbortSignal,
): AsyncGenerator<item, void, undefined> {
  let abort = () => {}
  const onAbort = () => abort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      signal.throwIfAborted()
      const result = await new Promise<IteratorResult<item>>((resolve, reject) => {
        abort = () => reject(signal.reason as Error)
        source.next().then(resolve, reject)
      })
      if (result.done) return
      yield result.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // An engine that does not answer must not hold up who gave up on it.
    source.return(undefined).catch(() => {})
  }
}
