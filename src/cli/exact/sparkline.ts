/**
 * Numbers as a line of small bars, in the order given, from the least to the greatest of them.
 *
 * @param width how many bars at most; each shows the mean of as many numbers.
 */
export function sparkline(values: readonly number[], width: number): string {
  const means = bucketMeans(values.filter(Number.isFinite), width)
  const least = Math.min(...means)
  const range = Math.max(...means) - least
  return means
    .map((mean) => bars[range > 0 ? Math.round(((mean - least) / range) * (bars.length - 1)) : 0])
    .join('')
}

/** At most `count` means of numbers one after the other. */
export function bucketMeans(values: readonly number[], count: number): readonly number[] {
  const buckets = Math.min(count, values.length)
  return Array.from({ length: buckets }, (_, bucket) => {
    const [begin, end] = [bucket, bucket + 1].map((at) =>
      Math.floor((at * values.length) / buckets),
    )
    const part = values.slice(begin, end)
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
}

const bars = '▁▂▃▄▅▆▇█'
