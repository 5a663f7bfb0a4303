import { beforeAll, describe, expect, test } from 'vitest'
import { type Claimed, claimRun, type Fault, playOut } from '../../../test/exactDisputes.ts'
import { decoderTraining, type TinyRun } from '../../../test/exactRuns.ts'
import * as Position from '../../protocol/dispute/Position.ts'
import * as Told from '../../protocol/dispute/Told.ts'
import * as Game from './Game.ts'
import { type Player, playerOf, type Seat } from './playerOf.ts'

let run: TinyRun
let honest: Claimed

beforeAll(async () => {
  run = await decoderTraining({ length: 3, steps: 34 })
  honest = await claimRun(run)
})

const flip = (bytes: Uint8Array) => bytes.map((byte, at) => (at === 3 ? byte ^ 128 : byte))
const faults: Readonly<Record<string, () => Fault>> = {
  'a product': () => ({
    value: ({ step, number, bytes }) =>
      step === 17 && number === run.graph.state.length + 200 ? flip(bytes) : undefined,
  }),
  'a batch': () => ({ batch: (step, batch) => (step === 33 ? run.batch(7) : batch) }),
  'a slot': () => ({
    state: ({ step, after }) =>
      step === 20 ? after.map((bytes, slot) => (slot === 5 ? flip(bytes) : bytes)) : after,
  }),
}

/** The dispute about a fault, played by players that see each other's moves as the chain tells them. */
async function playBlind(liar: Claimed): Promise<Seat> {
  const players: Readonly<Record<Position.Party, Player>> = {
    claimant: playerOf(liar.claim, liar.prover),
    challenger: playerOf(liar.claim, honest.prover),
  }
  let position = Position.first(liar.claim)
  let seats: Record<Position.Party, Seat> = {
    claimant: { position, shown: [] },
    challenger: { position, shown: [] },
  }
  for (;;) {
    const mover = position.turn
    const move = await players[mover].move(seats[mover])
    const outcome = Game.play(liar.claim, position, move)
    if (outcome.type === 'end') return { ...seats.challenger, shown: [move] }
    const told = Told.from(move)!
    seats = {
      claimant: players.claimant.follow(seats.claimant, told),
      challenger: players.challenger.follow(seats.challenger, told),
    }
    position = outcome.position
    expect(seats.claimant.position).toEqual(position)
    expect(seats.challenger.position).toEqual(position)
  }
}

describe('playerOf', () => {
  test.each(Object.keys(faults))(
    'proves %s wrong, knowing of the other what the chain tells',
    async (name) => {
      const liar = await claimRun(run, { fault: faults[name]!() })
      const players = {
        claimant: (position: Position.Position) =>
          playerOf(liar.claim, liar.prover).move({ position, shown: [] }),
        challenger: (position: Position.Position, shown: Seat['shown']) =>
          playerOf(liar.claim, honest.prover).move({ position, shown }),
      }
      const seeing = await playOut(liar.claim, players)
      const { position, shown } = await playBlind(liar)
      expect(position).toEqual(seeing.position)
      expect(shown).toEqual([seeing.last])
      expect(seeing.winner).toBe('challenger')
    },
  )

  test('refuses to follow a dispute about another graph', async () => {
    const position = Position.first(honest.claim)
    const { follow } = playerOf(honest.claim, honest.prover)
    expect(() => follow({ position, shown: [] }, { type: 'reveal', nodes: [] })).toThrow(
      expect.objectContaining({ code: 'Dispute.WrongNodes' }) as Error,
    )
  })
})
