import { sha256 } from '../../exact/commit/sha256.ts'
import { words } from '../../exact/commit/words.ts'
import { batchesOf } from '../../exact/data.ts'
import * as Hex from '../../protocol/Hex.ts'
import { draw } from '../coordinator/settle.ts'
import { medianOf } from '../medianOf.ts'
import { beginningOf } from '../node/makeContribution.ts'
import type { Terms } from '../payload/Rule.ts'
import { forEach, squaredNorm, type Update } from '../payload/Update.ts'
import { type Layout, type Replica, unflatten } from '../Replica.ts'
import { seedOf } from '../segment.ts'
import type { Measure } from './startMeasure.ts'

/** A contribution to be scored. */
export type Scored = {
  readonly worker: number
  /** Inner steps that it says it took. */
  readonly steps: number
  /** Undefined when the payload is none of this run. */
  readonly update: Update | undefined
  /** The update that the last round accepted of its worker, where aggregates are late. */
  readonly own?: Update | undefined
}

/**
 * Scores contributions of a round by what each alone does to the loss: how much more it lowers that of pages that the log
 * gave its worker than that of pages that it gave nobody, in standard errors of the latter. Who did not learn from its pages
 * before the round closed comes to about zero, whatever else it sends, because both are drawn alike from the same data.
 * The batches follow from the hash of the batch that closed the round. All is exact, so honest scorers come to the same
 * numbers. (Gauntlet, arXiv 2505.21684, compares losses on assigned and on random data, too.)
 *
 * @returns what `Score` says of each, thousandths of a standard error from -8 on.
 */
export async function scoreGroup(
  measure: Measure,
  { contributions, closedBy, pause, ...rest }: scoreGroup.Options,
): Promise<readonly number[]> {
  const { layout, replica, terms, data, seed } = rest
  const loud = loudOf(contributions)
  const drawn = batchesOf(measure.graph, { data, seed: controlSeed(closedBy), worker: control })
  const controls = Array.from({ length: controlBatches }, (_, at) => drawn(at))
  const lossOf = async (batches: readonly (readonly Uint8Array[])[]) => {
    const losses: number[] = []
    for (const batch of batches) {
      losses.push(measure.loss(batch))
      await pause?.()
    }
    return losses
  }
  const scores: number[] = []
  /** Of the state that all begin with, where they do. */
  let shared: readonly number[] | undefined
  for (const [at, { worker, steps, update, own }] of contributions.entries()) {
    if (!update || loud[at]) {
      scores.push(0)
      continue
    }
    const { base } = beginningOf({ terms, replica, before: undefined, own, layout })
    const batchAt = batchesOf(measure.graph, { data, seed: seedOf(seed, replica.rounds), worker })
    const given = chosen(steps, { closedBy, worker }).map((step) => batchAt(step))
    measure.take(unflatten(layout, replica.parameters, base))
    const before = await lossOf(given)
    const elsewhere = (own ? undefined : shared) ?? (await lossOf(controls))
    if (!own) shared = elsewhere
    forEach(update, (index, value) => (base[index] = Math.fround(base[index]! - value)))
    measure.take(unflatten(layout, replica.parameters, base))
    const dropsOf = (losses: readonly number[], after: readonly number[]) =>
      losses.map((loss, batch) => loss - after[batch]!)
    scores.push(
      scoreOf(dropsOf(before, await lossOf(given)), dropsOf(elsewhere, await lossOf(controls))),
    )
  }
  return scores
}

export declare namespace scoreGroup {
  type Options = {
    layout: Layout
    /** The state that the round began with. */
    replica: Replica
    contributions: readonly Scored[]
    terms: Terms
    data: Uint8Array
    /** The order's. */
    seed: readonly [number, number]
    /** Hash of the batch that closed the round. */
    closedBy: Hex.Hex
    /** Called after each batch, so that others get their turn. */
    pause?: (() => Promise<void>) | undefined
  }
}

/**
 * How far the mean of what a worker was given lies above that of others, in standard errors as the others' spread gives
 * them; as a score.
 */
export function scoreOf(given: readonly number[], others: readonly number[]): number {
  const centre = meanOf(others)
  const spread = others.reduce((sum, each) => sum + (each - centre) ** 2, 0) / (others.length - 1)
  const error = Math.sqrt(spread * (1 / given.length + 1 / others.length))
  const above = meanOf(given) - centre
  if (!Number.isFinite(above) || !Number.isFinite(error)) return 0
  const errors = error > 0 ? above / error : Math.sign(above) * widest
  return Math.round((Math.max(-widest, Math.min(widest, errors)) + widest) * 1000)
}

/**
 * Which are over eight times as long as the median of the others, and as it would be with as many steps: no honest worker is,
 * and what they do to the loss says nothing.
 */
function loudOf(contributions: readonly Scored[]): readonly boolean[] {
  const rows = contributions.flatMap(({ update, steps }, at) =>
    update ? [{ at, steps, norm: Math.sqrt(squaredNorm(update)) }] : [],
  )
  return contributions.map((_, at) => {
    const own = rows.find((row) => row.at === at)
    const others = rows.filter((row) => row !== own)
    if (!own || others.length === 0) return false
    const norm = medianOf(others.map((row) => row.norm))
    const steps = medianOf(others.map((row) => row.steps))
    return own.norm > loudness * norm * Math.max(1, own.steps / steps)
  })
}

/** Which of its steps a worker's pages are taken from: all, or some that were drawn. */
function chosen(
  steps: number,
  { closedBy, worker }: { closedBy: Hex.Hex; worker: number },
): readonly number[] {
  const left = Array.from({ length: steps }, (_, step) => step)
  return Array.from({ length: Math.min(steps, givenBatches) }, (_, nth) => {
    const [step] = left.splice(draw(closedBy, worker, stepDraws + nth) % left.length, 1)
    return step!
  })
}

/** Of pages that nobody was given: no other seed comes from two hashes of a batch. */
function controlSeed(closedBy: Hex.Hex): [number, number] {
  const hash = sha256(words(sha256(Hex.toBytes(closedBy))))
  const view = new DataView(hash.buffer, hash.byteOffset)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}

/** Standard errors beyond which nothing more is said. */
const widest = 8
const loudness = 8
/** Batches of a worker's own, and of nobody's, that losses are measured on. */
const givenBatches = 8
const controlBatches = 16
/** The stream of batches of nobody's: no worker has this number. */
const control = 0x0fff_ffff
/** Beyond the draws of auditors. */
const stepDraws = 1000
