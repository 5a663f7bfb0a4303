import { RevertedError, type Action, type Chain, type DisputeState } from '../chain/Chain.ts'
import * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import * as Position from '../protocol/dispute/Position.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { every, joinSignals, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import { semaphore } from '../runtime/Semaphore.ts'
import type { Store } from '../runtime/Store.ts'
import {
  dropOurs,
  dropWanted,
  noteCursor,
  noteOurs,
  noteWanted,
  openDisputeJournal,
  type Ours,
} from './disputeJournal.ts'
import type { DisputePlayer, OffChain, OurDispute, Report } from './DisputePorts.ts'
import { type Followed, followDispute, LostTrackError } from './followDispute.ts'
import { mayWait, planDispute } from './planDispute.ts'
import { settleDispute } from './settleDispute.ts'

/** A running keeper of disputes. */
export type DisputeKeeper = AsyncDisposable & {
  /** Notes a claim to be challenged; it is, as soon as the chain can be reached. Twice is once. */
  challenge(claim: Signed<ExactClaim.ExactClaim>): Promise<void>
  /** Disputes of ours that are not done, and those that are for a while. */
  ours(): Promise<readonly Ours[]>
  /** A dispute of ours that is open; looks at the chain when it is not known yet. */
  find(id: Hex.Hex): Promise<OurDispute | undefined>
  /** One round now, with all that it leads to. @throws {UnavailableError} when the chain cannot be reached. */
  keep(): Promise<void>
}

/**
 * Plays our side of all disputes that we are a party of: challenges what it was told to, brings what was
 * reached off the chain, moves in our turn, ends what the other lets run out, and sees to the money after. It
 * goes by what the chain says alone, so that it takes up every dispute where it stands, also after `kill -9`.
 */
export async function startDisputeKeeper(
  ports: startDisputeKeeper.Ports,
  options: startDisputeKeeper.Options = {},
): Promise<DisputeKeeper> {
  const { chain, clock, logger, store, offChain, report = () => {} } = ports
  const { intervalMs = 2_000, concurrency = 4, fromBlock = 0n, reorgBlocks = 16n } = options
  const { quietSeconds = 60 } = options
  const journal = openDisputeJournal(store)
  await using stack = new AsyncDisposableStack()
  const controller = new AbortController()
  const { signal } = controller
  /** What is attended to or waits for its turn: as many as there are disputes of ours. */
  const busy = new Map<Hex.Hex, Promise<void>>()
  const turns = semaphore(concurrency)
  /** What is played off the chain, in places of its own: there the other says how long it takes. */
  const plays = new Map<Hex.Hex, Play>()
  const seats = semaphore(concurrency)
  const tables = new Map<Hex.Hex, Table>()
  /** What was said last of a claim that cannot be challenged. */
  const complaints = new Map<Hex.Hex, string>()

  /** Finds disputes of ours in the blocks since the last look, and again in those that may change. */
  async function discover(): Promise<void> {
    const { number: to } = await chain.head()
    const cursor = await journal.cursor()
    const since = cursor === undefined ? fromBlock : cursor - reorgBlocks
    const from = since > fromBlock ? since : fromBlock
    const known = new Map((await journal.ours()).map((each) => [each.id, each]))
    const events = to >= from ? await chain.events({ from, to }) : []
    const found = events.flatMap((event) => {
      if (event.type !== 'challenged') return []
      const { claim, key, dispute: id, block } = event
      const isClaimant = claim.claimant === chain.account
      if (!isClaimant && key.challenger !== chain.account) return []
      const role = isClaimant ? ('claimant' as const) : ('challenger' as const)
      const before = known.get(id) ?? { played: false, done: false }
      if ('block' in before && before.block === block) return []
      report({ dispute: id, what: 'challenged', gasUsed: event.gasUsed })
      return [noteOurs({ ...before, id, key, role, block })]
    })
    const old = [...known.values()].filter(({ done, block }) => done && block + keepBlocks < to)
    await journal.write([...found, ...old.map(({ id }) => dropOurs(id)), noteCursor(to)])
  }

  /** Challenges what is wanted, and wants it until the challenge is too deep in the chain to be undone. */
  async function openWanted(): Promise<void> {
    const wanted = await journal.wanted()
    if (wanted.length === 0) return
    const ours = new Map((await journal.ours()).map((each) => [each.id, each]))
    const { number } = await chain.head()
    for (const claim of wanted) {
      const { message, signature } = claim
      const id = ExactClaim.hash(chain.domain, message)
      const dispute = DisputeKey.id({ claim: id, challenger: chain.account })
      const { state } = await chain.dispute(dispute)
      const block = ours.get(dispute)?.block
      const isDeep =
        block !== undefined &&
        block + reorgBlocks <= number &&
        (await challengedIn(block, dispute)) !== undefined
      const isDone = state === 'none' ? await challenge(message, signature) : isDeep
      if (isDone) await journal.write([dropWanted(id)])
    }
  }

  /** @returns whether it can never be done. What is refused for now may be taken on another fork. */
  async function challenge(claim: ExactClaim.ExactClaim, signature: Hex.Hex): Promise<boolean> {
    try {
      await chain.send({ type: 'challenge', claim, signature }, { signal })
      return false
    } catch (error) {
      if (!(error instanceof RevertedError)) throw error
      const { code, message } = error
      const id = ExactClaim.hash(chain.domain, claim)
      if (code !== 'Chain.AlreadyChallenged' && complaints.get(id) !== code) {
        complaints.set(id, code)
        const isShort = code === 'Chain.InsufficientCredit'
        const fix = isShort ? 'Fix: pay in more with `weft dispute deposit`.' : undefined
        logger.error({ claim: id, code, reason: message, fix }, 'A claim cannot be challenged.')
      }
      if (!hopeless.has(code)) return false
      complaints.delete(id)
      return true
    }
  }

  async function launch(): Promise<void> {
    await discover()
    await openWanted()
    for (const ours of await journal.ours()) {
      if (ours.done || busy.has(ours.id)) continue
      const work = attend(ours)
        .catch((error: unknown) => complain(ours.id, error))
        .finally(() => busy.delete(ours.id))
      busy.set(ours.id, work)
    }
    await collect()
  }

  function complain(dispute: Hex.Hex, error: unknown): void {
    if (signal.aborted) return
    const facts = { dispute, code: codeOf(error), reason: messageOf(error) }
    logger.warn(facts, 'A dispute could not be attended to; it is tried again.')
  }

  /** Does all that can be done in one dispute now. */
  async function attend(ours: Ours): Promise<void> {
    await using _turn = await turns.take(signal)
    const table = await tableOf(ours)
    for (let step = 0; step < stepsLimit; step++) {
      signal.throwIfAborted()
      const { timestampSeconds: nowSeconds } = await chain.head()
      const state = await chain.dispute(ours.id)
      const { dispute } = table.followed
      const claim = await chain.exactClaim(dispute.claim)
      const isOffChain = await playsOffChain(ours, table, { state, nowSeconds })
      const read = state.state === 'open' ? await offChain?.read(dispute) : undefined
      const newest = read?.newest
      const newestNumber = newest?.ply.number ?? 0
      const facts = { role: ours.role, state, nowSeconds, newestNumber, isOffChain }
      const planned = planDispute({ ...facts, claim: claim.state })
      if (planned !== 'settle') table.settledAt = undefined
      if (planned === 'wait') return
      if (planned === 'settle') return await settle(ours, table, state)
      const { key } = ours
      if (planned === 'adopt') await send(ours.id, { type: 'dispute-adopt', key, ...newest! })
      else if (planned === 'timeout') await send(ours.id, { type: 'dispute-timeout', key })
      else if (planned === 'close') await send(ours.id, { type: 'dispute-close', key })
      else await move(ours, table, state)
    }
  }

  async function move({ id, key }: Ours, table: Table, state: DisputeState): Promise<void> {
    const { seat, dispute } = await follow(table, state)
    const player = await table.player(dispute)
    const { claim } = dispute
    const { position } = seat
    const made = await player.move(seat)
    const { challenger } = key
    await send(id, { type: 'dispute-move', claim, challenger, position, move: made })
  }

  /** The dispute as it is on the chain now. */
  async function follow(table: Table, { position }: DisputeState): Promise<Followed> {
    const isThere = ({ seat }: Followed) => Position.hash(seat.position) === position
    if (isThere(table.followed)) return table.followed
    const { number: to } = await chain.head()
    const { upTo } = table.followed
    const facts = { chain, playerOf: table.player, offChain }
    for (const from of [upTo + 1n, table.block]) {
      table.followed = await followDispute(facts, table.followed, { from, to }).catch(
        (error: unknown) => {
          // A block that was replaced: the whole is read again.
          if (from === table.block) throw error
          return table.followed
        },
      )
      if (isThere(table.followed)) return table.followed
    }
    throw new LostTrackError(table.followed.dispute.id)
  }

  /** Plays a challenge off the chain first, once; and gives a challenger time to do so. */
  async function playsOffChain(
    ours: Ours,
    table: Table,
    { state, nowSeconds }: { state: DisputeState; nowSeconds: number },
  ): Promise<boolean> {
    const isUnmoved = state.state === 'open' && state.number === 0
    const running = plays.get(ours.id)
    if (running) {
      // Somebody goes on on the chain: from then on our clock may run there.
      if (!isUnmoved)
        running.stop.abort(new DOMException('The dispute goes on on the chain.', 'AbortError'))
      return true
    }
    if (!offChain || !isUnmoved) return false
    const { dispute } = table.followed
    if (ours.role === 'claimant') {
      const number = (await offChain.read(dispute))?.newest?.ply.number ?? 0
      if (number !== table.heard?.number) table.heard = { number, atSeconds: nowSeconds }
      const heardAtSeconds = number > 0 ? table.heard!.atSeconds : 0
      return mayWait(state, { nowSeconds, heardAtSeconds, quietSeconds })
    }
    if (!offChain.play || ours.played || table.played) return false
    const stop = new AbortController()
    const done = playOffChain(offChain.play, { ours, table, stop: stop.signal })
      .catch((error: unknown) => complain(ours.id, error))
      .finally(() => plays.delete(ours.id))
    plays.set(ours.id, { stop, done })
    return true
  }

  async function playOffChain(
    play: NonNullable<OffChain['play']>,
    { ours, table, stop }: { ours: Ours; table: Table; stop: AbortSignal },
  ): Promise<void> {
    using joined = joinSignals(signal, stop)
    try {
      await using _seat = await seats.take(joined.signal)
      await play(table.followed.dispute, { signal: joined.signal })
    } catch (error) {
      signal.throwIfAborted()
      const facts = { dispute: ours.id, code: codeOf(error), reason: messageOf(error) }
      logger.info(facts, 'A dispute is no longer played off the chain.')
    }
    table.played = true
    // The block that it began in may have been replaced meanwhile.
    const now = (await journal.ours()).find(({ id }) => id === ours.id)
    await journal.write([noteOurs({ ...(now ?? ours), played: true })])
  }

  async function settle(ours: Ours, table: Table, state: DisputeState): Promise<void> {
    const { dispute } = table.followed
    const { number } = await chain.head()
    if (table.lookedAt === number) return
    table.lookedAt = number
    const sent = (action: Action) => send(ours.id, action)
    const isDone = await settleDispute({ chain, send: sent }, { dispute, state })
    if (!table.told) {
      table.told = true
      const isOurs = state.state === `${ours.role}-won`
      if (state.state !== 'closed') report({ dispute: ours.id, what: isOurs ? 'won' : 'lost' })
    }
    // Blocks may be replaced, and what they did undone: it is looked at again for a while.
    table.settledAt = isDone ? (table.settledAt ?? number) : undefined
    if (table.settledAt === undefined || table.settledAt + reorgBlocks > number) return
    await journal.write([noteOurs({ ...ours, played: true, done: true })])
    tables.delete(ours.id)
    await table[Symbol.asyncDispose]()
  }

  /** Sends an action of a dispute. @returns whether it happened: a refusal is somebody who was faster. */
  async function send(dispute: Hex.Hex, action: Action): Promise<boolean> {
    try {
      const { gasUsed } = await chain.send(action, { signal })
      const detail = action.type === 'dispute-move' ? action.move.type : undefined
      logger.info({ dispute, action: action.type, detail, gasUsed: String(gasUsed) }, 'Sent.')
      const what = reports[action.type]
      if (what) report({ dispute, what, detail, gasUsed })
      return true
    } catch (error) {
      if (!(error instanceof RevertedError)) throw error
      if (action.type === 'dispute-move' || action.type === 'dispute-adopt') throw error
      logger.debug({ dispute, action: action.type, code: error.code }, 'Refused.')
      return false
    }
  }

  async function tableOf({ id, key, role, block }: Ours): Promise<Table> {
    const known = tables.get(id)
    if (known?.block === block) return known
    // Its block was replaced: it begins elsewhere now.
    await known?.[Symbol.asyncDispose]()
    const claim = await challengedIn(block, id)
    if (!claim) throw new LostTrackError(id)
    const dispute: OurDispute = { id, key, claim, role }
    const seat = { position: Position.first(claim), shown: [] }
    const table = openTable(ports, { followed: { dispute, seat, upTo: block }, block })
    tables.set(id, table)
    return table
  }

  /** The claim that a dispute is about, if it began in this block. */
  async function challengedIn(block: bigint, id: Hex.Hex) {
    const events = await chain.events({ from: block, to: block })
    for (const event of events)
      if (event.type === 'challenged' && event.dispute === id) return event.claim
    return undefined
  }

  /** Takes back credit that was asked back, once its time has come. */
  let lookedAt = 0
  async function collect(): Promise<void> {
    if (clock.now() - lookedAt < collectMs) return
    lookedAt = clock.now()
    const { withdrawableAtSeconds, withdrawingMicroUsd, freeMicroUsd } = await chain.credit(
      chain.account,
    )
    if (withdrawableAtSeconds === 0 || withdrawingMicroUsd === 0n || freeMicroUsd === 0n) return
    const { timestampSeconds } = await chain.head()
    if (timestampSeconds < withdrawableAtSeconds) return
    await chain.send({ type: 'dispute-withdraw' }, { signal })
  }

  let soughtAt = 0
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = () => {
    const round = last.then(launch, launch)
    last = round.catch(() => {})
    return round
  }
  const onError = (error: unknown) =>
    logger.warn({ code: codeOf(error), reason: messageOf(error) }, 'A round of disputes failed.')
  const loop = every(clock, intervalMs, inTurn, { signal, onError })
  stack.defer(async () => {
    for (const table of tables.values()) await table[Symbol.asyncDispose]()
  })
  stack.defer(async () => {
    await Promise.all([loop, last, ...busy.values()])
    await Promise.all([...plays.values()].map(({ done }) => done))
  })
  stack.defer(() => controller.abort(new DOMException('The keeper stops.', 'AbortError')))
  const owned = stack.move()
  return {
    async challenge(claim) {
      const id = ExactClaim.hash(chain.domain, claim.message)
      await journal.write([noteWanted(id, claim)])
    },
    ours: () => journal.ours(),
    async find(id) {
      const known = async () => (await journal.ours()).find((each) => each.id === id)
      let ours = await known()
      if (!ours && clock.now() - soughtAt >= seekMs) {
        // Whoever asks for disputes that do not exist must not keep us busy.
        soughtAt = clock.now()
        await inTurn()
        ours = await known()
      }
      return ours && (await tableOf(ours)).followed.dispute
    },
    async keep() {
      await inTurn()
      await Promise.all(busy.values())
      await Promise.all([...plays.values()].map(({ done }) => done))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startDisputeKeeper {
  type Ports = {
    /** As the account that is a party. */
    chain: Chain
    clock: Clock
    logger: Logger
    store: Store
    /**
     * Opens what knows the moves of a dispute, which may take a while: it computes a run again.
     *
     * @throws when nothing is known of the run; then only what the other lets run out is ended.
     */
    openPlayer: (dispute: OurDispute) => Promise<DisputePlayer & AsyncDisposable>
    /** Without it, disputes are played on the chain alone. */
    offChain?: OffChain | undefined
    report?: ((report: Report) => void) | undefined
  }
  type Options = {
    /** How often the chain is looked at. @default 2_000 */
    intervalMs?: number | undefined
    /** Disputes that are attended to at once, and that are played off the chain at once. @default 4 */
    concurrency?: number | undefined
    /** Where to begin to look for disputes, on a store that knows of none. @default 0 */
    fromBlock?: bigint | undefined
    /** Blocks that may be replaced, and are read again. @default 16 */
    reorgBlocks?: bigint | undefined
    /** How long a challenger may be quiet off the chain before its claimant moves on it. @default 60 */
    quietSeconds?: number | undefined
  }
}

/** A dispute that is being played. */
type Table = AsyncDisposable & {
  followed: Followed
  readonly block: bigint
  /** Opened when it is first needed. */
  readonly player: (dispute: OurDispute) => Promise<DisputePlayer>
  heard: { readonly number: number; readonly atSeconds: number } | undefined
  played: boolean
  told: boolean
  /** The block at which its money was first seen to, and the last one at which it was. */
  settledAt: bigint | undefined
  lookedAt: bigint | undefined
}

/** A dispute that is being played off the chain, or waits for a place there. */
type Play = { readonly stop: AbortController; readonly done: Promise<void> }

function openTable(
  { openPlayer }: Pick<startDisputeKeeper.Ports, 'openPlayer'>,
  { followed, block }: Pick<Table, 'followed' | 'block'>,
): Table {
  let opened: Promise<DisputePlayer & AsyncDisposable> | undefined
  return {
    followed,
    block,
    async player(dispute) {
      opened ??= openPlayer(dispute)
      try {
        return await opened
      } catch (error) {
        opened = undefined
        throw error
      }
    },
    heard: undefined,
    played: false,
    told: false,
    settledAt: undefined,
    lookedAt: undefined,
    async [Symbol.asyncDispose]() {
      const player = await opened?.catch(() => undefined)
      await player?.[Symbol.asyncDispose]()
    },
  }
}

const reports: Partial<Record<Action['type'], Report['what']>> = {
  'dispute-move': 'moved',
  'dispute-adopt': 'adopted',
  'dispute-timeout': 'timed-out',
  'dispute-close': 'closed',
  'slash-claimant': 'slashed',
  'burn-bond': 'burned',
  'release-claim': 'released',
}

/** Refusals of a challenge that no time and no fork mends. */
const hopeless: ReadonlySet<string> = new Set([
  'Chain.ChallengeTooLate',
  'Chain.InvalidClaim',
  'Chain.InvalidSignature',
  'Chain.SelfChallenge',
])
/** No dispute has so many moves. */
const stepsLimit = 100
/** How long disputes that are done are remembered, so that they are not found again. */
const keepBlocks = 10_000n
const collectMs = 30_000
const seekMs = 500
