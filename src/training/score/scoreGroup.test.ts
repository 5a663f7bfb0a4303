import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { letters } from '../../../test/letters.ts'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { startWorkshop, type Workshop } from '../../../test/trainingWorld.ts'
import { startWasm } from '../../exact/index.ts'
import * as Hex from '../../protocol/Hex.ts'
import { makeContribution } from '../node/makeContribution.ts'
import { formIn } from '../payload/Rule.ts'
import { decode, from, type Update } from '../payload/Update.ts'
import { lengthOf } from '../Replica.ts'
import { trainerOf } from '../segment.ts'
import { scoreGroup, scoreOf } from './scoreGroup.ts'

const order = trainingOrder({ buyer: Hex.zero, rule: 'diloco', trainer: 'any' })
const data = new TextEncoder().encode(letters(6000))
const stack = new AsyncDisposableStack()
let workshop: Workshop

beforeAll(async () => {
  const backend = stack.use(await startWasm({ threads: 1 }))
  workshop = stack.use(await startWorkshop(backend, { rows: 4, length: 8, rate: 0.03 }))
})
afterAll(() => stack.disposeAsync())

describe('scoreGroup', () => {
  test('tells who learned from its own pages, whatever else is sent', async () => {
    const [own, other, empty, loud] = [
      await updateOf(0),
      await updateOf(1),
      uniform(0),
      uniform(1.5),
    ]
    const scores = await scored([
      { worker: 0, update: own },
      { worker: 1, update: other },
      { worker: 2, update: own },
      { worker: 3, update: empty },
      { worker: 4, update: loud },
      { worker: 5, update: undefined },
    ])
    const [first, second, copied, none, ...rest] = scores.map((each) => (each - 8000) / 1000)
    expect(Math.min(first!, second!)).toBeGreaterThan(3)
    expect(copied).toBeLessThan(2.5)
    expect(none).toBe(0)
    expect(rest).toEqual([-8, -8])
  })

  test('comes to the same numbers in whatever company, and to others by another hash', async () => {
    const [own, other] = [await updateOf(0), await updateOf(1)]
    const both = [
      { worker: 0, update: own },
      { worker: 1, update: other },
    ]
    const [first, second] = await scored(both)
    expect(await scored(both.toReversed())).toEqual([second, first])
    expect(await scored(both.slice(0, 1))).toEqual([first])
    expect(await scored(both, Hex.sha256('another'))).not.toEqual([first, second])
  })
})

describe('scoreOf', () => {
  test.each([
    ['nothing where both come to the same', [1, 1], [1, 2, 0], 8000],
    ['standard errors of what nobody was given', [3, 3, 3], [1, 2, 3], 8000 + 1225],
    ['no more than eight of them', [900, 900], [1, 2, 3], 16_000],
    ['no less than minus eight', [-900, -900], [1, 2, 3], 0],
    ['all or nothing where nothing varies', [2], [1, 1, 1], 16_000],
    ['chance where nothing does anything', [0, 0], [0, 0], 8000],
    ['the least where a loss is none', [Number.NaN], [1, 2], 0],
  ])('says %s', (_, given, others, score) => {
    expect(scoreOf(given, others)).toBe(score)
  })
})

function scored(
  contributions: readonly { worker: number; update: Update | undefined }[],
  closedBy = Hex.sha256('closed'),
) {
  return workshop.measure(0).then((measure) =>
    scoreGroup(measure, {
      ...common(),
      contributions: contributions.map((each) => ({ ...each, steps: 3 })),
      terms: order,
      closedBy,
    }),
  )
}

const common = () => ({
  layout: workshop.layout,
  replica: { rounds: 0, parameters: workshop.start },
  data,
  seed: [order.seed0, order.seed1] as const,
})

async function updateOf(worker: number): Promise<Update> {
  const train = trainerOf(await workshop.run(0))
  const options = { ...common(), terms: order, worker, steps: 3, stepsPerRound: 3 }
  return decode((await makeContribution(train, options)).made.payload, form())
}

/** Every entry the same: nothing, or far too much. */
function uniform(value: number): Update {
  return from(new Float32Array(lengthOf(workshop.layout)).fill(value), form())
}

const form = () => formIn(order, { length: lengthOf(workshop.layout), round: 0 })
