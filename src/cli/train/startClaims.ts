import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import type { Chain } from '../../chain/Chain.ts'
import type { Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import type { Clock } from '../../runtime/Clock.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Store } from '../../runtime/Store.ts'
import type { Report } from '../../settlement/DisputePorts.ts'
import type { Log } from '../../training/log/openLog.ts'
import type { Claims } from '../../training/node/Claims.ts'
import { flatten, type Replica, unflatten } from '../../training/Replica.ts'
import { segmentStart } from '../../training/segment.ts'
import { recordRun } from '../../verification/dispute/recordRun.ts'
import { type Prover, startProver } from '../../verification/dispute/startProver.ts'
import { startDisputes } from '../dispute/startDisputes.ts'
import { UnknownRunError } from '../dispute/UnknownRunError.ts'
import { topUpCredit } from '../dispute/topUpCredit.ts'
import { windowFor } from '../dispute/windowFor.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import type { Prepared } from './prepareRun.ts'

/** A node's part in the disputes about a run's segments. */
export type SegmentClaims = Claims &
  AsyncDisposable & {
    /** Waits, at least so long but not for ever, until no dispute of ours is open. @returns how many there were. */
    settle(options: { leastMs: number }): Promise<number>
  }

/**
 * Answers for a worker's segments on the chain of its run: signs a claim of each, defends those that are
 * challenged, and challenges false ones that it is told of. What it takes to compute a segment again is kept in
 * a folder for as long as its claim can be challenged.
 *
 * @throws {ShortOfCreditError} when the account has not the money for a bond.
 */
export async function startClaims(
  ports: startClaims.Ports,
  { folder, report }: startClaims.Options,
): Promise<SegmentClaims> {
  const { chain, log, identity, domain, prepared, clock } = ports
  const { bondMicroUsd } = log.order
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  await topUpCredit(chain, bondMicroUsd)
  const windowSeconds = windowFor(chain.parameters.disputes)
  const kept = keptIn(folder, prepared)

  async function proverFor(claim: ExactClaim.ExactClaim, id: Hex.Hex): Promise<Prover> {
    const begin = kept.find(id)
    if (!begin) throw new UnknownRunError(id)
    const { run, layout, training: data } = prepared
    const start = segmentStart(run, { layout, replica: begin, stepsPerRound: log.order.steps })
    const { seed0, seed1, worker, steps } = claim
    const options = { graph: run.graph, start, data, seed: [seed0, seed1] as const, worker, steps }
    const { stateRoots, checkpoints } = await recordRun(ports, options)
    return startProver(ports, { ...options, stateRoots, checkpoints })
  }

  /** Its members say where they are when they join a run, not by offers. */
  const peerOf = (claimant: Hex.Address) =>
    log.state().workers.find(({ address }) => address === claimant)?.peer

  await using stack = new AsyncDisposableStack()
  const keeper = stack.use(await startDisputes({ ...ports, proverFor, peerOf }, { report }))
  const owned = stack.move()
  return {
    async sign(segment, begin) {
      const { timestampSeconds } = await chain.head()
      const message: ExactClaim.ExactClaim = {
        ...segment,
        claimant: identity.address,
        bond: bondMicroUsd,
        challengeUntil: timestampSeconds + windowSeconds,
      }
      const claim = ExactClaim.sign(domain, message, identity)
      kept.forget(timestampSeconds)
      kept.keep(ExactClaim.hash(domain, message), claim, begin)
      return claim
    },
    async obstacle({ bond, challengeUntil, claimant }) {
      if (bond < bondMicroUsd) return 'Claim.BondTooSmall'
      const { timestampSeconds } = await chain.head()
      if (challengeUntil < timestampSeconds + windowSeconds / 2) return 'Claim.WindowTooShort'
      const { freeMicroUsd, reservedMicroUsd } = await chain.credit(claimant)
      return freeMicroUsd + reservedMicroUsd < bond ? 'Claim.NoCredit' : undefined
    },
    async challenge(claim, begin) {
      kept.keep(ExactClaim.hash(domain, claim.message), claim, begin)
      await keeper.challenge(claim)
    },
    async settle({ leastMs }) {
      const beganAt = clock.now()
      for (;;) {
        const ours = await keeper.ours()
        const going = ours.filter(({ done }) => !done)
        // One that is decided may have money to come, later.
        const found = await Promise.all(going.map(({ id }) => chain.dispute(id)))
        const lateMs = clock.now() - beganAt
        const isQuiet = found.every(({ state }) => state !== 'open') && lateMs >= leastMs
        if (isQuiet || lateMs >= settleMs) return ours.length
        await clock.sleep(500)
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startClaims {
  type Ports = {
    log: Log
    chain: Chain
    network: Network
    identity: Identity
    clock: Clock
    logger: Logger
    store: Store
    domain: Domain.Domain
    backend: Backend
    prepared: Prepared
  }
  type Options = { folder: string; report?: ((report: Report) => void) | undefined }
}

/** A dispute that both play takes seconds, one that a side stalls as long as its clock. */
const settleMs = 15 * 60_000
/** How long after the last moment of a challenge a dispute may still go on. */
const afterSeconds = 7 * 86_400

/** The beginnings of segments, by the ids of their claims: the round and the trained parameters. */
function keptIn(folder: string, { layout, start }: Prepared) {
  const pathOf = (id: string, kind: 'json' | 'f32') => join(folder, `${id}.${kind}`)
  return {
    keep(id: Hex.Hex, claim: Signed<ExactClaim.ExactClaim>, { rounds, parameters }: Replica): void {
      const { buffer } = flatten(layout, parameters)
      writeAtomically(pathOf(id, 'f32'), new Uint8Array(buffer))
      writeAtomically(pathOf(id, 'json'), `${Json.stringify({ claim, rounds })}\n`)
    },
    find(id: Hex.Hex): Replica | undefined {
      if (!existsSync(pathOf(id, 'json'))) return undefined
      const { rounds } = JSON.parse(readFileSync(pathOf(id, 'json'), 'utf8')) as { rounds: number }
      // A copy of its own: what is read may lie anywhere in a pool.
      const bytes = Uint8Array.from(readFileSync(pathOf(id, 'f32')))
      const vector = new Float32Array(bytes.buffer)
      return { rounds, parameters: unflatten(layout, start, vector) }
    },
    /** Removes those that nobody can challenge any more. */
    forget(nowSeconds: number): void {
      for (const name of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
        const text = readFileSync(join(folder, name), 'utf8')
        const { claim } = JSON.parse(text) as { claim: Signed<ExactClaim.ExactClaim> }
        if (Number(claim.message.challengeUntil) + afterSeconds > nowSeconds) continue
        for (const kind of ['json', 'f32'] as const)
          rmSync(pathOf(name.slice(0, -5), kind), { force: true })
      }
    },
  }
}
