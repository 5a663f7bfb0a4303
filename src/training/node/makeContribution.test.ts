import { describe, expect, test } from 'vitest'
import { trainingWorld } from '../../../test/trainingWorld.ts'
import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { type AuditFinding, auditRun } from '../auditRun.ts'

const ways: Readonly<Record<string, Partial<TrainingOrder>>> = {
  'sparse, late': { overlap: true },
  'sparse with momentum, krum': { outerMomentumMicro: 500_000, aggregation: 'krum' },
  diloco: { rule: 'diloco', outerMomentumMicro: 900_000, aggregation: 'centred-clipping' },
  streaming: { rule: 'streaming', fragments: 2, outerMomentumMicro: 500_000 },
  'streaming, late': { rule: 'streaming', fragments: 3, overlap: true },
  'data-parallel': { rule: 'data-parallel', steps: 1, aggregation: 'trimmed-mean' },
}

describe.each(Object.entries(ways))('makeContribution by %s', (_, order) => {
  test('leaves all with the same state, and everything can be made again from the log', async () => {
    await using world = await trainingWorld({
      workers: 3,
      order: { ...order, rounds: 5, auditMicro: 400_000 },
    })
    await world.advance(600_000, () =>
      world.nodes.every((node) => node.replica() && node.log().state().phase === 'ended'),
    )
    const [first, ...others] = world.nodes.map((node) => node.replica())
    expect(first!.rounds).toBe(5)
    for (const other of others) expect(other).toEqual(first)

    const decisions = world.nodes[0]!.log().decisions()
    expect(decisions.filter((each) => each.kind === 'worker-convicted')).toEqual([])
    expect(decisions.filter((each) => each.kind === 'unpaid')).toEqual([])
    const { log, run, contents, ...rest } = world.audit()
    const findings: AuditFinding[] = []
    for await (const each of auditRun({ log, run, contents }, { ...rest, isChosen: () => true }))
      findings.push(each)
    const kinds = Map.groupBy(findings, ({ kind }) => kind)
    expect([...kinds.keys()].toSorted()).toEqual(['round', 'segment'])
    expect(kinds.get('segment')).toHaveLength(15)
  })
})
