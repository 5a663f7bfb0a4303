import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  startWorkshop,
  type TrainingWorld,
  trainingWorld,
  type Workshop,
} from '../../../test/trainingWorld.ts'
import { build, decoderOf, startWasm } from '../../exact/index.ts'
import type { Backend } from '../../exact/Backend.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Decision } from '../coordinator/State.ts'
import { hashOf } from '../Replica.ts'
import { startEvaluator } from '../startEvaluator.ts'
import { noiseOf } from './Budget.ts'

const stack = new AsyncDisposableStack()
let workshop: Workshop
let backend: Backend

beforeAll(async () => {
  backend = stack.use(await startWasm({ threads: 1 }))
  workshop = stack.use(await startWorkshop(backend))
})
afterAll(() => stack.disposeAsync())

const texts = ['one owl or two. ', 'three cats at tea. ', 'four dogs dig on. ', 'five hens sing. ']
const order = {
  rule: 'diloco',
  privacy: 'sums',
  clipMicro: 500_000,
  data: Hex.zero,
  auditMicro: 0,
  rounds: 4,
  minWorkers: 3,
  roundMs: 20_000,
} as const
const noisy = { noiseMicro: 200_000, rhoMicro: 1_000_000_000, deltaPico: 10_000_000 }

describe('a private run', () => {
  test('ends with one model, of which each worker was shown nothing but sums', async () => {
    await using world = await trainingWorld({ workers: 4, workshop, texts, order })
    await world.advance(240_000, () => isOver(world))
    expect(phases(world)).toEqual(['ended', 'ended', 'ended', 'ended'])
    expect(models(world).size).toBe(1)
    const closes = of(world, 'round-close')
    expect(closes.map(({ accepted }) => accepted.length)).toEqual([4, 4, 4, 4])
    // Nothing that was said tells of what stayed with its owner.
    for (const { entries } of world.nodes[0]!.log().from(0, Infinity))
      for (const { kind, signed } of entries) {
        if (kind === 'applied')
          expect(signed.message).toMatchObject({ lossMicro: 0, heldOutMicro: 0 })
        if (kind === 'commitment')
          expect(new Set([signed.message.end, signed.message.errorIfLate])).toEqual(
            new Set([Hex.zero]),
          )
      }
  })

  test.each([
    { name: 'without noise', terms: {} },
    { name: 'with a little', terms: { noiseMicro: 40_000, rhoMicro: 4e9, deltaPico: 1 } },
  ])('learns from what four owners have, $name', async ({ terms }) => {
    const changes = { ...order, ...terms, rounds: 10, steps: 30, clipMicro: 2_000_000 }
    await using world = await trainingWorld({ workers: 4, workshop, texts, order: changes })
    // The workshop's.
    const { model } = build({
      model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 8 }),
      rows: 1,
      length: 4,
      optimiser: { kind: 'adamw' },
      schedule: { rate: 0.01 },
    })
    await using evaluator = await startEvaluator(
      { backend },
      {
        model,
        data: new TextEncoder().encode(texts.join('').repeat(4)),
        rows: 8,
        length: 4,
      },
    )
    const before = evaluator.loss(workshop.start)
    await world.advance(400_000, () => isOver(world))
    expect(models(world).size).toBe(1)
    expect(evaluator.loss(world.nodes[0]!.replica()!.parameters)).toBeLessThan(before - 0.1)
  })

  test('spends what its accountant says, and ends before it spends more', async () => {
    const { rho } = noiseOf({ members: 4, noiseMicro: 200_000, toleratedMicro: 250_000 })
    const budget = { ...noisy, rhoMicro: Math.ceil(rho * 2.5e6) }
    await using world = await trainingWorld({
      workers: 4,
      workshop,
      texts,
      order: { ...order, ...budget },
    })
    await world.advance(240_000, () => isOver(world))
    expect(of(world, 'round-close').length).toBe(2)
    expect(of(world, 'run-end')).toEqual([{ kind: 'run-end', reason: 'privacy' }])
    expect(world.nodes[0]!.log().state().spentRho).toBe(rho + rho)
    expect(models(world).size).toBe(1)
  })

  test('goes on without a worker that dies in the middle, and takes it back', async () => {
    const long = { ...order, ...noisy, rounds: 8 }
    await using world = await trainingWorld({
      workers: 4,
      workshop,
      texts,
      order: long,
      stepMs: [500, 500, 500, 500],
    })
    await world.advance(240_000, () => of(world, 'round-close').length >= 2)
    world.kill(3)
    await world.advance(240_000, () => of(world, 'round-close').length >= 5)
    expect(of(world, 'round-close').at(-1)!.accepted.length).toBe(3)
    await world.start(3)
    await world.advance(400_000, () => isOver(world))
    expect(phases(world)).toEqual(['ended', 'ended', 'ended', 'ended'])
    expect(of(world, 'round-close').at(-1)!.accepted.length).toBe(4)
    expect(models(world).size).toBe(1)
  })
})

function of<K extends Decision['kind']>(world: TrainingWorld, kind: K) {
  const decisions = world.nodes[0]!.log().decisions()
  return decisions.filter((each): each is Extract<Decision, { kind: K }> => each.kind === kind)
}

function phases({ nodes }: TrainingWorld): readonly string[] {
  return nodes.map(({ log }) => log().state().phase)
}

function models({ nodes }: TrainingWorld): ReadonlySet<string> {
  return new Set(nodes.map(({ replica, layout }) => hashOf(layout, replica()!)))
}

/** Whether all have the end of the log, and the state that it leads to. */
function isOver({ nodes }: TrainingWorld): boolean {
  return nodes.every(({ log, replica, isAlive }) => {
    if (!isAlive()) return false
    const { phase, round } = log().state()
    return phase === 'ended' && replica()!.rounds === round.number
  })
}
