import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../test/trainingOrder.ts'
import * as Hex from '../protocol/Hex.ts'
import { replicaAfter } from './closedRound.ts'
import * as Units from './private/Units.ts'
import { flatten, type Layout, type Replica } from './Replica.ts'

const layout: Layout = {
  slots: [{ name: 'weights', dtype: 'f32', shape: [4] }],
  isTrained: [true],
}
const start: Replica = { rounds: 0, parameters: [new Uint8Array(16)] }
const order = trainingOrder({
  buyer: `0x${'11'.repeat(20)}`,
  rule: 'diloco',
  privacy: 'sums',
  clipMicro: 1_000_000,
  outerRateMicro: 1_000_000,
})

describe('replicaAfter', () => {
  test('moves a private run by the mean of a sum, modulo 2^32', async () => {
    const half = Units.unitsPerClip / 2
    const words = [Uint32Array.of(7, half, 0, 0), Uint32Array.of(-7, half, -half * 2, 0)]
    expect(await after(words.map(Units.encode))).toEqual([0, -0.5, 0.5, 0])
  })

  test('leaves a private run as it is when a part of a sum is of another length', async () => {
    const parts = [Units.encode(Uint32Array.of(1, 2, 3, 4)), new Uint8Array(12)]
    expect(await after(parts)).toEqual([0, 0, 0, 0])
  })
})

async function after(parts: readonly Uint8Array[]): Promise<readonly number[]> {
  const known = new Map(parts.map((bytes) => [Hex.sha256(bytes), bytes]))
  const accepted = [...known.keys()].map((payload, worker) => ({ worker, weight: 1, payload }))
  const payloadOf = (payload: Hex.Hex) => Promise.resolve(known.get(payload))
  const close = { kind: 'round-close', round: 0, accepted } as const
  const result = await replicaAfter(start, close, { layout, order, payloadOf })
  if (result.type !== 'replica') throw new Error('A payload is missing.')
  expect(result.replica.rounds).toBe(1)
  return Array.from(flatten(layout, result.replica.parameters), (each) => each + 0)
}
