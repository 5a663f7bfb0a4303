import { describe, expect, test } from 'vitest'
import { trainingWorld, type TrainingWorld } from '../../../test/trainingWorld.ts'
import type { Replica } from '../../training/Replica.ts'
import { untilOver } from './untilOver.ts'

const order = { rounds: 3, minWorkers: 2 }

describe('untilOver', () => {
  test('gives who comes to a run that has ended its last state', async () => {
    await using world = await trainingWorld({ workers: 3, order, absent: [2] })
    await end(world)
    await world.start(2)
    const { outcome, remarks } = await wait(world, 2)
    expect(outcome).toBe('ended')
    expect(remarks).toEqual(['The run has ended after 3 rounds: its last state is fetched.'])
    expect(world.nodes[2]!.replica()).toEqual(world.nodes[0]!.replica())
    expect(world.nodes[0]!.log().state().workers).toHaveLength(2)
  })

  test('hands the last state out when a worker of the run comes back to it', async () => {
    await using world = await trainingWorld({ workers: 3, order, absent: [2] })
    await end(world)
    const beganAt = world.nowMs()
    const { outcome, remarks } = await wait(world, 1)
    expect(outcome).toBe('ended')
    expect(remarks).toEqual([
      'The run has ended after 3 rounds: its last state is handed out for 30 seconds.',
    ])
    expect(world.nowMs() - beganAt).toBeGreaterThan(30_000)
  })

  test('says what to do when nobody has the last state any more', async () => {
    await using world = await trainingWorld({ workers: 3, order, absent: [2] })
    await end(world)
    await world.start(2)
    const never = { ...world.nodes[0]!.replica()!, rounds: 0 }
    await expect(wait(world, 2, never)).rejects.toMatchObject({
      code: 'Cli.NoLastStateError',
      message: expect.stringContaining('Fix: start its first node again') as string,
    })
  })

  test('says what to do when nobody of the run is there', async () => {
    await using world = await trainingWorld({ workers: 3, order, absent: [0, 1] })
    await expect(wait(world, 2)).rejects.toMatchObject({
      code: 'Cli.NobodyError',
      message: expect.stringContaining('Fix: start its first node again') as string,
    })
  })

  test('waits for nobody when the user stops', async () => {
    await using world = await trainingWorld({ workers: 3, order, absent: [0, 1] })
    expect((await wait(world, 2, undefined, AbortSignal.abort())).outcome).toBe('stopped')
  })
})

/** Lets the first two come to the end. */
async function end(world: TrainingWorld): Promise<void> {
  const isOver = () =>
    [0, 1].every((at) => {
      const node = world.nodes[at]!
      return node.log().state().phase === 'ended' && node.replica()?.rounds === order.rounds
    })
  await world.advance(600_000, isOver)
  expect(isOver()).toBe(true)
}

/** What comes of a node's waiting, with what it is told; `stuck` is the state that it stays at. */
async function wait(
  world: TrainingWorld,
  number: number,
  stuck?: Replica,
  signal = new AbortController().signal,
) {
  const { identity, layout, log, replica, isShared, agree } = world.nodes[number]!
  const remarks: string[] = []
  const onRemark = (text: string) => void remarks.push(text)
  const worker = { replica: () => stuck ?? replica()!, isShared }
  const waiting = untilOver(
    { log: log(), worker, sync: { agree }, clock: world.clock },
    { own: identity.address, layout, signal, onRemark },
  )
  let isDone = false
  const finish = () => void (isDone = true)
  waiting.then(finish, finish)
  await world.advance(600_000, () => isDone)
  return { outcome: await waiting, remarks }
}
