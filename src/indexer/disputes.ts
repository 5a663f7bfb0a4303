/** What the chain says of disputes and of the claims that they are about, added up over its events. */
import type { ChainEvent } from '../chain/Chain.ts'
import { first, type Party, type Position } from '../protocol/dispute/Position.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import type * as Api from './Api.ts'
import { follow, nothingShown, shown } from './disputeGame.ts'
import { adoptWords, endWords, moveWords } from './disputeWords.ts'

/** One dispute. Times are milliseconds. */
export type Dispute = {
  readonly claim: Hex.Hex
  readonly message: ExactClaim
  readonly challenger: Hex.Address
  readonly state: Api.Dispute['state']
  readonly by: Api.Dispute['by']
  readonly position: Position
  readonly claimantMs: number
  readonly challengerMs: number
  readonly movedAt: number
  readonly openedAt: number
  readonly endedAt: number | null
  readonly number: number
  readonly gas: number
  readonly bond: bigint
  readonly slashed: bigint
  readonly segment: Api.DisputeSegment
  readonly moves: readonly Api.DisputeMove[]
}

/**
 * The dispute after one event that names it; undefined while nobody challenged.
 *
 * @param clockMs What each party has at the beginning.
 */
export function dispute(
  before: Dispute | undefined,
  event: ChainEvent,
  { clockMs }: { clockMs: number },
): Dispute | undefined {
  if (event.type === 'challenged') return opened(event, clockMs)
  if (!before) return undefined
  if (event.type === 'dispute-moved') return moved(before, event)
  if (event.type === 'dispute-adopted') return adopted(before, event)
  if (event.type === 'dispute-ended') return ended(before, event)
  if (event.type === 'claimant-slashed') {
    const words = 'The registry takes stake of the claimant, in favour of the winner.'
    const move = { number: null, party: 'anyone', type: 'slash', words, bytes: 0 } as const
    return { ...noted(before, event, move), slashed: before.slashed + event.amountMicroUsd }
  }
  return before
}

type Of<type extends ChainEvent['type']> = Extract<ChainEvent, { readonly type: type }>

function moved(before: Dispute, event: Of<'dispute-moved'>): Dispute {
  const { told, made, number } = event
  const from = made?.position ?? before.position
  const position = follow(before.position, told, made)
  const move = {
    number,
    party: from.turn,
    type: told.type,
    words: moveWords(before.message, told, { before: from, after: position }),
    bytes: sizeOf(made?.move ?? told),
  }
  const segment = made ? shown(before.segment, made) : before.segment
  return { ...noted(ticked(before, from.turn, event), event, move), position, number, segment }
}

function adopted(before: Dispute, event: Of<'dispute-adopted'>): Dispute {
  const { position, ply } = event
  const { number } = ply
  const words = adoptWords(number)
  const segment = position.op === before.position.op ? before.segment : nothingShown
  return {
    ...noted(before, event, { number, party: 'anyone', type: 'adopt', words, bytes: 0 }),
    claimantMs: ply.claimantSeconds * 1000,
    challengerMs: ply.challengerSeconds * 1000,
    movedAt: event.timestampSeconds * 1000,
    position,
    number,
    segment,
  }
}

function ended(before: Dispute, event: Of<'dispute-ended'>): Dispute {
  const { by, made, state } = event
  const isMove = by !== 'close' && by !== 'timeout'
  const position = made?.position ?? before.position
  const number = before.number + (isMove ? 1 : 0)
  const move = {
    number: isMove ? number : null,
    party: by === 'close' ? ('anyone' as const) : position.turn,
    type: by,
    words: endWords(by, made),
    bytes: made ? sizeOf(made.move) : 0,
  }
  return {
    ...noted(ticked(before, position.turn, event), event, move),
    segment: made ? shown(before.segment, made) : before.segment,
    position,
    number,
    state,
    by,
    endedAt: event.timestampSeconds * 1000,
  }
}

function opened(event: Of<'challenged'>, clockMs: number): Dispute {
  const { claim: message, key, bondMicroUsd } = event
  const at = event.timestampSeconds * 1000
  const empty: Dispute = {
    claim: key.claim,
    message,
    challenger: key.challenger,
    state: 'open',
    by: null,
    position: first(message),
    claimantMs: clockMs,
    challengerMs: clockMs,
    movedAt: at,
    openedAt: at,
    endedAt: null,
    number: 0,
    gas: 0,
    bond: bondMicroUsd,
    slashed: 0n,
    segment: nothingShown,
    moves: [],
  }
  const words = 'Holds that the claim is false, and puts up a bond.'
  return noted(empty, event, {
    number: null,
    party: 'challenger',
    type: 'challenge',
    words,
    bytes: 0,
  })
}

/** The clock of who was in turn ran until now. */
function ticked(before: Dispute, turn: Party, { timestampSeconds }: ChainEvent): Dispute {
  const at = timestampSeconds * 1000
  const clock = turn === 'claimant' ? 'claimantMs' : 'challengerMs'
  const left = Math.max(0, before[clock] - (at - before.movedAt))
  return { ...before, [clock]: left, movedAt: at }
}

function noted(
  before: Dispute,
  event: ChainEvent,
  move: Pick<Api.DisputeMove, 'number' | 'party' | 'type' | 'words' | 'bytes'>,
): Dispute {
  const gas = 'gasUsed' in event ? Number(event.gasUsed) : null
  const { transaction } = event
  const at = event.timestampSeconds * 1000
  const block = Number(event.block)
  return {
    ...before,
    gas: before.gas + (gas ?? 0),
    // A chain of one process counts no gas.
    moves: [...before.moves, { ...move, at, block, transaction, gas: gas || null }],
  }
}

/** Bytes of all hashes and byte strings in a move. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.startsWith('0x') ? (value.length - 2) / 2 : 0
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce<number>((sum, part) => sum + sizeOf(part), 0)
}

/** One claim that was challenged. */
export type Claim = {
  readonly message: ExactClaim
  readonly state: Api.ExactClaim['state']
  readonly reserved: bigint
  readonly burned: bigint
  readonly released: bigint
}

/** The claim after one event that names it; undefined while nobody challenged it. */
export function claim(before: Claim | undefined, event: ChainEvent): Claim | undefined {
  if (event.type === 'challenged') {
    const { claim: message, bondMicroUsd: reserved } = event
    return before ?? { message, state: 'challenged', reserved, burned: 0n, released: 0n }
  }
  if (!before) return undefined
  if (event.type === 'dispute-ended' && event.state === 'challenger-won')
    return { ...before, state: 'rejected' }
  if (event.type === 'claim-released')
    return { ...before, state: 'final', released: event.bondMicroUsd }
  if (event.type === 'bond-burned') return { ...before, burned: event.amountMicroUsd }
  return before
}

/** The job that a claim is for. */
export function jobOf({ job }: ExactClaim): Hex.Hex | null {
  return job === Hex.zero ? null : job
}
