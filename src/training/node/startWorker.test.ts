import { describe, expect, test } from 'vitest'
import { trainingWorld, type TrainingWorld } from '../../../test/trainingWorld.ts'
import type { Run } from '../../exact/train/startRun.ts'
import type { Decision } from '../coordinator/State.ts'

describe('startWorker', () => {
  test('trains together: every replica ends in the same bytes, every step is paid', async () => {
    await using world = await trainingWorld({ workers: 3 })
    await world.advance(300_000, () => isOver(world))
    const state = world.nodes[1]!.log().state()
    expect(state.phase).toBe('ended')
    expect(closes(world).map(({ accepted }) => accepted.length)).toEqual([3, 3, 3, 3])
    expect(state.paidMicroUsd).toBe(3n * 4n * 2n * 10n)
    const [first, ...others] = world.nodes.map((node) => node.replica())
    expect(first!.rounds).toBe(4)
    for (const other of others) expect(other).toEqual(first)
  })

  test('survives the death of half, of the coordinator too, and takes them back in step', async () => {
    await using world = await trainingWorld({ workers: 4, order: { rounds: 8, roundMs: 20_000 } })
    await world.advance(60_000, () => closes(world, 1).length >= 2)
    world.kill(0)
    world.kill(3)
    await world.advance(300_000, () => closes(world, 1).length >= 5)
    expect(
      closes(world, 1)
        .at(-1)!
        .accepted.map(({ worker }) => worker),
    ).not.toContain(3)
    await world.start(0)
    await world.start(3)
    await world.advance(600_000, () => isOver(world))
    expect(world.nodes[1]!.log().state().phase).toBe('ended')
    const rounds = closes(world, 1).map(({ round }) => round)
    expect(rounds).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const replicas = world.nodes.map((node) => node.replica())
    for (const other of replicas) expect(other).toEqual(replicas[1])
  })

  test('a worker whose engine computes something else is convicted and not paid; nobody else is', async () => {
    const liar = { number: 2, spoil }
    const order = { auditMicro: 1_000_000, rounds: 5 }
    await using world = await trainingWorld({ workers: 4, order, liar })
    await world.advance(600_000, () => isOver(world))
    const decisions = world.nodes[0]!.log().decisions()
    const convicted = decisions.filter((each) => each.kind === 'worker-convicted')
    const { workers } = world.nodes[0]!.log().state()
    const lying = workers.find(({ address }) => address === world.nodes[2]!.identity.address)!
    expect(convicted.map(({ worker }) => worker)).toEqual([lying.number])
    expect(lying.earnedMicroUsd).toBe(0n)
    const others = workers.filter(({ number }) => number !== lying.number)
    expect(others.map(({ earnedMicroUsd }) => earnedMicroUsd)).toEqual([100n, 100n, 100n])
  })
})

type Close = Extract<Decision, { kind: 'round-close' }>

function closes(world: TrainingWorld, number = 0): readonly Close[] {
  const decisions = world.nodes[number]!.log().decisions()
  return decisions.filter((each) => each.kind === 'round-close')
}

function isOver(world: TrainingWorld): boolean {
  return world.nodes.every((node) => node.replica() && node.log().state().phase === 'ended')
}

/** An engine that flips a bit of a trained weight at the end of each segment. */
function spoil(run: Run): Run {
  return {
    ...run,
    state() {
      const state = run.state().map((bytes) => bytes.slice())
      state[2]![1]! ^= 0x80
      return state
    },
  }
}
