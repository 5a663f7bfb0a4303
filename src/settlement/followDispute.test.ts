import { describe, expect, test } from 'vitest'
import type { ChainEvent } from '../chain/Chain.ts'
import * as Position from '../protocol/dispute/Position.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import type { DisputePlayer, OurDispute } from './DisputePorts.ts'
import { followDispute } from './followDispute.ts'

const claim = { steps: 4, run: Hex.sha256('run') } as ExactClaim
const id = Hex.sha256('dispute')
const key = { claim: Hex.zero, challenger: Hex.zero }
const first = Position.first(claim)
const second: Position.Position = { ...first, turn: 'challenger' }
const nothing = { type: 'reveal', nodes: [] } as const

/** A player that takes every move for a change of turns. */
const player: DisputePlayer = {
  move: () => Promise.resolve({ ...nothing, nodes: [] }),
  follow: ({ shown }) => ({ position: second, shown: [...shown, { ...nothing, nodes: [] }] }),
}
const dispute = (role: Position.Party): OurDispute => ({ id, key, claim, role })
const event = (fields: object) => fields as unknown as ChainEvent
const challenged = event({ type: 'challenged', dispute: id, claim, key })
const moved = event({
  type: 'dispute-moved',
  dispute: id,
  told: nothing,
  position: Position.hash(second),
})
const adopted = event({
  type: 'dispute-adopted',
  dispute: id,
  position: second,
  ply: { number: 3 },
})

/** Follows events from somewhere else than where they begin. */
function followed(
  events: readonly ChainEvent[],
  { role = 'challenger', shown = [] as never[] }: { role?: Position.Party; shown?: never[] } = {},
) {
  const ports = {
    chain: { events: () => Promise.resolve(events) },
    playerOf: () => Promise.resolve(player),
    offChain: { read: () => Promise.resolve({ shown }) },
  }
  const lost = { position: { ...first, step: 9 }, shown: [] }
  const before = { dispute: dispute(role), seat: lost, upTo: 1n }
  return followDispute(ports, before, { from: 2n, to: 5n })
}

describe('followDispute', () => {
  test('begins with the challenge, and follows each move', async () => {
    const other = { ...challenged, dispute: Hex.zero } as ChainEvent
    expect(await followed([other, challenged])).toMatchObject({
      seat: { position: first, shown: [] },
      upTo: 5n,
    })
    expect(await followed([challenged, moved, other])).toMatchObject({
      seat: { position: second, shown: [nothing] },
    })
  })

  test('says that it lost track when a move leads elsewhere than the chain says', async () => {
    const elsewhere = { ...moved, position: Hex.zero } as ChainEvent
    await expect(followed([challenged, elsewhere])).rejects.toMatchObject({
      code: 'Dispute.LostTrackError',
    })
  })

  test('takes a challenger to what it noted off the chain, as far as that was adopted', async () => {
    const shown = ['a', 'b', 'c'].map((name) => ({ type: 'leaf', bytes: name })) as never[]
    const { seat } = await followed([challenged, adopted], { shown })
    expect(seat).toEqual({ position: second, shown: shown.slice(0, 2) })
  })

  test('has a claimant show again what it had shown', async () => {
    const { seat } = await followed([challenged, adopted], { role: 'claimant' })
    expect(seat).toEqual({ position: second, shown: [nothing] })
    const slot = { ...second, phase: 'slot' } as const
    const last = { ...adopted, position: slot } as unknown as ChainEvent
    expect((await followed([challenged, last], { role: 'claimant' })).seat.shown).toEqual([])
  })
})
