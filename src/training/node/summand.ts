import type { Identity } from '../../protocol/Identity.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Commitment from '../../protocol/training/Commitment.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import * as Ready from '../../protocol/training/Ready.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Random } from '../../runtime/Random.ts'
import type { Store } from '../../runtime/Store.ts'
import type { State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { noiseOf } from '../private/Budget.ts'
import { discreteGaussian } from '../private/discreteGaussian.ts'
import { openLedger } from '../private/openLedger.ts'
import * as Mask from '../private/Mask.ts'
import * as Units from '../private/Units.ts'
import type { Contents } from './Contents.ts'

/** A worker's part in the sums of a private run. What it made leaves this file under noise and masks alone. */
export type Summand = {
  /** Whether one more sum is within what this worker's disk says was shown of it. */
  isWilling(): boolean
  /** Whether the update of the round is made. */
  isMade(state: State, own: Member): boolean
  /** Keeps what came of the steps of a round until it is in a sum. */
  make(update: Float32Array, from: { parent: Hex.Hex; round: number; number: number }): void
  /** Says and shows what the log waits for. */
  follow(state: State, own: Member): Promise<void>
}

/** Makes a worker's part, or nothing where updates are not private. */
export async function summandOf(
  ports: summandOf.Ports,
  { say }: summandOf.Options,
): Promise<Summand | undefined> {
  const { log, identity, domain, random, contents, logger } = ports
  const { order, run } = log
  if (order.privacy !== 'sums') return undefined
  const ledger = await openLedger(ports, { run, order })
  let made: Made | undefined
  let key: Key | undefined
  let hidden: Hidden | undefined

  function isMade({ round }: State, { number }: Member): boolean {
    return made?.round === round.number && made.parent === round.parent && made.number === number
  }

  /** Says that we may be in the sum, under a key of this attempt alone. */
  function getReady({ round, began: batch }: State, { parent }: Made): Promise<void> {
    if (key?.batch !== batch) key = { batch, secret: random.bytes(32) }
    const message = {
      run,
      worker: identity.address,
      round: round.number,
      batch,
      parent,
      key: Mask.keyOf(key.secret),
    }
    return say(`ready ${batch}`, () => ({
      kind: 'ready',
      signed: Ready.sign(domain, message, identity),
    }))
  }

  /** Hides the update among those who are in the sum, with noise that is drawn for it alone. */
  function hide({ round, began: batch, workers }: State, { units }: Made, secret: Uint8Array) {
    const members = Array.from(round.ready, ([number, { key: each }]) => ({
      worker: workers[number]!.address,
      key: each,
    }))
    const { noiseMicro, toleratedMicro } = order
    const options = { members: members.length, noiseMicro, toleratedMicro }
    const { sigma, rho } = noiseOf(options)
    const noise = discreteGaussian(units.length, { sigma, key: random.bytes(32) })
    const values = units.map((each, at) => each + noise[at]!)
    const words = Mask.hide(values, { secret, own: identity.address, members, batch })
    const bytes = Units.encode(words)
    return { batch, round: round.number, bytes, payload: Hex.sha256(bytes), rho, isShown: false }
  }

  /** Binds us to what we shall show, which nobody has seen yet. */
  async function commit(state: State, own: Member, from: Made): Promise<void> {
    const { round, began: batch } = state
    const isOurs = key && round.ready.get(own.number)?.key === Mask.keyOf(key.secret)
    if (!key || !isOurs || round.commitments.has(own.number)) return
    if (hidden?.batch !== batch) hidden = hide(state, from, key.secret)
    if (!ledger.mayShow(hidden)) return
    const message = {
      run,
      worker: identity.address,
      round: round.number,
      batch,
      parent: from.parent,
      steps: order.steps,
      payload: hidden.payload,
      payloadBytes: hidden.bytes.byteLength,
      // Where the steps ended, and what of it was not sent, would tell what the masks hide.
      end: Hex.zero,
      errorBefore: Hex.zero,
      errorIfAccepted: Hex.zero,
      errorIfLate: Hex.zero,
      claim: Hex.zero,
    }
    await say(`commitment ${batch}`, () => ({
      kind: 'commitment',
      signed: Commitment.sign(domain, message, identity),
    }))
  }

  /** Shows what we are bound to, now that all others are bound, too; first our own disk is told. */
  async function show({ round }: State, { number }: Member): Promise<void> {
    if (!hidden || hidden.isShown) return
    if (round.commitments.get(number)?.commitment.payload !== hidden.payload) return
    if (!ledger.mayShow(hidden)) return
    await ledger.note(hidden)
    await contents.put(hidden.bytes)
    hidden = { ...hidden, isShown: true }
    logger.debug({ run, round: round.number, members: round.ready.size }, 'Showed a masked update.')
  }

  return {
    isWilling: () => ledger.isWilling(),
    isMade,
    make(update, from) {
      made = { ...from, units: Units.toUnits(update, order.clipMicro / 1e6) }
    },
    async follow(state, own) {
      const { phase, round } = state
      if (!made || !isMade(state, own)) return
      if (phase === 'round' && !round.ready.has(own.number) && ledger.isWilling())
        await getReady(state, made)
      else if (phase === 'masking') await commit(state, own, made)
      else if (phase === 'witness') await show(state, own)
    },
  }
}

export declare namespace summandOf {
  type Ports = {
    log: Log
    identity: Identity
    domain: Domain.Domain
    random: Random
    contents: Contents
    store: Store
    logger: Logger
  }
  type Options = { say: (key: string, entry: () => Entry.Entry) => Promise<void> }
}

type Made = {
  readonly parent: Hex.Hex
  readonly round: number
  readonly number: number
  readonly units: Int32Array
}

/** A secret, and the batch that began the attempt for which it was drawn. */
type Key = { readonly batch: Hex.Hex; readonly secret: Uint8Array }

type Hidden = {
  /** That fixed the sum. */
  readonly batch: Hex.Hex
  readonly round: number
  readonly bytes: Uint8Array
  readonly payload: Hex.Hex
  readonly rho: number
  readonly isShown: boolean
}
