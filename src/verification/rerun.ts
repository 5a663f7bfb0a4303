import type { Engine, ExactRun, Model } from '../engine/Engine.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Hex from '../protocol/Hex.ts'
import type * as Receipt from '../protocol/Receipt.ts'
import type * as Verdict from '../protocol/Verdict.ts'
import { BaseError } from '../runtime/Errors.ts'

/** What a run of the request came to. */
export type Run = {
  readonly output: Completion.Output
  readonly usage: Completion.Usage
  /** The run that made it, when the engine computes exactly. */
  readonly exact?: ExactRun | undefined
}

/** What a comparison found. */
export type Finding = {
  readonly outcome: Extract<Verdict.Outcome, 'valid' | 'invalid'>
  /** Stable reason code. */
  readonly reason: string
  /** Hash of the output that the validator got. */
  readonly output: Hex.Hex
}

/**
 * Compares a receipt, and the output it is about, with a run of the same request on the same weights and
 * build. Equal means: every token, every letter, the way it ended, and the tokens that were counted.
 */
export function compareRuns(
  receipt: Pick<Receipt.Receipt, 'output' | 'inputTokens' | 'outputTokens'>,
  served: Completion.Output,
  own: Run,
): Finding {
  const output = Completion.hashOutput(own.output)
  const invalid = (reason: string): Finding => ({ outcome: 'invalid', reason, output })
  if (receipt.output !== output) {
    const sameText = served.text === own.output.text
    const sameTokens = served.tokenIds.join() === own.output.tokenIds.join()
    if (!sameText) return invalid('Rerun.OutputDiffers')
    return invalid(sameTokens ? 'Rerun.FinishReasonDiffers' : 'Rerun.TokensDiffer')
  }
  if (receipt.inputTokens !== own.usage.inputTokens) return invalid('Rerun.InputTokensDiffer')
  if (receipt.outputTokens !== own.usage.outputTokens) return invalid('Rerun.OutputTokensDiffer')
  return { outcome: 'valid', reason: 'Rerun.Equal', output }
}

/** Why a receipt cannot be checked on an engine with these models; undefined when it can. */
export function obstacle(
  receipt: Pick<Receipt.Receipt, 'weights' | 'quantisation' | 'engine' | 'tier'>,
  models: readonly Model[],
): string | undefined {
  if (receipt.weights === Hex.zero) return 'Rerun.WeightsUnknown'
  const same = models.filter((model) => holds(model, receipt))
  if (same.length === 0) return 'Rerun.WeightsNotHere'
  const [own] = same.filter(({ build }) => build === receipt.engine)
  if (!own) return 'Rerun.BuildDiffers'
  return receipt.tier === 'exact' && !own.tiers.includes('exact')
    ? 'Exact.EngineNotHere'
    : undefined
}

/** The request for our own copy of the model: providers call the same weights by names of their own. */
export function requestFor(
  receipt: Pick<Receipt.Receipt, 'weights' | 'quantisation' | 'engine'>,
  request: Completion.Request,
  models: readonly Model[],
): Completion.Request {
  const own = models.find((model) => holds(model, receipt) && model.build === receipt.engine)
  return own ? { ...request, model: own.id } : request
}

function holds(
  { weights, quantisation }: Model,
  receipt: Pick<Receipt.Receipt, 'weights' | 'quantisation'>,
): boolean {
  return weights === receipt.weights && quantisation === receipt.quantisation
}

/**
 * Runs a request on our own engine.
 *
 * @throws {RerunError} when the engine does not come to an end with it; nothing is known then.
 */
export async function rerun(
  engine: Pick<Engine, 'complete'>,
  request: Completion.Request,
  { signal, build }: { signal: AbortSignal; build?: string | undefined },
): Promise<Run> {
  const texts: string[] = []
  const tokenIds: number[] = []
  try {
    for await (const event of engine.complete(request, { signal, build })) {
      signal.throwIfAborted()
      if (event.type === 'completion-end') {
        const { finishReason, usage, exact } = event
        return { output: { text: texts.join(''), tokenIds, finishReason }, usage, exact }
      }
      texts.push(event.delta.text)
      for (const id of event.delta.tokenIds) tokenIds.push(id)
      if (tokenIds.length > request.maxTokens) break
    }
  } catch (cause) {
    throw new RerunError({ cause })
  }
  throw new RerunError({ cause: new Error('it broke its rules') })
}

/**
 * Runs the run of a request on our own engine for as many steps as a claim says; undefined when those are
 * more than the request can take, so that nobody makes us work without end.
 *
 * @throws {RerunError} when the engine does not come to an end with it; nothing is known then.
 */
export async function rerunFor(
  engine: Pick<Engine, 'exactRun'>,
  request: Completion.Request,
  { own, usage, steps, ...options }: rerunFor.Options,
): Promise<ExactRun | undefined> {
  if (own.steps === steps) return own
  if (steps < 1 || steps > usage.inputTokens + request.maxTokens) return undefined
  try {
    return await engine.exactRun?.(request, { steps, ...options })
  } catch (cause) {
    throw new RerunError({ cause })
  }
}

export declare namespace rerunFor {
  type Options = {
    /** The run of our own answer, and its tokens. */
    own: ExactRun
    usage: Completion.Usage
    steps: number
    signal: AbortSignal
    build?: string | undefined
  }
}

/** Thrown when our own engine fails, so that nothing can be said about the provider. */
export class RerunError extends BaseError {
  override readonly code = 'Rerun.EngineFailed'

  constructor({ cause }: { cause: unknown }) {
    super('Our own engine did not answer the request.', {
      cause,
      metaMessages: [`Reason: ${cause instanceof Error ? cause.message : String(cause)}`],
    })
  }
}
