import { describe, expect, test } from 'vitest'
import { generation } from '../../test/exactRuns.ts'
import { rootOfBytes } from '../exact/commit/merkle.ts'
import type { Backend } from '../exact/Backend.ts'
import { reference } from '../exact/reference.ts'
import { replay } from '../exact/run/replay.ts'
import { flippedBit, parseBit } from './flippedBit.ts'

const slot = 'model.layers.0.self_attn.v_proj.weight'

describe('flippedBit', () => {
  test('computes with one wrong bit, and does not see it', async () => {
    const { graph, start } = await generation()
    const index = graph.state.findIndex(({ name }) => name === slot)
    const backend = flippedBit(reference, { slot, bit: 30 })
    await using executable = await backend.prepare(graph)
    start.forEach((bytes, at) => executable.writeState(at, bytes))
    executable.step([])
    expect(rootOfBytes(executable.readState(index))).toEqual(rootOfBytes(start[index]!))
    const [right] = await roots(reference)
    const [wrong] = await roots(backend)
    expect(wrong).not.toEqual(right)
  })

  test('computes as it would with the other weight', async () => {
    const { graph, start } = await generation()
    const index = graph.state.findIndex(({ name }) => name === slot)
    const other = start.map((bytes, at) => (at === index ? bytes.slice() : bytes))
    other[index]![3]! ^= 64
    const cache = graph.state.findIndex(({ name }) => name === 'cache.0.values')
    const found = []
    for (const [backend, state] of [
      [flippedBit(reference, { slot, bit: 30 }), start],
      [reference, other],
    ] as const)
      for await (const { readState } of replay({ backend }, { graph, start: state, steps: 1 }))
        found.push(readState(cache).slice())
    expect(found[0]).toEqual(found[1])
  })

  test('leaves what it does not know, and bits past the end', async () => {
    const right = await roots(reference)
    expect(await roots(flippedBit(reference, { slot: 'none', bit: 3 }))).toEqual(right)
    expect(await roots(flippedBit(reference, { slot: 'tokens', bit: 3 }))).toEqual(right)
    expect(await roots(flippedBit(reference, { slot, bit: 10 ** 9 }))).toEqual(right)
  })
})

describe('parseBit', () => {
  test('reads the name and the number', () => {
    expect(parseBit(`${slot}:30`)).toEqual({ slot, bit: 30 })
  })

  test.each(['', 'model', 'model:', ':3', 'model:-1', 'model:1.5', 'a b:3'])(
    'refuses %j',
    (text) => {
      expect(() => parseBit(text)).toThrow('NAME:BIT')
    },
  )
})

async function roots(backend: Backend) {
  const { graph, start } = await generation()
  const found = []
  for await (const { root } of replay({ backend }, { graph, start, steps: 2 })) found.push(root)
  return found
}
