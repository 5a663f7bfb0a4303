import { describe, expect, test } from 'vitest'
import { minting, openDispute, type Runs, wrongRuns } from '../../test/explorerDisputes.ts'
import { explorerWorld } from '../../test/explorerWorld.ts'
import type { ChainEvent } from '../chain/Chain.ts'
import * as Hex from '../protocol/Hex.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { follow, whereOf } from './disputeGame.ts'
import * as disputes from './disputes.ts'

const kinds = ['sum', 'operand', 'data', 'state'] as const
const endings = {
  sum: 'prove-arithmetic',
  operand: 'prove-read',
  data: 'prove-read',
  state: 'prove-slot',
}
const runs = new Map<string, Promise<Runs>>()

describe('dispute', () => {
  test.each(kinds)('follows a dispute about a wrong %s to its end', async (kind) => {
    const { table, events, clock } = await play(kind)
    const rows = fold(events)
    const last = rows.at(-1)!
    expect(last).toMatchObject({
      claim: table.key.claim,
      challenger: table.key.challenger,
      state: 'challenger-won',
      by: endings[kind],
      bond: 5_000_000n,
      number: table.positions.length,
      endedAt: clock.now(),
    })
    expect(last.moves.map(({ number }) => number)).toEqual([
      null,
      ...table.positions.map((_, index) => index + 1),
    ])
    const parties = table.positions.map(({ turn }) => turn)
    expect(last.moves.slice(1).map(({ party }) => party)).toEqual(parties)
    for (const { words, bytes, type } of last.moves.slice(1)) {
      expect(words).toMatch(/^[A-Z].*\.$/)
      expect(bytes > 0 || type === 'dispute-after').toBe(true)
    }
    const spent = { claimant: 0, challenger: 0 }
    for (const { turn } of table.positions) spent[turn] += 7_000
    expect(last.claimantMs).toBe(900_000 - spent.claimant)
    expect(last.challengerMs).toBe(900_000 - spent.challenger)
  })

  test('knows the place after each move, also without the moves themselves', async () => {
    for (const kind of kinds) {
      const { table, events } = await play(kind)
      const rows = fold(events)
      table.positions.forEach((position, index) => {
        const expected = whereOf(position, table.claim)
        const where = whereOf(rows[index]!.position, table.claim)
        // How large a value is stands in its graph leaf, which is read by whoever shows the value next.
        if (position.phase === 'value')
          expect(where).toEqual({ ...expected, bytes: null, elementBytes: null })
        else expect(where).toEqual(expected)
        expect(rows[index]!.position.turn).toBe(position.turn)
      })
      let blind = table.positions[0]!
      for (const event of events)
        if (event.type === 'dispute-moved') blind = follow(blind, event.told, undefined)
      expect(blind.step).toBe(table.positions.at(-1)!.step)
    }
  })

  test('takes up what was played off the chain', async () => {
    const { table, events } = await play('sum')
    const [challenged] = events as [ChainEvent]
    const position = table.positions.at(-2)!
    const ply = { claimantSeconds: 100, challengerSeconds: 200, number: 21 }
    const at = { ...challenged, timestampSeconds: challenged.timestampSeconds + 60 }
    const adopted = { ...at, type: 'dispute-adopted', position, ply, gasUsed: 9n } as never
    const row = fold([challenged, adopted]).at(-1)!
    expect(row).toMatchObject({ claimantMs: 100_000, challengerMs: 200_000, number: 21, gas: 9 })
    expect(whereOf(row.position, table.claim).segments).not.toBeNull()
    expect(row.moves.at(-1)).toMatchObject({ number: 21, party: 'anyone', gas: 9 })
  })

  test('says who lost by its clock, and what was slashed', async () => {
    const { table, events } = await play('sum')
    const [challenged] = events as [ChainEvent]
    const late = { ...challenged, timestampSeconds: challenged.timestampSeconds + 901 }
    const end = { dispute: table.id, claim: table.key.claim, made: undefined, gasUsed: 5n }
    const timeout = { ...late, ...end, type: 'dispute-ended', by: 'timeout' } as const
    const slash = { dispute: table.id, amountMicroUsd: 3n, type: 'claimant-slashed' } as const
    const told = [
      challenged,
      { ...timeout, state: 'challenger-won' },
      { ...late, ...slash },
    ] as ChainEvent[]
    expect(fold(told).at(-1)).toMatchObject({
      state: 'challenger-won',
      by: 'timeout',
      number: 0,
      claimantMs: 0,
      challengerMs: 900_000,
      slashed: 3n,
      moves: [{ type: 'challenge' }, { type: 'timeout', party: 'claimant' }, { type: 'slash' }],
    })
  })

  test('knows nothing of a dispute that nobody opened', async () => {
    const { events } = await play('sum')
    expect(fold(events.slice(1))).toEqual([])
  })
})

describe('claim', () => {
  test('is challenged, then rejected or final', async () => {
    const { events, table } = await play('sum')
    const states = (list: readonly ChainEvent[]) =>
      list.reduce<disputes.Claim | undefined>(disputes.claim, undefined)
    expect(states(events.slice(0, -1))).toMatchObject({ state: 'challenged', reserved: 5_000_000n })
    expect(states(events)).toMatchObject({ state: 'rejected', message: table.claim })
    const [challenged] = events as [ChainEvent]
    const released = { ...challenged, type: 'claim-released', bondMicroUsd: 4n } as ChainEvent
    expect(states([challenged, released])).toMatchObject({ state: 'final', released: 4n })
    const burned = { ...challenged, type: 'bond-burned', amountMicroUsd: 1n } as ChainEvent
    expect(states([challenged, burned])).toMatchObject({ burned: 1n })
    expect(states([burned])).toBeUndefined()
  })
})

describe('jobOf', () => {
  test('is none for zero', async () => {
    const { table } = await play('sum')
    expect(disputes.jobOf(table.claim)).toBeNull()
    const job = Hex.sha256('job')
    expect(disputes.jobOf({ ...table.claim, job })).toBe(job)
  })
})

/** A dispute to its end on a memory chain, seven seconds a move. */
async function play(kind: (typeof kinds)[number]) {
  const known = runs.get(kind) ?? wrongRuns(kind)
  runs.set(kind, known)
  const clock = virtualClock()
  const world = explorerWorld(clock)
  const [claimant, challenger] = [world.party(), world.party()]
  const parties = { claimant, challenger, mint: minting(claimant.chain) }
  const table = await openDispute(parties, await known)
  do await clock.run(clock.now() + 7_000)
  while (await table.move())
  const { number } = await claimant.chain.head()
  const all = await claimant.chain.events({ from: 0n, to: number })
  return { table, clock, events: all.filter((event) => !/deposit/.test(event.type)) }
}

/** The row after each event. */
function fold(events: readonly ChainEvent[]): readonly disputes.Dispute[] {
  const rows: disputes.Dispute[] = []
  for (const event of events) {
    const row = disputes.dispute(rows.at(-1), event, { clockMs: 900_000 })
    if (row) rows.push(row)
  }
  return rows
}
