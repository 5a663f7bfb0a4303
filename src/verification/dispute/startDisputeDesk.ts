import * as z from 'zod/mini'
import type { Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import { protocols } from '../../protocol/Exchange.ts'
import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError, codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Store } from '../../runtime/Store.ts'
import { claimantMove } from './claimantMove.ts'
import * as Game from './Game.ts'
import * as Position from '../../protocol/dispute/Position.ts'
import type { Prover } from './startProver.ts'
import * as Table from './Table.ts'

/** A claimant's end of the disputes about its claims, as far as they are played off the chain. */
export type DisputeDesk = AsyncDisposable & {
  /** The newest position of a dispute that both have signed, for the chain; none when there is none yet. */
  newest(dispute: Hex.Hex): Promise<Table.Adoptable | undefined>
}

/**
 * Answers the challengers of our claims, one move at a time for each dispute. Every answer is journalled before
 * it is sent, so that after a crash a repeated request gets the same answer, never another.
 */
export async function startDisputeDesk(
  ports: startDisputeDesk.Ports,
  { limit = 16, slackSeconds = 10 }: startDisputeDesk.Options = {},
): Promise<DisputeDesk> {
  const { network, identity, store, clock, domain, logger, opened, proverOf } = ports
  const busy = new Set<Hex.Hex>()

  async function* handle(body: Uint8Array, { from }: { from: string }): AsyncGenerator<Uint8Array> {
    const request = Json.decode(Table.request, body, { what: 'dispute request' })
    yield Json.toBytes(await answerTo(request, from))
  }

  async function answerTo(request: Table.Request, from: string): Promise<Table.Reply> {
    const { dispute } = request
    if (busy.has(dispute) || busy.size >= limit) return refused(new BusyError())
    busy.add(dispute)
    try {
      return await answer(request, from)
    } catch (error) {
      if (!(error instanceof BaseError)) throw error
      logger.warn({ dispute, code: codeOf(error), reason: messageOf(error) }, 'A move was refused.')
      return refused(error)
    } finally {
      busy.delete(dispute)
    }
  }

  async function answer(request: Table.Request, from: string): Promise<Table.Reply> {
    const receivedAt = clock.now()
    const facts = await opened(request.dispute)
    if (!facts || facts.claim.claimant !== identity.address)
      throw new UnknownDisputeError(request.dispute)
    const { claim, challenger, clockSeconds } = facts
    if (Identity.addressOf(from) !== challenger) throw new UnknownDisputeError(request.dispute)
    const found = await read(request.dispute)
    const repeated = repeatOf(found, request)
    if (repeated) return repeated
    const clocks = { claimantSeconds: clockSeconds, challengerSeconds: clockSeconds }
    const seat = found ?? { number: 0, position: Position.first(claim), clocks, answeredAt: 0 }
    const taken = take({ seat, facts, request })
    if (taken === 'lost') return { type: 'lost' }
    return move({ facts, taken, receivedAt })
  }

  /** Takes the challenger's move into the position. */
  function take({ seat, facts, request }: Taking): Seat | 'lost' {
    const { claim, challenger } = facts
    if (!request.answer) {
      if (seat.position.turn === 'claimant') return seat
      throw new Table.PlyError('It is your turn: send a move.')
    }
    const { move: made, ply } = request.answer
    const outcome = Game.play(claim, seat.position, made)
    if (outcome.type === 'end') return 'lost'
    const number = seat.number + 1
    const { position } = outcome
    const { claimantSeconds, challengerSeconds } = seat.clocks
    const reached = { dispute: request.dispute, number, position, clocks: seat.clocks }
    const most = Table.left(challengerSeconds, clock.now() - seat.answeredAt) + slackSeconds
    const limited = Math.min(challengerSeconds, most)
    Table.checkPly(domain, ply, { reached, mover: challenger, most: limited })
    const clocks = { claimantSeconds, challengerSeconds: ply.message.challengerSeconds }
    const newest = Table.adopt(domain, identity, { position, ply })
    return { ...seat, number, position, clocks, newest }
  }

  async function move({ facts, taken, receivedAt }: Moving): Promise<Table.Reply> {
    const { claim, id: dispute } = facts
    const made = await claimantMove(await proverOf(claim), taken.position)
    const outcome = Game.play(claim, taken.position, made)
    if (outcome.type === 'end') return { type: 'lost' }
    const { position } = outcome
    const number = taken.number + 1
    const elapsedMs = clock.now() - receivedAt
    const claimantSeconds = Table.left(taken.clocks.claimantSeconds, elapsedMs)
    const clocks = { ...taken.clocks, claimantSeconds }
    const ply = Table.signPly(domain, identity, { dispute, number, position, clocks })
    const answered: Table.Answer = { move: made, ply }
    const { newest } = taken
    const seat: Seat = {
      number,
      position,
      clocks,
      answeredAt: clock.now(),
      answer: answered,
      newest,
    }
    await store.write([{ table, key: dispute, value: Json.stringify(seat) }])
    logger.info({ dispute, number, move: made.type, phase: position.phase }, 'Answered.')
    return { type: 'answer', answer: answered }
  }

  async function read(dispute: Hex.Hex): Promise<Seat | undefined> {
    const text = await store.get(table, dispute)
    if (text === undefined) return undefined
    return Json.parse(seatSchema, JSON.parse(text), { what: 'journal of a dispute' })
  }

  await using stack = new AsyncDisposableStack()
  stack.use(network.handle(protocols.dispute, handle))
  const owned = stack.move()
  return {
    newest: async (dispute) => (await read(dispute))?.newest,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startDisputeDesk {
  type Ports = {
    identity: Identity.Identity
    network: Network
    store: Store
    clock: Clock
    domain: Domain.Domain
    logger: Logger
    /** A dispute that is open on the chain, by its id. */
    opened: (dispute: Hex.Hex) => Promise<Opened | undefined>
    /** A prover of one of our runs; the caller disposes of it. */
    proverOf: (claim: ExactClaim) => Promise<Prover>
  }
  type Options = {
    /** Disputes that are answered at once; others are told to come again. @default 16 */
    limit?: number | undefined
    /** How much less time than we measure a challenger may count: messages take time. @default 10 */
    slackSeconds?: number | undefined
  }
  /** A dispute and its claim. */
  type Opened = Table.Dispute & { readonly claim: ExactClaim }
}

const table = 'disputeDesk'

/** A dispute as the desk left it: after its own move. */
type Seat = {
  readonly number: number
  readonly position: Position.Position
  readonly clocks: Table.Clocks
  /** When, ms since the epoch. */
  readonly answeredAt: number
  readonly answer?: Table.Answer | undefined
  /** The challenger's last ply, signed by both. */
  readonly newest?: Table.Adoptable | undefined
}

const seconds = z.int().check(z.minimum(0))
const seatSchema: z.ZodMiniType<Seat> = z.strictObject({
  number: seconds,
  position: Position.schema,
  clocks: z.strictObject({ claimantSeconds: seconds, challengerSeconds: seconds }),
  answeredAt: z.number(),
  answer: z.optional(Table.answer),
  newest: z.optional(Table.adoptable),
})

type Taking = {
  readonly seat: Seat
  readonly facts: startDisputeDesk.Opened
  readonly request: Table.Request
}
type Moving = {
  readonly facts: startDisputeDesk.Opened
  /** With the challenger's move taken. */
  readonly taken: Seat
  readonly receivedAt: number
}

/** The answer that was given to the same request before: the network may bring it twice. */
function repeatOf(seat: Seat | undefined, { answer }: Table.Request): Table.Reply | undefined {
  if (!seat?.answer) return undefined
  const asked = answer?.ply?.message.number ?? (answer ? undefined : 0)
  if (asked !== seat.number - 1) return undefined
  const before = seat.newest?.ply.message
  const isSame = !answer?.ply ? seat.number === 1 : before?.position === answer.ply.message.position
  if (!isSame) throw new Table.PlyError('Another move was made here and answered already.')
  return { type: 'answer', answer: seat.answer }
}

function refused(error: BaseError): Table.Reply {
  return {
    type: 'refused',
    reason: { code: error.code, message: error.shortMessage.slice(0, 1024) },
  }
}

/** Thrown when a move of a dispute, or too many disputes, are being answered. */
export class BusyError extends BaseError {
  override readonly code = 'Dispute.BusyError'

  constructor() {
    super('A move is being answered: ask again in a while.')
  }
}

/** Thrown when nothing is known of a dispute, or it is somebody else's. */
export class UnknownDisputeError extends BaseError {
  override readonly code = 'Dispute.UnknownDisputeError'

  constructor(dispute: Hex.Hex) {
    super('This is no open dispute between us: challenge the claim on the chain first.', {
      metaMessages: [`Dispute: ${dispute}`],
    })
  }
}
