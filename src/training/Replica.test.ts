import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../test/trainingOrder.ts'
import { reference } from '../exact/reference.ts'
import { decoderOf } from '../exact/models/decoderOf.ts'
import { build } from '../exact/train/Recipe.ts'
import { startRun } from '../exact/train/startRun.ts'
import { accumulate, subtractSent } from './payload/errorFeedback.ts'
import { choose, decode, encode } from './payload/SparseUpdate.ts'
import {
  advance,
  flatten,
  hashOf,
  type Layout,
  lengthOf,
  type Replica,
  unflatten,
} from './Replica.ts'
import { runSegment } from './segment.ts'

const { model, graph } = build({
  model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 8 }),
  rows: 1,
  length: 4,
  optimiser: { kind: 'adamw' },
  schedule: { rate: 0.01 },
})
const seed = [1, 2] as const
const terms = trainingOrder({ buyer: `0x${'11'.repeat(20)}` })
const data = new TextEncoder().encode('the cat sat on the mat. '.repeat(4))
const layout: Layout = {
  slots: graph.state.slice(0, model.parameters.length),
  isTrained: model.parameters.map(({ isTrained }) => isTrained),
}

describe('flatten and unflatten', () => {
  test('carry trained parameters there and back, and leave tables alone', async () => {
    const { parameters } = await firstReplica()
    const vector = flatten(layout, parameters)
    expect(vector.length).toBe(lengthOf(layout))
    expect(unflatten(layout, parameters, vector)).toEqual(parameters)
    const changed = unflatten(layout, parameters, vector.fill(1))
    layout.isTrained.forEach((isTrained, at) => {
      if (!isTrained) expect(changed[at]).toBe(parameters[at])
    })
  })
})

describe('a round', () => {
  test('gives every replica the same hash, whatever order the updates come in', async () => {
    const first = await firstReplica()
    const worked = await Promise.all([0, 1, 2].map((worker) => work(first, worker)))
    const updates = worked.map(({ bytes }) =>
      decode(bytes, { length: lengthOf(layout), kept: 256 }),
    )
    const contributions = updates.map((update) => ({ update, weight: 2 }))
    const one = advance(layout, first, { contributions, terms })
    const other = advance(layout, first, { contributions: contributions.toReversed(), terms })
    expect(hashOf(layout, one)).toBe(hashOf(layout, other))
    expect(hashOf(layout, one)).not.toBe(hashOf(layout, { ...first, rounds: 1 }))
    const another = [{ update: choose(new Float32Array(9), 1), weight: 2 }]
    expect(() => advance(layout, first, { contributions: another, terms })).toThrow(
      'for another model',
    )
  })

  test('follows from public words: a segment run again ends in the same bytes', async () => {
    const first = await firstReplica()
    const [one, again, other] = await Promise.all([work(first, 5), work(first, 5), work(first, 6)])
    expect(again.bytes).toEqual(one.bytes)
    expect(other.bytes).not.toEqual(one.bytes)
  })
})

async function firstReplica(): Promise<Replica> {
  await using run = await startRun({ backend: reference }, { graph, ...model, seed })
  return { rounds: 0, parameters: run.state().slice(0, model.parameters.length) }
}

async function work(replica: Replica, worker: number): Promise<{ bytes: Uint8Array }> {
  await using run = await startRun({ backend: reference }, { graph, ...model, seed })
  const options = { layout, replica, data, seed, worker, steps: 2, stepsPerRound: 2 }
  const end = await runSegment(run, options)
  const error = new Float32Array(lengthOf(layout))
  const [parent, trained] = [replica.parameters, end].map((each) =>
    flatten(layout, each.slice(0, layout.slots.length)),
  )
  accumulate(error, { parent: parent!, trained: trained! })
  const update = choose(error, 256)
  subtractSent(error, update)
  return { bytes: encode(update) }
}
