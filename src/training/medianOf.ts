/** The lower of the two in the middle, if there are two, so that it is one of the values; of no values 0. */
export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0
}
