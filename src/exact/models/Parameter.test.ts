import { describe, expect, test } from 'vitest'
import { floats } from '../../../test/exactDecoders.ts'
import { reference } from '../reference.ts'
import { drawParameters } from '../train/startRun.ts'
import * as Parameter from './Parameter.ts'

const seed = [7, 9] as const

describe('initialisation', () => {
  test('draws normal numbers of the deviation', async () => {
    const kind = 'normal'
    const parameters = [Parameter.weights('w', [64, 32], { kind, deviation: 0.02 })]
    const [bytes] = await draw(parameters)
    const values = floats(bytes!)
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
    const beyond = values.filter((x) => Math.abs(x) > 0.04).length / values.length
    expect(Math.abs(mean)).toBeLessThan(0.002)
    expect(Math.sqrt(variance)).toBeCloseTo(0.02, 3)
    expect(beyond).toBeCloseTo(0.0455, 1)
  })

  test('draws other numbers for each parameter and seed, the same for the same', async () => {
    const initial = { kind: 'normal', deviation: 1 } as const
    const parameters = ['a', 'b'].map((name) => Parameter.weights(name, [8], initial))
    const [first, again] = [await draw(parameters), await draw(parameters)]
    const other = await drawParameters({ backend: reference }, { parameters, seed: [7, 10] })
    expect(first).toEqual(again)
    expect(first[0]).not.toEqual(first[1])
    expect(first[0]).not.toEqual(other[0])
  })

  test('makes constants and rotary tables', async () => {
    const rotary = { kind: 'rotary', base: 10_000 } as const
    const [gain, cos, sin] = await draw([
      Parameter.weights('gain', [3], { kind: 'constant', value: 1 }),
      Parameter.table('cos', [20, 4], { ...rotary, of: 'cos' }),
      Parameter.table('sin', [20, 4], { ...rotary, of: 'sin' }),
    ])
    expect(floats(gain!)).toEqual([1, 1, 1])
    const angles = Array.from(
      { length: 80 },
      (_, i) => Math.floor(i / 4) * 10_000 ** (-(i % 4) / 4),
    )
    angles.forEach((angle, index) => {
      expect(floats(cos!)[index]).toBeCloseTo(Math.cos(angle), 5)
      expect(floats(sin!)[index]).toBeCloseTo(Math.sin(angle), 5)
    })
  })
})

describe('weights and table', () => {
  test('are trained and are not', () => {
    const initial = { kind: 'constant', value: 0 } as const
    expect(Parameter.weights('w', [1], initial).isTrained).toBe(true)
    expect(Parameter.table('t', [1], initial).isTrained).toBe(false)
  })
})

function draw(parameters: readonly Parameter.Parameter[]) {
  return drawParameters({ backend: reference }, { parameters, seed })
}
