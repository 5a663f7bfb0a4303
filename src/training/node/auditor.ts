import type { Run } from '../../exact/train/startRun.ts'
import type { Source } from '../../network/Bulk.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import type * as Audit from '../../protocol/training/Audit.ts'
import type { Commitment } from '../../protocol/training/Commitment.ts'
import type { Logger } from '../../runtime/Logger.ts'
import { ownPayloadOf, readPayload } from '../closedRound.ts'
import type { State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { greatestBytes } from '../payload/Rule.ts'
import { hashOf, type Layout, lengthOf, type Replica } from '../Replica.ts'
import { compare, type SegmentClaim, segmentClaim } from '../segmentClaim.ts'
import { auditSegment } from './auditSegment.ts'
import type { Claims } from './Claims.ts'
import type { Contents } from './Contents.ts'
import { beginningOf } from './makeContribution.ts'
import { floats } from './makePayload.ts'
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
  const { log, run, contents, replicas, logger, layout, data, claims, domain } = ports
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
    const claim = claims && (await claimAt(commitment, source))
    if (claim === 'gone') return { outcome: 'unavailable', reason: 'Segment.ClaimGone' } as const
    const roots: Uint8Array[] | undefined = claims ? [] : undefined
    const given = { replica: from, layout, own, terms: order }
    const found = await auditSegment(run, {
      ...given,
      commitment,
      before,
      roots,
      data,
      seed: [order.seed0, order.seed1],
      worker: number,
      stepsPerRound: order.steps,
      signal,
    })
    if (!roots) return found
    const { begin } = beginningOf({
      ...given,
      before: before === 'none' ? undefined : floats(before),
    })
    const segment = segmentClaim(order, { run: log.run, round, worker: number, roots })
    return (await problemOf(claim, { commitment, segment, begin })) ?? found
  }

  /** The claim that a commitment names; undefined when those bytes are none of its author's. */
  async function claimAt(
    { claim, worker }: Commitment,
    source: Source,
  ): Promise<Signed<ExactClaim.ExactClaim> | 'gone' | undefined> {
    const options = { maxBytes: claimBytes, signal }
    const bytes = await contents.get(claim, [source], options).catch(() => undefined)
    if (!bytes) return 'gone'
    try {
      const signed = ExactClaim.deserialize(bytes)
      return ExactClaim.verify(domain, signed).claimant === worker ? signed : undefined
    } catch {
      return undefined
    }
  }

  /** What is wrong with a claim; one that is about this segment and false goes to the chain. */
  async function problemOf(
    claim: Signed<ExactClaim.ExactClaim> | undefined,
    {
      commitment,
      segment,
      begin,
    }: { commitment: Commitment; segment: SegmentClaim; begin: Replica },
  ) {
    const invalid = (reason: string) => ({ outcome: 'invalid', reason }) as const
    const compared = claim ? compare(claim.message, segment) : 'other'
    if (!claim || compared === 'other' || claim.message.end !== commitment.end)
      return invalid('Segment.ClaimDiffers')
    const obstacle = await claims!.obstacle(claim.message)
    if (obstacle !== undefined) {
      logger.info({ worker: commitment.worker, obstacle }, 'Nobody answers for a claim.')
      return invalid('Segment.ClaimUncovered')
    }
    if (compared === 'equal') return undefined
    await claims!.challenge(claim, begin)
    return invalid('Segment.EndDiffers')
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
    domain: Domain.Domain
    /** Of tier `exact`, where segments are claims. */
    claims?: Claims | undefined
  }
  type Options = { own: Hex.Address; signal: AbortSignal }
}

const findingLimit = 256
/** A signed claim takes about a thousand. */
const claimBytes = 4096
