import { describe, expect, test } from 'vitest'
import * as Graph from './Graph.ts'
import { operandsOf, quantise, quantisedProduct, ranges } from './quantise.ts'
import { reference } from './reference.ts'
import { contract, input, ShapeError, type Tensor } from './Tensor.ts'

describe('quantise', () => {
  test('rounds a row to the nearest integers of its own scale, ties to even', async () => {
    const { values, scales } = await quantised([127, 0.5, 1.5, -2.5, -127, 3.49], [1, 6], -1, 127)
    expect(values).toEqual([127, 0, 2, -2, -127, 3])
    expect(scales).toEqual([1])
  })

  test('gives each line along the axis a scale', async () => {
    const rows = await quantised([1, 2, 30, 40], [2, 2], -1, 63)
    expect(rows.values).toEqual([32, 63, 47, 63])
    expect(rows.scales).toEqual([2 / 63, 40 / 63].map(Math.fround))
    const columns = await quantised([1, 2, 30, 40], [2, 2], -2, 63)
    expect(columns.values).toEqual([2, 3, 63, 63])
    expect(columns.scales).toEqual([30 / 63, 40 / 63].map(Math.fround))
  })

  test('gives zeros for zeros, for NaN, and for what an infinity dwarfs', async () => {
    expect(await quantised([0, -0], [1, 2], -1, 127)).toEqual({ values: [0, 0], scales: [0] })
    expect(await quantised([1, NaN], [1, 2], -1, 127)).toEqual({ values: [0, 0], scales: [NaN] })
    const infinite = await quantised([1, -Infinity], [1, 2], -1, 127)
    expect(infinite).toEqual({ values: [0, 0], scales: [Infinity] })
  })

  test('stays within the range where range / m overflows', async () => {
    const tiny = 2 ** -126
    expect((await quantised([tiny, -tiny, 0], [1, 3], -1, 127)).values).toEqual([127, -127, 0])
  })
})

describe('quantisedProduct', () => {
  const a = lcg(7, 6 * 200)
  const b = lcg(8, 200 * 5)

  test('comes as near as its integers allow: i8 to 2 %, i8x3 to 2^-11', async () => {
    const f32 = await product((x, y) => contract(x, y))
    const size = Math.sqrt(f32.reduce((sum, value) => sum + value * value, 0) / f32.length)
    const errors = await Promise.all(
      (['i8', 'i8x3'] as const).map(async (profile) => {
        const found = await product((x, y) => quantisedProduct(x, y, { profile }))
        const distances = found.map((value, i) => Math.abs(value - f32[i]!) / size)
        return Math.max(...distances)
      }),
    )
    expect(errors[0]).toBeLessThan(0.02)
    expect(errors[0]).toBeGreaterThan(1e-4)
    expect(errors[1]).toBeLessThan(2 ** -11)
  })

  test('quantises along k whichever way round the operands lie', async () => {
    const [x, y] = [matrix('x', [6, 200]), matrix('y', [200, 5])]
    const turnedX = matrix('turnedX', [200, 6])
    const turnedY = matrix('turnedY', [5, 200])
    for (const profile of ['i8', 'i8x3'] as const) {
      const [straight, turned] = await evaluate(
        [x, y, turnedX, turnedY],
        [a, b, turn(a, 6), turn(b, 200)],
        [
          quantisedProduct(x, y, { profile }),
          quantisedProduct(turnedX, turnedY, { profile, transposeA: true, transposeB: true }),
        ],
      )
      expect(turned).toEqual(straight)
    }
  })

  test('passes a NaN on to its row and column alone', async () => {
    const spoilt = a.with(3, NaN)
    const found = await product((x, y) => quantisedProduct(x, y, { profile: 'i8' }), spoilt)
    expect(found.slice(0, 5)).toEqual([NaN, NaN, NaN, NaN, NaN])
    expect(found.slice(5).some(Number.isNaN)).toBe(false)
  })

  test('remembers its operands for autodiff', () => {
    const [x, y] = [matrix('x', [6, 200]), matrix('y', [200, 5])]
    const result = quantisedProduct(x, y, { profile: 'i8x3' })
    expect(operandsOf(result)).toMatchObject({ profile: 'i8x3' })
    expect(operandsOf(result)!.a).toBe(x)
    expect(operandsOf(x)).toBeUndefined()
  })

  test('refuses operands that do not fit', () => {
    expect(() =>
      quantisedProduct(matrix('x', [2, 3]), matrix('y', [2, 3]), { profile: 'i8' }),
    ).toThrow(ShapeError)
  })

  async function product(build: (x: Tensor, y: Tensor) => Tensor, left = a) {
    const [x, y] = [matrix('x', [6, 200]), matrix('y', [200, 5])]
    const [found] = await evaluate([x, y], [left, b], [build(x, y)])
    return found!
  }
})

describe('ranges', () => {
  test('keep the longest integer product within 31 bits', () => {
    expect(ranges.left * ranges.right * 131_071).toBeLessThan(2 ** 31)
  })
})

async function quantised(
  values: readonly number[],
  shape: readonly number[],
  axis: number,
  range: number,
) {
  const x = matrix('x', shape)
  const graph = Graph.from({ state: [], batch: [x], results: { ...quantise(x, axis, range) } })
  await using executable = await reference.prepare(graph)
  const [integers, scales] = executable.step([bytes(values)])
  return {
    // Adding zero turns -0 to 0.
    values: [...new Int8Array(integers!.slice().buffer)].map((value) => value + 0),
    scales: [...new Float32Array(scales!.slice().buffer)],
  }
}

async function evaluate(
  batch: readonly Tensor[],
  values: readonly (readonly number[])[],
  results: readonly Tensor[],
): Promise<readonly (readonly number[])[]> {
  const named = Object.fromEntries(results.map((result, i) => [`y${i}`, result]))
  await using executable = await reference.prepare(Graph.from({ state: [], batch, results: named }))
  const found = executable.step(values.map(bytes))
  return found.map((result) => [...new Float32Array(result.slice().buffer)])
}

function matrix(name: string, shape: readonly number[]): Tensor {
  return input('batch', name, 'f32', shape)
}

function bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}

/** The same matrix lying the other way round. */
function turn(values: readonly number[], rows: number): readonly number[] {
  const columns = values.length / rows
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!)
}

/** Numbers from -1 to 1, the same each time. */
function lcg(seed: number, length: number): readonly number[] {
  let state = seed
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.fround(state / 2 ** 31 - 1)
  })
}
