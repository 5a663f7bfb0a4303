import { describe, expect, test } from 'vitest'
import { trainingWorld, type TrainingWorld } from '../../test/trainingWorld.ts'
import { type AuditFinding, auditRun } from './auditRun.ts'

describe('auditRun', () => {
  test('computes states, segments and pay again, and finds nothing amiss', async () => {
    await using world = await finished()
    const findings = await auditOf(world)
    const kinds = Map.groupBy(findings, ({ kind }) => kind)
    expect([...kinds.keys()].toSorted()).toEqual(['round', 'segment'])
    const segments = findings.filter((each) => each.kind === 'segment')
    expect(segments).toHaveLength(6)
    expect(segments.every(({ payload }) => payload)).toBe(true)
    const rounds = findings.filter((each) => each.kind === 'round')
    expect(rounds.map(({ round }) => round)).toEqual([0, 1, 2])
  })

  test('names the segment that an engine with one wrong bit has made', async () => {
    await using world = await finished()
    const findings = await auditOf(world, { spoilt: 1 })
    const differences = findings.filter((each) => each.kind === 'difference')
    expect(differences).toEqual([
      {
        kind: 'difference',
        round: 0,
        worker: expect.any(Number),
        reason: 'its segment ends in another state',
        known: false,
      },
    ])
  })

  test('names pay that was not held back, and pay after a conviction', async () => {
    await using world = await finished({ auditMicro: 1_000_000 })
    const { log, ...rest } = world.audit()
    const [first] = log.decisions().filter(({ kind }) => kind === 'paid')
    const closes = log.decisions().filter(({ kind }) => kind === 'round-close')
    const told = (decisions: ReturnType<typeof log.decisions>) =>
      collect({ ...rest, log: { ...log, decisions: () => decisions }, contents: nothing })
    const reasonsOf = (findings: readonly AuditFinding[]) =>
      findings.flatMap((each) => (each.kind === 'difference' ? [each.reason] : []))
    expect(reasonsOf(await told(log.decisions()))).toEqual([])
    expect(reasonsOf(await told([...closes, first!]))).toContain('it was paid 2 rounds too soon')
    const convicted = { kind: 'worker-convicted', worker: 0, round: 0, by: 'audits' } as const
    const [paid] = log.decisions().filter((each) => each.kind === 'paid' && each.worker === 0)
    expect(reasonsOf(await told([...log.decisions(), convicted, paid!]))).toContain(
      'it was paid after its conviction',
    )
  })

  test('says which payload is missing, and tells of reports that differ', async () => {
    await using world = await finished()
    const missing = await auditOf(world, { contents: nothing })
    expect(missing.at(-1)).toMatchObject({ kind: 'missing', round: 0 })
    const other = world.audit()
    const start = other.start.map((bytes, index) => (index === 2 ? flipped(bytes) : bytes))
    const findings = await collect({ ...other, start })
    const reasons = findings.flatMap((each) => (each.kind === 'difference' ? [each.reason] : []))
    expect(reasons[0]).toMatch(/it reported the state 0x/)
    expect(reasons).toContain('its segment began from another state')
  })
})

const nothing = () => Promise.resolve(undefined)

type Audit = ReturnType<TrainingWorld['audit']>

async function finished(order: { auditMicro?: number } = {}): Promise<TrainingWorld> {
  const world = await trainingWorld({ workers: 2, order: { rounds: 3, ...order } })
  await world.advance(300_000, () =>
    world.nodes.every((node) => node.log().state().phase === 'ended'),
  )
  return world
}

async function auditOf(
  world: TrainingWorld,
  { contents, spoilt }: { contents?: Audit['contents']; spoilt?: number } = {},
): Promise<readonly AuditFinding[]> {
  const audit = world.audit()
  let calls = 0
  const run = {
    ...audit.run,
    state() {
      const state = audit.run.state()
      return ++calls === spoilt
        ? state.map((bytes, at) => (at === 2 ? flipped(bytes) : bytes))
        : state
    },
  }
  return collect({ ...audit, run, contents: contents ?? audit.contents })
}

async function collect({
  log,
  run,
  contents,
  ...options
}: Audit): Promise<readonly AuditFinding[]> {
  const findings: AuditFinding[] = []
  for await (const each of auditRun({ log, run, contents }, { ...options, isChosen: () => true }))
    findings.push(each)
  return findings
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[1]! ^= 0x80
  return copy
}
