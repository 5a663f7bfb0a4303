/** Disputes on the explorer's page: the words, the clocks, and the judge that runs in the reader's browser. */
import { describe, expect, test } from 'vitest'
import * as words from '../explorer/src/disputes.ts'
import { examine, floatText, operationOf } from '../explorer/src/judge.ts'
import type * as Api from '../src/indexer/Api.ts'
import { startIndexer } from '../src/indexer/startIndexer.ts'
import { readDispute } from '../src/indexer/tables/readDisputes.ts'
import * as Hex from '../src/protocol/Hex.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { minting, openDispute, tampered, type Runs, wrongRuns } from './explorerDisputes.ts'
import { explorerWorld } from './explorerWorld.ts'

const sums = wrongRuns('sum')

describe('examine', () => {
  test('gets what the contract gets, and not what was claimed', async () => {
    const detail = await played(await sums)
    expect(detail.dispute.by).toBe('prove-arithmetic')
    const { claimed, computed, terms, operands, isFinish } = examine(detail)!
    expect(isFinish).toBe(false)
    expect(operands).toHaveLength(2 * terms.length)
    expect(terms.at(-1)!.after).toEqual(computed![0])
    expect(claimed![0]!.bits ^ computed![0]!.bits).toBe(1 << 18)
    expect(operands[0]!.name).toMatch(/^a\[\d+, \d+]$/)
  })

  test('finds the operand that stands elsewhere with another sign', async () => {
    const detail = await played({ ...(await sums), tamper: tampered })
    const { wrong } = examine(detail)!
    expect((wrong!.operand.word.bits ^ wrong!.held!.bits) >>> 0).toBe(2 ** 31)
  })

  test('finds the byte of the data that is another', async () => {
    const { wrong } = examine(await played(await wrongRuns('data')))!
    expect(wrong!.operand.word.bits ^ wrong!.held!.bits).toBe(1)
  })

  test('says nothing before there is anything to say', async () => {
    const runs = await sums
    const detail = await played(runs, 6)
    expect(examine(detail)).toBeUndefined()
    expect(examine({ ...detail, segment: { ...detail.segment, op: '0x1234' } })).toBeUndefined()
  })
})

describe('operationOf', () => {
  test('says what the element is computed by', async () => {
    const { segment, dispute } = await played(await sums)
    expect(operationOf(segment, dispute.where)).toMatchObject({
      kind: 'contract',
      dtype: 'f32',
      segments: 3,
      element: [expect.any(Number), expect.any(Number)],
    })
    expect(operationOf({ ...segment, op: null }, dispute.where)).toBeUndefined()
  })
})

describe('floatText', () => {
  test('writes the fewest digits that mean this number', () => {
    const float = (value: number) => floatText(Math.fround(value))
    expect(float(0.1)).toBe('0.1')
    expect(float(-1.5)).toBe('−1.5')
    expect(float(1 / 3)).toBe('0.33333334')
    expect(float(-0)).toBe('−0')
    expect(float(-Infinity)).toBe('−∞')
    expect(float(NaN)).toBe('NaN')
    expect(float(1e-20)).toBe('1e-20')
  })
})

describe('the words of a dispute', () => {
  test('say where it stands, and why it ended', async () => {
    const { dispute } = await played(await sums)
    expect(words.placeOf(dispute)).toMatch(/^step 2, value \d+, element 42, segment 1$/)
    expect(words.reasonOf(dispute)).toContain('got another number')
    const other = (by: Api.Dispute['by'], state: Api.Dispute['state']) =>
      words.reasonOf({ ...dispute, by, state })
    expect(other('timeout', 'claimant-won')).toBe('The challenger let its clock run out.')
    expect(other('concede', 'challenger-won')).toBe('The claimant conceded.')
    expect(other('close', 'closed')).toContain('another dispute')
    expect(other('prove-slot', 'challenger-won')).toContain('state after a step')
    expect(other('prove-read', 'challenger-won')).toContain('stands in that place')
    expect(other(null, 'open')).toContain('Nothing')
  })
})

describe('leftOf', () => {
  test('runs down for who is in turn, while it is open', async () => {
    const { dispute } = await played(await sums, 6)
    const { turn, movedAt, claimantMs } = dispute
    expect(turn).toBe('claimant')
    expect(words.leftOf(dispute, 'claimant', movedAt + 5_000)).toBe(claimantMs - 5_000)
    expect(words.leftOf(dispute, 'challenger', movedAt + 5_000)).toBe(dispute.challengerMs)
    expect(words.leftOf(dispute, 'claimant', movedAt + 5_000_000)).toBe(0)
    expect(words.leftOf(dispute, 'claimant', movedAt - 5_000)).toBe(claimantMs)
    const over: Api.Dispute = { ...dispute, state: 'closed' }
    expect(words.leftOf(over, 'claimant', movedAt + 5_000)).toBe(claimantMs)
  })
})

describe('clockText', () => {
  test('writes minutes and seconds, and hours when there are some', () => {
    expect(words.clockText(0)).toBe('0:00')
    expect(words.clockText(61_001)).toBe('1:02')
    expect(words.clockText(3_723_000)).toBe('1:02:03')
  })
})

/** A dispute as the API tells it, after some moves or at its end. */
async function played(runs: Runs, moves = 100): Promise<Api.DisputeDetail> {
  const clock = virtualClock()
  const world = explorerWorld(clock)
  const [claimant, challenger] = [world.party(), world.party()]
  const parties = { claimant, challenger, mint: minting(claimant.chain) }
  const dispute = await openDispute(parties, runs, { job: Hex.sha256('job') })
  for (let made = 0; made < moves; made++) if (!(await dispute.move())) break
  const network = world.network.join('explorer')
  const ports = { chain: claimant.chain, network, clock, logger: silentLogger() }
  await using indexer = await startIndexer(ports, { path: ':memory:', validators: [] })
  await clock.run(clock.now() + 1_100)
  return JSON.parse(JSON.stringify(readDispute(indexer.database, dispute.id))) as Api.DisputeDetail
}
