import { BaseError } from '../runtime/Errors.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as Hex from '../protocol/Hex.ts'

/** What runs a job, as a port. One file in this folder per implementation. */
export type Engine = AsyncDisposable & {
  /** What it can run. */
  readonly models: readonly Model[]
  /**
   * Runs a completion: deltas as they are made, then one `completion-end`.
   *
   * @throws {UnknownModelError} when the model is not among `models`.
   * @throws {EngineError} when the runtime fails or answers garbage; never a partial `completion-end`.
   */
  complete(
    request: Completion.Request,
    options: { signal: AbortSignal },
  ): AsyncGenerator<CompletionEvent>
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
