import type * as Completion from '../protocol/Completion.ts'

/** What one delta holds at most when several are gathered. */
const limits = { tokens: 1_024, characters: 32_768 } as const

/** Turns of the microtask queue in which a delta that is already there comes out of its generators. */
const turns = 64

/**
 * Passes deltas on, those that are there at the same moment as one: an engine that got forty tokens in
 * one packet must not cost forty messages. Nothing waits for more to come.
 */
export async function* gatherDeltas<end>(
  deltas: AsyncGenerator<Completion.Delta, end, undefined>,
): AsyncGenerator<Completion.Delta, end, undefined> {
  let next = ask(deltas)
  try {
    for (;;) {
      const step = await next.promise
      if (step.done) return step.value
      const parts = [step.value]
      next = ask(deltas)
      while (fits(parts) && (await arrives(next)) && next.step?.done === false) {
        parts.push(next.step.value)
        next = ask(deltas)
      }
      yield parts.length === 1 ? parts[0]! : merge(parts)
    }
  } finally {
    // What was asked for in advance may fail when nobody reads any more.
    next.promise.catch(() => {})
  }
}

type Asked<end> = {
  readonly promise: Promise<IteratorResult<Completion.Delta, end>>
  step: IteratorResult<Completion.Delta, end> | undefined
  failed: boolean
}

function ask<end>(deltas: AsyncGenerator<Completion.Delta, end, undefined>): Asked<end> {
  const asked: Asked<end> = { promise: deltas.next(), step: undefined, failed: false }
  asked.promise.then(
    (step) => (asked.step = step),
    () => (asked.failed = true),
  )
  return asked
}

async function arrives(asked: Asked<unknown>): Promise<boolean> {
  for (let turn = 0; turn < turns && !asked.step && !asked.failed; turn++) await Promise.resolve()
  return asked.step !== undefined
}

function fits(parts: readonly Completion.Delta[]): boolean {
  const tokens = parts.reduce((sum, { tokenIds }) => sum + Math.max(1, tokenIds.length), 0)
  const characters = parts.reduce((sum, { text }) => sum + text.length, 0)
  return tokens < limits.tokens && characters < limits.characters
}

function merge(parts: readonly Completion.Delta[]): Completion.Delta {
  const text = parts.map((part) => part.text).join('')
  const tokenIds = parts.flatMap((part) => part.tokenIds)
  const scored = parts.some(({ logprobs }) => logprobs)
  return scored
    ? { text, tokenIds, logprobs: parts.flatMap(({ logprobs = [] }) => logprobs) }
    : { text, tokenIds }
}
