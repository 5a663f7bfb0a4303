import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import * as Score from '../../protocol/training/Score.ts'
import * as Seal from '../../protocol/training/Seal.ts'
import type { Clock } from '../../runtime/Clock.ts'
import type { Logger } from '../../runtime/Logger.ts'
import { ownPayloadOf, readPayload } from '../closedRound.ts'
import { isShown } from '../coordinator/scores.ts'
import type { ClosedRound, ScoreGroup, State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { hashOf, type Layout } from '../Replica.ts'
import { type Scored, scoreGroup } from '../score/scoreGroup.ts'
import type { Measure } from '../score/startMeasure.ts'
import type { Replicas } from './openReplicas.ts'
import type { Upkeep } from './upkeep.ts'

/** A node's scores of others' contributions. */
export type Scorer = {
  /** What is to be said now and is not in the log yet: a seal, or what it is about. */
  words(state: State, own: Member): readonly (readonly [key: string, () => Entry.Entry])[]
  /** A group that is still to be scored. */
  next(state: State, own: Member): ScoreDuty | undefined
  /** Scores it, and keeps what came out. */
  score(state: State, duty: ScoreDuty): Promise<void>
}

export type ScoreDuty = {
  /** Of the group on this branch of the log. */
  readonly key: string
  readonly at: number
  readonly group: ScoreGroup
  readonly closed: ClosedRound
}

/** Makes the scorer of a node. */
export function scorerOf(ports: scorerOf.Ports, { signal }: { signal: AbortSignal }): Scorer {
  const { log, measure, replicas, identity, domain, layout, data, clock, logger } = ports
  const { order } = log
  const found = new Map<string, readonly number[] | undefined>()

  function duties({ open }: State, { number: self }: Member): readonly ScoreDuty[] {
    return open.flatMap((closed) =>
      closed.groups.flatMap((group, at) => {
        const isDue = !group.isOver && group.scorers.get(self)?.scores === undefined
        const key = `${closed.number} ${at} ${closed.batch}`
        return isDue && group.scorers.has(self) ? [{ key, at, group, closed }] : []
      }),
    )
  }

  /** The same after a crash: nobody else can sign the seal of nothing. */
  function scoreOf({ closed, at }: ScoreDuty, scores: readonly number[]): Score.Score {
    const { number: round, batch } = closed
    const about = { run: log.run, scorer: identity.address, round, batch, group: at }
    const { signature } = Seal.sign(domain, { ...about, seal: Hex.zero }, identity)
    return { ...about, salt: Hex.sha256(signature), scores }
  }

  async function contributionsOf({ group, closed }: ScoreDuty, state: State) {
    const contributions: Scored[] = []
    const { number: round } = closed
    for (const { worker, steps, payload } of group.members) {
      const bytes = await ports.upkeep.payloadOf(state, payload, worker)
      const before = ownPayloadOf(order, log.decisions(), { round, worker })
      const own = before && (await ports.upkeep.payloadOf(state, before, worker))
      if (!bytes || (before && !own)) return undefined
      contributions.push({
        worker,
        steps,
        update: readPayload(bytes, { layout, order, round }),
        own: own && readPayload(own, { layout, order, round: round - 1 }),
      })
    }
    return contributions
  }

  return {
    words: (state, own) =>
      duties(state, own).flatMap((duty) => {
        const scores = found.get(duty.key)
        if (!scores) return []
        const message = scoreOf(duty, scores)
        const isBound = duty.group.scorers.get(own.number)!.seal !== undefined
        if (isBound && !isShown(state, duty.group)) return []
        const { salt: _, scores: __, ...about } = message
        const entry = (): Entry.Entry =>
          isBound
            ? { kind: 'score', signed: Score.sign(domain, message, identity) }
            : {
                kind: 'seal',
                signed: Seal.sign(domain, { ...about, seal: Score.sealOf(message) }, identity),
              }
        return [[`${isBound ? 'score' : 'seal'} ${duty.key}`, entry] as const]
      }),
    next: (state, own) => duties(state, own).find(({ key }) => !found.has(key)),
    async score(state, duty) {
      const { closed, group, key } = duty
      const replica = replicas.at(closed.number)
      const isBeginning = replica && hashOf(layout, replica) === group.parent
      const contributions = isBeginning ? await contributionsOf(duty, state) : undefined
      const scores =
        contributions &&
        (await scoreGroup(measure, {
          layout,
          replica: replica!,
          contributions,
          terms: order,
          data,
          seed: [order.seed0, order.seed1],
          closedBy: closed.batch,
          // Lets the log be followed between batches.
          pause: () => clock.sleep(0, { signal }),
        }))
      logger.info({ round: closed.number, scores }, 'Scored a group.')
      // Who has not what it takes leaves it to the others.
      found.set(key, scores)
      if (found.size > foundLimit) found.delete(found.keys().next().value!)
    },
  }
}

export declare namespace scorerOf {
  type Ports = {
    log: Log
    measure: Measure
    replicas: Replicas
    identity: Identity
    domain: Domain.Domain
    layout: Layout
    data: Uint8Array
    clock: Clock
    logger: Logger
    upkeep: Pick<Upkeep, 'payloadOf'>
  }
}

const foundLimit = 256
