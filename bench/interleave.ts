/** What two ways of doing the same gave, measured in turns so that both meet the same machine. */
export type Comparison = {
  readonly a: Summary
  readonly b: Summary
  /** Median of a divided by median of b. */
  readonly ratio: number
  /** Median of the differences a - b of neighbouring measurements. */
  readonly difference: number
}

export type Summary = {
  readonly median: number
  /** The middle half. */
  readonly low: number
  readonly high: number
  readonly count: number
}

/**
 * Measures `a` and `b` in turns: a b, b a, a b ..., after some turns that do not count. One run a
 * figure would compare two moments of the machine, not two ways.
 */
export async function interleave(
  options: { readonly rounds: number; readonly warmup: number },
  a: () => Promise<number>,
  b: () => Promise<number>,
): Promise<Comparison> {
  const { rounds, warmup } = options
  const as: number[] = []
  const bs: number[] = []
  for (let round = -warmup; round < rounds; round++) {
    const order = round % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
    for (const which of order) {
      const figure = await (which === 'a' ? a() : b())
      if (round >= 0) (which === 'a' ? as : bs).push(figure)
    }
  }
  return {
    a: summary(as),
    b: summary(bs),
    ratio: median(as) / median(bs),
    difference: median(as.map((value, i) => value - bs[i]!)),
  }
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function summary(values: readonly number[]): Summary {
  return {
    median: median(values),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    count: values.length,
  }
}

function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new RangeError('Nothing was measured.')
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (high - low) * (at - Math.floor(at))
}
