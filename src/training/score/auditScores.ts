import type * as Hex from '../../protocol/Hex.ts'
import type { AuditFinding } from '../auditRun.ts'
import { type Close, ownPayloadOf, readPayload } from '../closedRound.ts'
import { chance } from '../coordinator/scores.ts'
import type { Decision } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import type { Layout, Replica } from '../Replica.ts'
import { type Scored, scoreGroup } from './scoreGroup.ts'
import type { Measure } from './startMeasure.ts'

/**
 * Scores contributions of a round again, and compares what comes out with what the log says that two scorers
 * found alike.
 *
 * @param ports.contents what is at hand by its hash.
 * @param options.replica the state that the round began with.
 */
export async function* auditScores(
  { log, measure, contents }: auditScores.Ports,
  { layout, replica, close, data, isChosen }: auditScores.Options,
): AsyncGenerator<AuditFinding> {
  const { order } = log
  const { round, accepted } = close
  const decisions = log.decisions()
  for (const asked of decisions) {
    if (asked.kind !== 'scores-asked' || asked.round !== round) continue
    const { members, batch, group } = asked
    // The order of members is drawn, so the first one stands for a share of the groups.
    if (!isChosen(round, members[0]!)) continue
    const contributions: Scored[] = []
    for (const worker of members) {
      const { payload, weight } = accepted.find((each) => each.worker === worker)!
      const before = ownPayloadOf(order, decisions, { round, worker })
      const bytes = await contents(payload)
      const own = before && (await contents(before))
      if (!bytes || (before && !own)) {
        const what = `the payload of worker ${worker}, ${bytes ? before : payload}`
        return yield { kind: 'missing', round, what }
      }
      const update = readPayload(bytes, { layout, order, round })
      const late = own && readPayload(own, { layout, order, round: round - 1 })
      contributions.push({ worker, steps: weight, update, own: late })
    }
    const scores = await scoreGroup(measure, {
      layout,
      replica,
      contributions,
      terms: order,
      data,
      seed: [order.seed0, order.seed1],
      closedBy: batch,
    })
    yield* differences(decisions, { round, members, scores })
    yield { kind: 'scores', round, group }
  }
}

export declare namespace auditScores {
  type Ports = {
    log: Log
    measure: Measure
    contents: (hash: Hex.Hex) => Promise<Uint8Array | undefined>
  }
  type Options = {
    layout: Layout
    replica: Replica
    close: Close
    data: Uint8Array
    /** Groups are scored again whose first worker is chosen. */
    isChosen: (round: number, worker: number) => boolean
  }
}

function* differences(
  decisions: readonly Decision[],
  {
    round,
    members,
    scores,
  }: { round: number; members: readonly number[]; scores: readonly number[] },
): Generator<AuditFinding> {
  for (const each of decisions) {
    if (each.kind !== 'scored' || each.round !== round) continue
    const at = members.indexOf(each.worker)
    if (at < 0 || each.errorMilli === scores[at]! - chance) continue
    const [said, made] = [each.errorMilli, scores[at]! - chance].map((one) => one / 1000)
    const reason = `its score is ${said} by the log, and its payload makes ${made}`
    yield { kind: 'difference', round, worker: each.worker, reason, known: false }
  }
}
