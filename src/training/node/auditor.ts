import type { Run } from '../../exact/train/startRun.ts'
import type { Source } from '../../network/Bulk.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Audit from '../../protocol/training/Audit.ts'
import type { Commitment } from '../../protocol/training/Commitment.ts'
import type { Logger } from '../../runtime/Logger.ts'
import { ownPayloadOf, readPayload } from '../closedRound.ts'
import type { State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { greatestBytes } from '../payload/Rule.ts'
import { hashOf, type Layout, lengthOf, type Replica } from '../Replica.ts'
import { auditSegment } from './auditSegment.ts'
import type { Contents } from './Contents.ts'
import type { Replicas } from './openReplicas.ts'

/** A node's audits of others' contributions. */
export type Auditor = {
  /** What was found and is not in the log yet. */
  findings(state: State, own: Member): readonly (readonly [key: string, audit: Audit.Audit])[]
  /** A contribution that is still to be run again. */
  next(state: State, own: Member): Duty | undefined
  /** Runs it again, and keeps what was found. */
  audit(state: State, duty: Duty): Promise<void>
}

export type Duty = {
  /** Of the contribution on this branch of the log. */
  readonly key: string
  /** The batch that closed its round. */
  readonly batch: Hex.Hex
  readonly worker: number
  readonly commitment: Commitment
}

/** Makes the auditor of a node. */
export function auditorOf(ports: auditorOf.Ports, { own, signal }: auditorOf.Options): Auditor {
  const { log, run, contents, replicas, logger, layout, data } = ports
  const { order } = log
  const found = new Map<string, Omit<Audit.Audit, 'batch'>>()

  /** Contributions that we are to run again, as long as the log waits for it. */
  function duties({ open }: State, { number: self }: Member): readonly Duty[] {
    return open.flatMap(({ number, batch, contributions }) =>
      [...contributions]
        .filter(([, { audits }]) => audits.get(self) === 'assigned')
        .map(([worker, { commitment }]) => ({
          worker,
          commitment,
          batch,
          key: `${number} ${worker} ${batch}`,
        })),
    )
  }

  async function examine(
    commitment: Commitment,
    { from, number, source }: { from: Replica; number: number; source: Source },
  ) {
    const { errorBefore, round } = commitment
    const options = { maxBytes: lengthOf(layout) * 4, signal }
    const before =
      errorBefore === Hex.zero
        ? 'none'
        : await contents.get(errorBefore, [source], options).catch(() => undefined)
    if (!before) return { outcome: 'unavailable', reason: 'Segment.ErrorVectorGone' } as const
    const payload = ownPayloadOf(order, log.decisions(), { round, worker: number })
    const bytes = payload && (await payloadOf(payload, source))
    const own = bytes && readPayload(bytes, { layout, order, round: round - 1 })
    if (payload && !own) return { outcome: 'unavailable', reason: 'Segment.OwnUpdateGone' } as const
    return auditSegment(run, {
      commitment,
      replica: from,
      layout,
      before,
      own,
      terms: order,
      data,
      seed: [order.seed0, order.seed1],
      worker: number,
      stepsPerRound: order.steps,
      signal,
    })
  }

  function payloadOf(payload: Hex.Hex, source: Source): Promise<Uint8Array | undefined> {
    const maxBytes = greatestBytes(order, lengthOf(layout))
    return contents.get(payload, [source], { maxBytes, signal }).catch(() => undefined)
  }

  return {
    findings: (state, self) =>
      duties(state, self).flatMap(({ key, batch }) => {
        const audit = found.get(key)
        return audit ? [[key, { ...audit, batch }] as const] : []
      }),
    next: (state, self) => duties(state, self).find(({ key }) => !found.has(key)),
    async audit(state, { worker, commitment, key }) {
      const { number, source } = state.workers[worker]!
      const from = replicas.at(commitment.round)
      const { outcome, reason } =
        from && hashOf(layout, from) === commitment.parent
          ? await examine(commitment, { from, number, source })
          : ({ outcome: 'declined', reason: 'Segment.StateGone' } as const)
      const { round } = commitment
      const facts = { worker: commitment.worker, round, outcome, reason }
      logger.info(facts, 'Ran a segment again.')
      found.set(key, { run: log.run, auditor: own, ...facts })
      if (found.size > findingLimit) found.delete(found.keys().next().value!)
    },
  }
}

export declare namespace auditorOf {
  type Ports = {
    log: Log
    /** Of the order's training graph. */
    run: Run
    contents: Contents
    replicas: Replicas
    logger: Logger
    layout: Layout
    data: Uint8Array
  }
  type Options = { own: Hex.Address; signal: AbortSignal }
}

const findingLimit = 256
