import type * as Completion from '../protocol/Completion.ts'
import type { Ask } from './parameters.ts'

/** How one family of answers looks on the wire; `completionAnswer.ts` fills it in. */
export type Shape = {
  readonly idPrefix: string
  readonly object: string
  readonly chunkObject: string
  /** A whole choice. */
  readonly choice: (choice: Choice & { readonly ask: Ask }) => object
  /** The first chunk of a choice, when there is one. */
  readonly opening?: (index: number) => object
  readonly delta: (index: number, delta: Completion.Delta, ask: Ask) => object
  readonly closing: (index: number, finishReason: Completion.FinishReason) => object
}

/** A choice as it was delivered. */
export type Choice = {
  readonly index: number
  readonly text: string
  readonly finishReason: Completion.FinishReason
  readonly logprobs: readonly Completion.Logprob[] | undefined
  readonly usage: Completion.Usage
}

/** Adds up what the choices used. */
export function sumUsage(usages: readonly Completion.Usage[]): Completion.Usage {
  return usages.reduce(
    (sum, usage) => ({
      inputTokens: sum.inputTokens + usage.inputTokens,
      outputTokens: sum.outputTokens + usage.outputTokens,
    }),
    { inputTokens: 0, outputTokens: 0 },
  )
}
