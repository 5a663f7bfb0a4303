/** The tables of disputes: kept through reorganisations, read as the API shows them. */
import { describe, expect, test } from 'vitest'
import { type Dispute, minting, openDispute, wrongRuns } from '../../test/explorerDisputes.ts'
import { explorerWorld } from '../../test/explorerWorld.ts'
import * as Hex from '../protocol/Hex.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import type * as Api from './Api.ts'
import type { Database } from './openDatabase.ts'
import { startIndexer } from './startIndexer.ts'
import { countDisputes, disputesOf, readDispute, readDisputes } from './tables/readDisputes.ts'
import { readMoneyPage, readNetwork, readProvider } from './tables/readNetwork.ts'

const runs = wrongRuns('sum')
const job = Hex.sha256('job')

describe('tables of disputes', () => {
  test('tell a dispute move by move, and what followed from it', async () => {
    await using setup = await start()
    const { dispute, database, look, claimant, challenger } = setup
    await look()
    expect(countDisputes(database)).toEqual({ open: 1, convicted: 0, upheld: 0 })
    expect(setup.changes.splice(0)).toContain(`dispute ${dispute.id}`)
    while (await dispute.move()) {
      await look()
      const { dispute: row, moves } = readDispute(database, dispute.id)!
      expect(row.turn).toBe(dispute.positions.at(-1)!.turn)
      expect(moves).toHaveLength(dispute.positions.length)
      expect(setup.changes.splice(0)).toContain(`dispute ${dispute.id}`)
    }
    const { claim, key } = dispute
    await claimant.chain.send({ type: 'burn-bond', claim: key.claim })
    await look()
    const detail = readDispute(database, dispute.id)!
    expect(detail).toMatchObject({
      dispute: { state: 'challenger-won', by: 'prove-arithmetic', job, bond: '5000000' },
      claim: { id: key.claim, state: 'rejected', burned: '1000000', steps: claim.steps },
      segment: { proof: { type: 'arithmetic' } },
      others: [],
    })
    expect(detail.moves.at(-1)!.words).toContain('another result')
    expect(readNetwork(database, 0).disputes).toEqual({ open: 0, convicted: 1, upheld: 0 })
    for (const { identity } of [claimant, challenger])
      expect(disputesOf(database, identity.address)).toEqual([detail.dispute])
    const seen = readProvider(database, 0, claimant.identity.address)
    expect(seen?.disputes).toEqual([detail.dispute])
    const { rows } = readMoneyPage(database, { limit: 200 }).movements
    expect(new Set(rows.map(({ type }) => type))).toContain('bond-burned')
    expect(rows.filter(({ type }) => type === 'dispute-moved')).toEqual([])
  })

  test('roll back with the chain, and say the same as those made afresh', async () => {
    await using setup = await start()
    const { dispute, world, database, look } = setup
    for (let count = 0; count < 8; count++) await dispute.move()
    await look()
    for (const blocks of [1, 3]) {
      world.ledger.rollback(blocks)
      await look()
      expect(dump(database)).toEqual(await setup.fresh())
    }
    expect(readDispute(database, dispute.id)!.dispute.moves).toBe(4)
    dispute.positions.splice(5)
    await dispute.play()
    await look()
    expect(readDispute(database, dispute.id)!.dispute.state).toBe('challenger-won')
    expect(dump(database)).toEqual(await setup.fresh())

    world.ledger.rollback(Number((await setup.claimant.chain.head()).number))
    await look()
    expect(readDispute(database, dispute.id)).toBeUndefined()
    expect(Object.values(dump(database)).flat()).toEqual([])
  })

  test('tell of money for bonds, which touches nothing else', async () => {
    await using setup = await start()
    const { look, challenger } = setup
    await look()
    setup.changes.splice(0)
    const account = challenger.identity.address
    await minting(challenger.chain)(account, 3n)
    await challenger.chain.send({ type: 'dispute-deposit', account, amountMicroUsd: 3n })
    await look()
    expect(setup.changes).toContain('money vault')
  })

  test('are read in pages, by party, claim, job and state', async () => {
    await using setup = await start()
    const { look, database, challenger, world } = setup
    for (let count = 0; count < 2; count++) {
      await setup.clock.run(setup.clock.now() + 5_000)
      await setup.open()
    }
    await look()
    const all = readDisputes(database, { limit: 50 })
    expect(all.rows).toHaveLength(3)
    expect(all.next).toBeNull()
    const seen: Api.Dispute[] = []
    for (let before: string | undefined; ;) {
      const page = readDisputes(database, { limit: 2, before })
      seen.push(...page.rows)
      if (page.next === null) break
      before = page.next
    }
    expect(seen).toEqual(all.rows)
    const count = (query: Partial<Api.DisputesQuery>) =>
      readDisputes(database, { limit: 50, ...query }).rows.length
    expect(count({ show: 'open' })).toBe(3)
    expect(count({ show: 'ended' })).toBe(0)
    expect(count({ job })).toBe(3)
    expect(count({ job: Hex.zero })).toBe(0)
    expect(count({ claim: all.rows[0]!.claim })).toBe(1)
    expect(count({ challenger: challenger.identity.address })).toBe(3)
    expect(count({ claimant: world.party().identity.address })).toBe(0)
    expect(readDispute(database, Hex.zero)).toBeUndefined()
  })
})

async function start() {
  const clock = virtualClock()
  const world = explorerWorld(clock)
  const [claimant, challenger] = [world.party(), world.party()]
  await world.register(claimant, 7_000_000n)
  const parties = { claimant, challenger, mint: minting(claimant.chain) }
  const known = await runs
  const open = (): Promise<Dispute> => openDispute(parties, known, { job })
  const dispute = await open()
  const index = (name: string) =>
    startIndexer(
      { chain: claimant.chain, network: world.network.join(name), clock, logger: silentLogger() },
      { path: ':memory:', validators: [] },
    )
  const indexer = await index('explorer')
  const changes: string[] = []
  indexer.subscribe((told) => changes.push(...told.map(({ kind, id }) => `${kind} ${id}`)))
  return {
    clock,
    world,
    claimant,
    challenger,
    dispute,
    open,
    changes,
    database: indexer.database,
    look: () => clock.run(clock.now() + 1_100),
    /** The tables of an explorer that has just begun. */
    async fresh() {
      await using other = await index(`fresh ${clock.now()}`)
      await clock.run(clock.now() + 10)
      return dump(other.database)
    },
    [Symbol.asyncDispose]: () => indexer[Symbol.asyncDispose](),
  }
}

function dump(database: Database): Readonly<Record<string, readonly unknown[]>> {
  return Object.fromEntries(
    ['claims', 'disputes', 'dispute_moves'].map((table) => [
      table,
      database.all(`SELECT * FROM ${table} ORDER BY 1, 2`),
    ]),
  )
}
