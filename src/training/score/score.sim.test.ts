import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { letters } from '../../../test/letters.ts'
import { startWorkshop, trainingWorld, type Workshop } from '../../../test/trainingWorld.ts'
import { startWasm } from '../../exact/index.ts'
import type { Run } from '../../exact/train/startRun.ts'
import { auditRun } from '../auditRun.ts'
import type { Decision } from '../coordinator/State.ts'

const stack = new AsyncDisposableStack()
let workshop: Workshop

beforeAll(async () => {
  const backend = stack.use(await startWasm({ threads: 1 }))
  workshop = stack.use(await startWorkshop(backend, { rows: 4, length: 8, rate: 0.03 }))
})
afterAll(() => stack.disposeAsync())

describe('a run that nobody can repeat', () => {
  test('finds who goes the other way, pays all others, and is scored again alike by an audit', async () => {
    await using world = await trainingWorld({
      workers: 4,
      workshop,
      text: letters(6000),
      order: { trainer: 'any', auditMicro: 1_000_000, rounds: 7, steps: 3, rule: 'diloco' },
      liar: { number: 3, spoil: backwards },
    })
    await world.advance(4_000_000, () => world.nodes[0]!.log().state().phase === 'ended')
    const log = world.nodes[0]!.log()
    const decisions = log.decisions()
    const convicted = of(decisions, 'worker-convicted')
    const number = log.state().numbers.get(world.nodes[3]!.identity.address)!
    expect(convicted).toMatchObject([{ worker: number, by: 'scores' }])
    expect(of(decisions, 'unpaid').every(({ worker }) => worker === number)).toBe(true)
    expect(log.state().workers[number]!.earnedMicroUsd).toBe(0n)
    expect(of(decisions, 'auditor-outvoted')).toEqual([])

    const { measure, ...rest } = world.audit()
    const ports = { ...rest, measure: await measure! }
    const findings = await Array.fromAsync(auditRun(ports, { ...rest, isChosen: () => true }))
    expect(findings.filter(({ kind }) => kind === 'scores').length).toBe(7)
    expect(findings.filter(({ kind }) => kind === 'difference' || kind === 'missing')).toEqual([])

    const told = decisions.map((each) =>
      each.kind === 'scored' ? { ...each, errorMilli: each.errorMilli + 1 } : each,
    )
    const spoilt = { ...ports, log: { ...log, decisions: () => told } }
    const isChosen = (round: number) => round === 0
    const differing = (await Array.fromAsync(auditRun(spoilt, { ...rest, isChosen }))).filter(
      (each) => each.kind === 'difference',
    )
    expect(differing.length).toBe(4)
    expect(differing[0]!.reason).toMatch(/^its score is \S+ by the log, and its payload makes/)
  }, 120_000)
})

/** An engine whose steps lead the other way. */
function backwards(run: Run): Run {
  let before: readonly Uint8Array[] = []
  return {
    ...run,
    restore(state) {
      before = state.map((each) => each.slice())
      run.restore(state)
    },
    state: () =>
      run.state().map((bytes, slot) => {
        if (run.graph.state[slot]!.dtype !== 'f32') return bytes
        const [from, to] = [before[slot]!, bytes].map(
          (each) => new Float32Array(each.slice().buffer),
        )
        return new Uint8Array(from!.map((each, at) => 2 * each - to![at]!).buffer)
      }),
  }
}

function of<kind extends Decision['kind']>(decisions: readonly Decision[], kind: kind) {
  return decisions.filter((each) => each.kind === kind) as Extract<Decision, { kind: kind }>[]
}
