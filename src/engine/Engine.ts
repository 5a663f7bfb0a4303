import { BaseError } from '../runtime/Errors.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as Hex from '../protocol/Hex.ts'

/** What runs a job, as a port. One file in this folder per implementation. */
export type Engine = AsyncDisposable & {
  /** What it can run. */
  readonly models: readonly Model[]
  /**
   * Runs a completion: deltas as they are made, then one `completion-end`. A delta is never taken
   * back: text that may be the start of a stop string waits until it is known not to be. An engine
   * that tells token ids tells all it made but the one that ends the answer, as many as
   * `usage.outputTokens`; those whose text a stop string cut off are among them.
   *
   * Aborting the signal, or returning the generator, frees what the job held; the generator throws
   * the signal's reason.
   *
   * @param options.build which one, when several of `models` have the name that the request asks for.
   * @throws {UnknownModelError} when the model is not among `models`.
   * @throws {UnsupportedError} when the engine cannot do what the request asks for.
   * @throws {ContextLengthError} when prompt and `maxTokens` do not fit into the model's context.
   * @throws {EngineError} when the runtime fails or answers garbage; never a partial `completion-end`.
   */
  complete(
    request: Completion.Request,
    options: { signal: AbortSignal; build?: string | undefined },
  ): AsyncGenerator<CompletionEvent>
  /**
   * The run that a request starts, for just so many steps, whatever would end the answer. Only engines
   * that compute exactly have it. Throws as `complete` does.
   */
  exactRun?(
    request: Completion.Request,
    options: { steps: number; signal: AbortSignal; build?: string | undefined },
  ): Promise<ExactRun>
}

export type Model = {
  /** Name buyers ask for. */
  readonly id: string
  /** SHA-256 of the weights file; `Hex.zero` when it cannot be known. */
  readonly weights: Hex.Hex
  readonly quantisation: string
  /** Runtime and build: equal strings promise equal tokens for equal requests. */
  readonly build: string
  readonly contextTokens: number
  /** What this engine's answers can be assured by. */
  readonly tiers: readonly Assurance.Tier[]
}

export type CompletionEvent =
  | { readonly type: 'completion-delta'; readonly delta: Completion.Delta }
  | {
      readonly type: 'completion-end'
      readonly finishReason: Completion.FinishReason
      readonly usage: Completion.Usage
      /** The run that made the answer, from an engine that computes exactly. */
      readonly exact?: ExactRun | undefined
    }

/**
 * What a run of the exact engine follows from and what it came to, as an `ExactClaim` says it
 * (`src/exact/SPEC.md` section 5).
 */
export type ExactRun = {
  /** Root of the graph, and the sha2-256 digest within its CID. */
  readonly graph: Hex.Hex
  readonly graphCid: Hex.Hex
  /** State roots before the first step and after the last. */
  readonly start: Hex.Hex
  readonly end: Hex.Hex
  /** Data root; zero when the graph reads no batch. */
  readonly data: Hex.Hex
  readonly seed: readonly [number, number]
  readonly steps: number
  /** Root over the state roots that the steps left. */
  readonly run: Hex.Hex
}

/** Thrown when a request names a model that the engine does not have. */
export class UnknownModelError extends BaseError {
  override readonly code = 'Engine.UnknownModelError'

  constructor({ model, models }: { model: string; models: readonly string[] }) {
    super('The engine does not have this model.', {
      metaMessages: [`Model: ${model}`, `It has: ${models.join(', ') || 'none'}`],
    })
  }
}

/** Thrown when a runtime fails. */
export class EngineError extends BaseError {
  override readonly code = 'Engine.EngineError'

  constructor(shortMessage: string, options: BaseError.Options = {}) {
    super(shortMessage, options)
  }
}

/** Thrown when an engine cannot do what a request asks for. Nothing was made up in its place. */
export class UnsupportedError extends BaseError {
  override readonly code = 'Engine.UnsupportedError'

  constructor({ feature, fix }: { feature: string; fix: string }) {
    super(`The engine does not support ${feature}.`, { metaMessages: [`Fix: ${fix}`] })
  }
}

/** Thrown when a request is larger than the model's context, so that no answer depends on its size. */
export class ContextLengthError extends BaseError {
  override readonly code = 'Engine.ContextLengthError'

  constructor(facts: { inputTokens: number; maxTokens: number; contextTokens: number }) {
    super('The prompt and the answer do not fit into the context of the model.', {
      metaMessages: [
        `Prompt: ${facts.inputTokens} tokens`,
        `maxTokens: ${facts.maxTokens}`,
        `Context: ${facts.contextTokens} tokens`,
        'Fix: shorten the prompt or ask for fewer tokens.',
      ],
    })
  }
}
