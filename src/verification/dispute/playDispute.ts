import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import { protocols } from '../../protocol/Exchange.ts'
import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError, codeOf } from '../../runtime/Errors.ts'
import type { Store } from '../../runtime/Store.ts'
import { challengerMove } from './challengerMove.ts'
import * as Game from './Game.ts'
import * as Move from '../../protocol/dispute/Move.ts'
import * as Position from '../../protocol/dispute/Position.ts'
import type { Prover } from './startProver.ts'
import * as Table from './Table.ts'

/** How far a dispute came off the chain, and what is to be done there. */
export type Played = {
  readonly outcome:
    /** `move` proves the claimant wrong, whether it admits it or not: bring it to the chain. */
    | { readonly type: 'won'; readonly move: Move.Move }
    /** Our own prover finds nothing wrong: concede. */
    | { readonly type: 'mistaken' }
    /** The claimant stalls, refuses or moves wrongly (`code`): go on there, with `move` when it is our turn. */
    | { readonly type: 'stopped'; readonly code: string; readonly move: Move.Move | undefined }
  /** The newest position that both have signed: to be adopted by the chain first. None: it has the newest. */
  readonly newest: Table.Adoptable | undefined
  /** The position there, and the claimant's moves up to it. */
  readonly position: Position.Position
  readonly history: readonly Move.Move[]
}

/**
 * Plays the challenger's side of a dispute against the claimant's desk, as far as the claimant plays along. Each
 * position is journalled, so that after a crash the same call goes on with the same moves.
 *
 * @throws what the prover or the store throws; what the claimant does wrong is an outcome.
 */
export async function playDispute(
  ports: playDispute.Ports,
  { dispute, claim, peer, signal, ...options }: playDispute.Options,
): Promise<Played> {
  const { identity, network, store, clock, domain, prover } = ports
  const { idleTimeoutMs = 120_000, slackSeconds = 10, attempts = 3, pauseMs = 1_000 } = options
  let seat = await read(store, { dispute, claim })

  for (;;) {
    signal?.throwIfAborted()
    const own = await ownMove()
    const facts = { newest: seat.newest, position: seat.position, history: seat.history }
    if (own && own.type === 'concede') return { outcome: { type: 'mistaken' }, ...facts }
    const made = own && Game.play(claim, seat.position, own)
    if (own && made?.type === 'end') return { outcome: { type: 'won', move: own }, ...facts }
    const reached = made?.type === 'position' ? made.position : seat.position
    try {
      seat = await exchange(own, reached)
    } catch (error) {
      signal?.throwIfAborted()
      const outcome = { type: 'stopped', code: codeOf(error), move: own } as const
      return { outcome, ...facts }
    }
    await store.write([{ table, key: dispute.id, value: Json.stringify(seat) }])
  }

  /** Our move, when it is our turn. */
  function ownMove(): Promise<Move.Move | undefined> {
    if (seat.position.turn === 'claimant') return Promise.resolve(undefined)
    return challengerMove(prover, seat.position, seat.history)
  }

  /** Sends our move and takes the claimant's. */
  async function exchange(own: Move.Move | undefined, position: Position.Position): Promise<Seat> {
    const number = seat.number + (own ? 1 : 0)
    const challengerSeconds = own
      ? Table.left(seat.clocks.challengerSeconds, clock.now() - seat.receivedAt)
      : seat.clocks.challengerSeconds
    const clocks = { ...seat.clocks, challengerSeconds }
    const reached = { dispute: dispute.id, number, position, clocks }
    const answer = own && { move: own, ply: Table.signPly(domain, identity, reached) }
    const sentAt = clock.now()
    const { move, ply } = await answerOf({ dispute: dispute.id, answer })
    const outcome = Game.play(claim, position, move)
    if (outcome.type === 'end')
      throw new Table.PlyError('The claimant concedes: let it do so there.')
    const next = { ...reached, number: number + 1, position: outcome.position }
    const elapsedMs = clock.now() - sentAt
    const most = Math.min(
      clocks.claimantSeconds,
      Table.left(clocks.claimantSeconds, elapsedMs) + slackSeconds,
    )
    Table.checkPly(domain, ply, { reached: next, mover: claim.claimant, most })
    return {
      number: next.number,
      position: next.position,
      clocks: { ...clocks, claimantSeconds: ply.message.claimantSeconds },
      receivedAt: clock.now(),
      history: [...seat.history, move],
      newest: Table.adopt(domain, identity, { position: next.position, ply }),
    }
  }

  /** Asks a few times, because one lost message is no refusal. */
  async function answerOf(request: Table.Request): Promise<Table.Answer> {
    const body = Json.toBytes(request)
    for (let attempt = 1; ; attempt++)
      try {
        const bytes = await ask(network, peer, protocols.dispute, body, { signal, idleTimeoutMs })
        const reply = Json.decode(Table.reply, bytes, { what: 'dispute reply' })
        if (reply.type === 'answer') return reply.answer
        throw new RefusedError(reply.type === 'lost' ? lost : reply.reason)
      } catch (error) {
        signal?.throwIfAborted()
        const isFinal = error instanceof RefusedError && error.code !== 'Dispute.BusyError'
        if (isFinal || attempt >= attempts) throw error
        await clock.sleep(pauseMs, { signal })
      }
  }
}

export declare namespace playDispute {
  type Ports = {
    identity: Identity
    network: Network
    store: Store
    clock: Clock
    domain: Domain.Domain
    prover: Prover
  }
  type Options = {
    dispute: Table.Dispute
    claim: ExactClaim
    /** Where the claimant answers. */
    peer: string
    signal?: AbortSignal | undefined
    /** How long the claimant may compute a move before it counts as stalling off the chain. @default 120_000 */
    idleTimeoutMs?: number | undefined
    /** How much less time than we measure the claimant may count. @default 10 */
    slackSeconds?: number | undefined
    /** How often a move is sent, and how long between. @default 3 and 1_000 */
    attempts?: number | undefined
    pauseMs?: number | undefined
  }
}

const table = 'disputes'
const lost = { code: 'Dispute.LostError', message: 'The claimant sees that it has lost.' }

/** A dispute as it stands after the claimant's move, or at its beginning. */
type Seat = {
  readonly number: number
  readonly position: Position.Position
  readonly clocks: Table.Clocks
  /** When the claimant's move came, ms since the epoch. */
  readonly receivedAt: number
  /** The claimant's moves. */
  readonly history: readonly Move.Move[]
  readonly newest?: Table.Adoptable | undefined
}

const integer = z.int().check(z.minimum(0))
const seatSchema: z.ZodMiniType<Seat> = z.strictObject({
  number: integer,
  position: Position.schema,
  clocks: z.strictObject({ claimantSeconds: integer, challengerSeconds: integer }),
  receivedAt: z.number(),
  history: z.array(Move.schema).check(z.maxLength(100)),
  newest: z.optional(Table.adoptable),
})

/** How far a dispute has come off the chain, by the journal: what both have signed last, and the claimant's moves up to it. */
export async function playedSoFar(
  store: Store,
  dispute: Hex.Hex,
): Promise<Pick<Played, 'newest' | 'history'> | undefined> {
  const text = await store.get(table, dispute)
  if (text === undefined) return undefined
  const { newest, history } = parse(text)
  return { newest, history }
}

async function read(
  store: Store,
  { dispute, claim }: Pick<playDispute.Options, 'dispute' | 'claim'>,
): Promise<Seat> {
  const text = await store.get(table, dispute.id)
  if (text !== undefined) return parse(text)
  const { clockSeconds } = dispute
  const clocks = { claimantSeconds: clockSeconds, challengerSeconds: clockSeconds }
  const position = Position.first(claim)
  return { number: 0, position, clocks, receivedAt: 0, history: [] }
}

function parse(text: string): Seat {
  return Json.parse(seatSchema, JSON.parse(text), { what: 'journal of a dispute' })
}

/** The claimant's refusal, with the code that it gave. */
class RefusedError extends BaseError {
  override readonly code: string

  constructor({ code, message }: { code: string; message: string }) {
    super(message)
    this.code = code
  }
}
