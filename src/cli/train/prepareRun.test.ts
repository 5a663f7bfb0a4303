import { describe, expect, test } from 'vitest'
import { tokensOf } from '../../exact/data.ts'
import { decoderOf } from '../../exact/models/decoderOf.ts'
import { reference } from '../../exact/reference.ts'
import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { expectOrdered, prepareRun } from './prepareRun.ts'

const recipe = {
  model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 8, vocabulary: 128 }),
  rows: 1,
  length: 4,
  optimiser: { kind: 'adamw' },
  schedule: { rate: 0.02 },
} as const
const data = Uint8Array.from(tokensOf('the cat sat on the mat; '.repeat(10)))
const backend = reference

describe('prepareRun', () => {
  test('holds a twentieth of the data out, and names what is left, the same each time', async () => {
    await using one = await prepareRun({ backend }, { recipe, seed: [1, 0], data })
    await using two = await prepareRun({ backend }, { recipe, seed: [1, 0], data })
    expect([one.training.length, one.heldOut.length]).toEqual([228, 12])
    expect(two.roots).toEqual(one.roots)
    expect(one.start).toHaveLength(one.layout.slots.length)
  })

  test('refuses data that is too short, or has bytes that the model does not know', async () => {
    const prepare = (bytes: Uint8Array) =>
      prepareRun({ backend }, { recipe, seed: [1, 0], data: bytes })
    await expect(prepare(data.subarray(0, 60))).rejects.toThrow(/it takes 101/)
    await expect(prepare(data.with(7, 200))).rejects.toThrow(/Byte 7 of the data is 200/)
    await expect(prepare(new Uint8Array())).rejects.toThrow(/has 0 bytes/)
  })
})

describe('expectOrdered', () => {
  test('says what differs, and whether it is the length', async () => {
    await using prepared = await prepareRun({ backend }, { recipe, seed: [1, 0], data })
    const order = { ...prepared.roots } as TrainingOrder
    const about = { dataBytes: 240, orderedBytes: 240 }
    expectOrdered(order, prepared, about)
    const otherData = { ...order, data: order.graph }
    expect(() => expectOrdered(otherData, prepared, about)).toThrow(/as long as it should be/)
    const longer = { ...about, orderedBytes: 999 }
    expect(() => expectOrdered(otherData, prepared, longer)).toThrow(
      /240 bytes long, and the run's is 999/,
    )
    const otherStart = { ...order, start: order.graph }
    expect(() => expectOrdered(otherStart, prepared, about)).toThrow(/other weights/)
  })
})
