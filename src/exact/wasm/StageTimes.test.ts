import { describe, expect, test } from 'vitest'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { contract, input } from '../Tensor.ts'
import { startStopwatch } from './StageTimes.ts'
import { startWasm } from './startWasm.ts'

describe('startStopwatch', () => {
  test('adds the time from one mark to the next to the stage that began', () => {
    let time = 0
    const { mark, times } = startStopwatch([{ what: 'map', op: 4 }, { what: 'copy' }], () => time)
    for (const [stage, at] of [
      [0, 10],
      [1, 13],
      [2, 18],
      [0, 100],
      [2, 104],
    ] as const) {
      time = at
      mark(stage)
    }
    expect(times()).toEqual([
      { what: 'map', op: 4, ms: 7 },
      { what: 'copy', op: undefined, ms: 5 },
    ])
  })
})

describe('stageTimes', () => {
  test.each([1, 2])('names every stage of a step on %i threads', async (threads) => {
    const [a, b] = [input('batch', 'a', 'f32', [40, 40]), input('batch', 'b', 'f32', [40, 40])]
    const sum = Ops.sum(contract(a, b))
    const graph = Graph.from({ state: [], batch: [a, b], results: { sum } })
    let ticks = 0
    await using backend = await startWasm({ threads, aloneBelow: 0, now: () => ticks++ })
    await using executable = await backend.prepare(graph)
    expect(executable.stageTimes().map(({ ms }) => ms)).toEqual([0, 0, 0])
    const zeros = new Uint8Array(40 * 40 * 4)
    for (let step = 0; step < 3; step++) executable.step([zeros, zeros])
    expect(executable.stageTimes()).toEqual([
      { what: 'pack', op: 0, ms: 3 },
      { what: 'contract', op: 0, ms: 3 },
      { what: 'reduce', op: 1, ms: 3 },
    ])
  })

  test('is empty without a clock', async () => {
    const a = input('batch', 'a', 'f32', [4])
    const graph = Graph.from({ state: [], batch: [a], results: { y: Ops.exp(a) } })
    await using backend = await startWasm()
    await using executable = await backend.prepare(graph)
    executable.step([new Uint8Array(16)])
    expect(executable.stageTimes()).toEqual([])
  })
})
