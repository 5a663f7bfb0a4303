import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import type { Chain } from '../../chain/Chain.ts'
import type { Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
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
  const { disputes } = chain.parameters
  const windowSeconds = windowFor(disputes)
  const kept = keptIn(folder, prepared)
  /** As long as a dispute about it can go on: until both clocks of the last one have run out. */
  const keep = (claim: ExactClaim.ExactClaim, begin: Replica) =>
    kept.keep(
      ExactClaim.hash(domain, claim),
      begin,
      claim.challengeUntil + 2 * disputes.clockSeconds + sparedSeconds,
    )

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
      keep(message, begin)
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
      keep(claim.message, begin)
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
/** Blocks come when they come. */
const sparedSeconds = 3_600

/**
 * The beginnings of segments, by the ids of their claims, each in a file: the round and the last moment that it
 * is needed, in seconds, as two words of 64 bits, then the trained parameters.
 */
function keptIn(folder: string, { layout, start }: Prepared) {
  const pathOf = (id: string) => join(folder, `${id}.begin`)
  const until = new Map<string, number>()
  for (const name of readdirSync(folder)) {
    const [id] = /^0x[0-9a-f]{64}(?=\.begin$)/.exec(name) ?? []
    if (id !== undefined) until.set(id, headOf(readFileSync(pathOf(id))).untilSeconds)
  }
  return {
    keep(id: Hex.Hex, { rounds, parameters }: Replica, untilSeconds: number): void {
      const words = BigUint64Array.of(BigInt(rounds), BigInt(untilSeconds))
      const vector = flatten(layout, parameters)
      writeAtomically(
        pathOf(id),
        Buffer.concat([words, vector].map(({ buffer }) => new Uint8Array(buffer))),
      )
      until.set(id, untilSeconds)
    },
    find(id: Hex.Hex): Replica | undefined {
      if (!until.has(id)) return undefined
      const file = readFileSync(pathOf(id))
      // A copy of its own: what is read may lie anywhere in a pool.
      const vector = new Float32Array(Uint8Array.from(file.subarray(headBytes)).buffer)
      return { rounds: headOf(file).rounds, parameters: unflatten(layout, start, vector) }
    },
    /** Removes those that no dispute needs any more. */
    forget(nowSeconds: number): void {
      for (const [id, untilSeconds] of until) {
        if (untilSeconds >= nowSeconds) continue
        rmSync(pathOf(id), { force: true })
        until.delete(id)
      }
    },
  }
}

const headBytes = 16

function headOf(file: Buffer): { readonly rounds: number; readonly untilSeconds: number } {
  if (file.byteLength < headBytes) return { rounds: 0, untilSeconds: 0 }
  const [rounds, untilSeconds] = [file.readBigUInt64LE(0), file.readBigUInt64LE(8)]
  return { rounds: Number(rounds), untilSeconds: Number(untilSeconds) }
}
