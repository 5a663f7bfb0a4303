import type { Chain, ChainEvent } from '../chain/Chain.ts'
import * as Position from '../protocol/dispute/Position.ts'
import type * as Hex from '../protocol/Hex.ts'
import { BaseError } from '../runtime/Errors.ts'
import type { DisputePlayer, OffChain, OurDispute, Seat } from './DisputePorts.ts'

/** A dispute as far as the chain's events have been followed. */
export type Followed = {
  readonly dispute: OurDispute
  readonly seat: Seat
  readonly upTo: bigint
}

/**
 * Follows a dispute by the chain's events from a block on: from its beginning, or from where it was followed to.
 *
 * @throws {LostTrackError} when what is told does not lead to where the chain says it led.
 */
export async function followDispute(
  { chain, playerOf, offChain }: followDispute.Ports,
  before: Followed,
  { from, to }: { from: bigint; to: bigint },
): Promise<Followed> {
  const { dispute } = before
  const events = await chain.events({ from, to })
  let { seat } = before
  for (const event of events) {
    if (!('dispute' in event) || event.dispute !== dispute.id) continue
    seat = await next(seat, event)
  }
  return { dispute, seat, upTo: to }

  async function next(at: Seat, event: ChainEvent): Promise<Seat> {
    if (event.type === 'challenged') return { position: Position.first(event.claim), shown: [] }
    if (event.type === 'dispute-adopted') {
      const { position, ply } = event
      return { position, shown: await shownAt(position, ply.number, at) }
    }
    if (event.type !== 'dispute-moved') return at
    const followed = (await playerOf(dispute)).follow(at, event.told)
    if (Position.hash(followed.position) !== event.position) throw new LostTrackError(dispute.id)
    return followed
  }

  /** What the claimant had shown where both went on: a challenger noted it, a claimant shows the same again. */
  async function shownAt(position: Position.Position, number: number, at: Seat) {
    const { turn, phase } = position
    if (dispute.role === 'claimant') {
      if (turn === 'claimant' || phase === 'slot') return []
      const player = await playerOf(dispute)
      return [await player.move({ position: { ...position, turn: 'claimant' }, shown: [] })]
    }
    const read = await offChain?.read(dispute)
    // Off the chain the claimant makes every other move, and the first.
    return read?.shown.slice(0, Math.ceil(number / 2)) ?? at.shown
  }
}

export declare namespace followDispute {
  type Ports = {
    readonly chain: Pick<Chain, 'events'>
    readonly playerOf: (dispute: OurDispute) => Promise<DisputePlayer>
    readonly offChain?: OffChain | undefined
  }
}

/** Thrown when the chain's position is not the one its events lead to. */
export class LostTrackError extends BaseError {
  override readonly code = 'Dispute.LostTrackError'

  constructor(dispute: Hex.Hex) {
    super('The events of a dispute do not lead to its position on the chain.', {
      metaMessages: [
        `Dispute: ${dispute}`,
        'Fix: check that graph and data are those of the claim, and that the node is in step with its chain.',
      ],
    })
  }
}
