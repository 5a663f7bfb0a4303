import { describe, expect, test } from 'vitest'
import { trainingLog } from '../../test/trainingLog.ts'
import { trainingView } from './trainingView.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const

describe('trainingView', () => {
  test('adds a run up: losses, bytes, steps, the liar and why it is out, who came late', async () => {
    const { log } = await storyOf(12)
    const { run, workers, rounds, events, order } = trainingView(log)
    expect(run).toMatchObject({ phase: 'ended', endedBy: 'rounds', round: 12, rounds: 12 })
    expect(run).toMatchObject({ workers: { active: 3, gone: 0, convicted: 1 }, takeovers: 0 })
    expect(run.firstLoss).toBeCloseTo(5.55)
    expect(run.loss).toBeLessThan(3)
    expect(order).toMatchObject({ steps: 10, kept: [1024, 64], auditShare: 1 })
    expect(rounds.map((each) => each.round)).toEqual(Array.from({ length: 13 }, (_, at) => at))
    expect(rounds.at(-1)).toMatchObject({ steps: run.steps, payloadBytes: run.payloadBytes })
    expect(workers.reduce((sum, { steps }) => sum + steps, 0)).toBe(run.steps)
    expect(workers.reduce((sum, { sentBytes }) => sum + sentBytes, 0)).toBe(run.sentBytes)
    expect(workers[1]).toMatchObject({
      standing: 'convicted',
      earned: '0',
      loss: expect.any(Number),
    })
    expect(workers[1]!.reason).toContain('round 1')
    expect(workers[1]!.audits.invalid).toBeGreaterThanOrEqual(2)
    expect(workers[3]!.rounds).toBeLessThan(12)
    expect(BigInt(run.paid)).toBe(workers.reduce((sum, { earned }) => sum + BigInt(earned), 0n))
    const codes = events.map(({ code }) => code)
    expect(codes).toEqual(expect.arrayContaining(['worker-joined', 'worker-convicted', 'run-end']))
    expect(codes[0]).toBe('run-end')
  })

  test('says what is held, and which auditor two others contradicted', async () => {
    const { log } = await storyOf(12, 5)
    const auditor = { kind: 'auditor-outvoted', worker: 0, auditor: 2, found: 'invalid' } as const
    const [{ batch }] = log.history().slice(-1) as [ReturnType<typeof log.history>[number]]
    const history = () => [...log.history(), { batch, decisions: [{ ...auditor, round: 4 }] }]
    const { run, events } = trainingView({ ...log, history })
    expect([run.paid, run.held]).toEqual(['0', '240'])
    expect(events[0]).toMatchObject({
      code: 'auditor-outvoted',
      worker: 2,
      detail: 'found worker 0 invalid in round 5',
    })
  })

  test('keeps every n-th of many rounds, the last among them', async () => {
    const { log } = await storyOf(9)
    const { rounds } = trainingView(log, { rounds: 4 })
    expect(rounds.map(({ round }) => round)).toEqual([0, 3, 6, 9])
  })
})

async function storyOf(rounds: number, played = rounds) {
  const order = { rounds, minWorkers: 3, auditMicro: 1_000_000 }
  const story = await trainingLog(domain, { seed: 'view', now: 1_000_000, liar: 1, order })
  for (const worker of [0, 1, 2]) await story.join(worker)
  for (let round = 0; round < played; round++) {
    if (round === 4) await story.join(3)
    await story.round([0, 1, 2, 3])
  }
  if (played === rounds) await story.end([0, 1, 2, 3])
  return story
}
