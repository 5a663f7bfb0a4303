import type * as Hex from '../protocol/Hex.ts'

/** What routing looks at in a lease. */
export type Choice = {
  readonly provider: Hex.Address
  readonly inFlight: number
  readonly concurrency: number
  /** Stride: how much the lease has been used for its weight. */
  readonly pass: number
}

/**
 * Which lease serves the next job: the one with the smallest part of its places taken, and among equals
 * the one used least for its weight (stride scheduling), so that work is spread over all of them and more
 * goes to the better ones. Undefined when no lease has a place.
 */
export function route<choice extends Choice>(choices: readonly choice[]): choice | undefined {
  const load = ({ inFlight, concurrency }: Choice) => inFlight / concurrency
  return choices
    .filter(({ inFlight, concurrency }) => inFlight < concurrency)
    .reduce<choice | undefined>((best, choice) => {
      if (!best) return choice
      const difference = load(choice) - load(best) || choice.pass - best.pass
      return difference < 0 ? choice : best
    }, undefined)
}

/** The lease's pass after one more job; a weight is a reputation, in (0, 1). */
export function nextPass(pass: number, weight: number): number {
  return pass + 1 / Math.max(0.01, weight)
}
