import { medianOf } from '../medianOf.ts'
import { type Contribution, mean } from './mean.ts'
import { compare, toVector } from './Update.ts'

/**
 * The mean of what is left of each entry when the `liars` least and the `liars` greatest values are left
 * out (Yin et al. 2018, arXiv 1803.01498): with no more liars than that, every entry lies among those of
 * honest workers. An entry that a worker did not send counts as zero, so of sparse updates little is left.
 *
 * @throws {PayloadError} as `mean` does.
 */
export function trimmedMean(contributions: readonly Contribution[], liars: number): Float32Array {
  const result = mean(contributions)
  const cut = Math.min(liars, Math.floor((contributions.length - 1) / 2))
  if (cut === 0) return result
  const vectors = contributions.map(({ update }) => toVector(update))
  const row = contributions.map(({ weight }) => ({ value: 0, weight }))
  return result.map((_, at) => {
    row.forEach((each, worker) => {
      each.value = vectors[worker]![at]!
      each.weight = contributions[worker]!.weight
    })
    row.sort((a, b) => a.value - b.value || a.weight - b.weight)
    let [sum, total] = [0, 0]
    for (const { value, weight } of row.slice(cut, row.length - cut)) {
      sum += value * weight
      total += weight
    }
    return sum / total
  })
}

/**
 * Starts at zero and three times goes by the weighted mean of the differences to the updates, those
 * longer than the median cut down to it (Karimireddy et al. 2021, arXiv 2012.10333): a liar moves the
 * result no further than an honest worker could.
 *
 * @throws {PayloadError} as `mean` does.
 */
export function centredClipping(contributions: readonly Contribution[]): Float32Array {
  let centre = new Float64Array(mean(contributions).length)
  // Sums of 64-bit floats depend on their order, so it is one of content.
  const ordered = contributions
    .toSorted((a, b) => compare(a.update, b.update) || a.weight - b.weight)
    .map(({ update, weight }) => ({ vector: toVector(update), weight }))
  const total = ordered.reduce((sum, { weight }) => sum + weight, 0)
  for (let turn = 0; turn < clippingTurns; turn++) {
    const distances = ordered.map(({ vector }) => Math.sqrt(squaredDistance(vector, centre)))
    const radius = medianOf(distances)
    const next = centre.slice()
    ordered.forEach(({ vector, weight }, at) => {
      const share = (weight / total) * (distances[at]! > radius ? radius / distances[at]! : 1)
      for (let index = 0; index < next.length; index++)
        next[index]! += share * (vector[index]! - centre[index]!)
    })
    centre = next
  }
  return Float32Array.from(centre)
}

/**
 * The mean of the updates that have the nearest neighbours, all but `liars` of them (multi-Krum,
 * Blanchard et al. 2017, arXiv 1703.02757): an update's score is the sum of its squared distances to the
 * n - liars - 2 updates nearest to it. It bears fewer than (n - 2) / 2 liars.
 *
 * @throws {PayloadError} as `mean` does.
 */
export function krum(contributions: readonly Contribution[], liars: number): Float32Array {
  const count = contributions.length
  const borne = Math.max(0, Math.min(liars, Math.floor((count - 3) / 2)))
  if (borne === 0) return mean(contributions)
  const vectors = contributions.map(({ update }) => toVector(update))
  const distances = vectors.map(() => new Float64Array(count))
  for (let one = 0; one < count; one++)
    for (let other = 0; other < one; other++) {
      const distance = squaredDistance(vectors[one]!, vectors[other]!)
      distances[one]![other] = distance
      distances[other]![one] = distance
    }
  const scored = contributions.map((contribution, worker) => {
    const nearest = distances[worker]!.filter((_, other) => other !== worker).sort()
    const score = nearest.subarray(0, count - borne - 2).reduce((sum, each) => sum + each, 0)
    return { contribution, score }
  })
  const best = scored.toSorted(
    (a, b) =>
      a.score - b.score ||
      compare(a.contribution.update, b.contribution.update) ||
      a.contribution.weight - b.contribution.weight,
  )
  return mean(best.slice(0, count - borne).map(({ contribution }) => contribution))
}

const clippingTurns = 3

function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let index = 0; index < a.length; index++) sum += (a[index]! - b[index]!) ** 2
  return sum
}
