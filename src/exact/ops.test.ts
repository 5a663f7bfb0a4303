import { describe, expect, test } from 'vitest'
import * as Graph from './Graph.ts'
import * as Ops from './ops.ts'
import { reference } from './reference.ts'
import {
  broadcast,
  contract,
  type DType,
  input,
  type Shape,
  ShapeError,
  type Tensor,
} from './Tensor.ts'

const x = [-2, -0.5, 0, 0.25, 1, 3]

describe('elementwise ops', () => {
  const one: Readonly<Record<string, readonly [(x: Tensor) => Tensor, (x: number) => number]>> = {
    neg: [Ops.neg, (v) => -v],
    exp: [Ops.exp, Math.exp],
    sigmoid: [Ops.sigmoid, (v) => 1 / (1 + Math.exp(-v))],
    silu: [Ops.silu, (v) => v / (1 + Math.exp(-v))],
    gelu: [
      Ops.gelu,
      (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
    tanh: [Ops.tanh, Math.tanh],
    sin: [Ops.sin, Math.sin],
    cos: [Ops.cos, Math.cos],
    reluSquared: [Ops.reluSquared, (v) => Math.max(v, 0) ** 2],
    scale: [(t) => Ops.scale(t, 3), (v) => v * 3],
    shift: [(t) => Ops.shift(t, 3), (v) => v + 3],
    divideBy: [(t) => Ops.divideBy(t, 3), (v) => v / 3],
    sqrt: [(t) => Ops.sqrt(Ops.shift(t, 2)), (v) => Math.sqrt(v + 2)],
    rsqrt: [(t) => Ops.rsqrt(Ops.shift(t, 3)), (v) => 1 / Math.sqrt(v + 3)],
    log: [(t) => Ops.log(Ops.shift(t, 3)), (v) => Math.log(v + 3)],
  }

  test.each(Object.keys(one))('%s', async (name) => {
    const [op, expected] = one[name]!
    expectClose(await run([given(x)], (t) => op(t!)), x.map(expected))
  })

  const two = {
    add: [Ops.add, (a: number, b: number) => a + b],
    sub: [Ops.sub, (a: number, b: number) => a - b],
    mul: [Ops.mul, (a: number, b: number) => a * b],
    div: [Ops.div, (a: number, b: number) => a / b],
    maximum: [Ops.maximum, Math.max],
    minimum: [Ops.minimum, Math.min],
  } as const

  test.each(Object.keys(two) as readonly (keyof typeof two)[])('%s', async (name) => {
    const [op, expected] = two[name]
    const y = [4, -1, 2, 0.5, -3, 7]
    const found = await run([given(x), given(y)], (a, b) => op(a!, b!))
    expectClose(
      found,
      x.map((value, i) => expected(value, y[i]!)),
    )
  })

  test('fma rounds once', async () => {
    const a = 1 + 2 ** -12
    const found = await run([given([a]), given([-(1 + 2 ** -11)])], (p, q) => Ops.fma(p!, p!, q!))
    expect(found).toEqual([2 ** -24])
  })

  test('where leaves no trace of the other side', async () => {
    const found = await run(
      [given([1, 0, 1]), given([1, NaN, 3]), given([NaN, 5, NaN])],
      (condition, a, b) => Ops.where(condition!, a!, b!),
    )
    expect(found).toEqual([1, 5, 3])
  })
})

describe('reductions', () => {
  test('mean, sums and greatest along an axis and over all', async () => {
    const matrix = given([1, 2, 3, 4, 5, 6], [2, 3])
    expect(await run([matrix], (t) => Ops.mean(t!))).toEqual([2, 5])
    expect(await run([matrix], (t) => Ops.mean(t!, 0))).toEqual([2.5, 3.5, 4.5])
    expect(await run([matrix], (t) => Ops.sum(t!))).toEqual([6, 15])
    expect(await run([matrix], (t) => Ops.sumOfSquares(t!))).toEqual([14, 77])
    expect(await run([matrix], (t) => Ops.max(t!, 0))).toEqual([4, 5, 6])
    expect(await run([matrix], (t) => Ops.sumAll(t!))).toEqual([21])
    expect(await run([matrix], (t) => Ops.sumOfSquaresAll(t!))).toEqual([91])
  })
})

describe('softmax', () => {
  test('sums to one, whatever is added to a row', async () => {
    const powers = x.map(Math.exp)
    const total = powers.reduce((a, b) => a + b)
    const expected = powers.map((power) => power / total)
    expectClose(await run([given(x)], (t) => Ops.softmax(t!)), expected)
    expectClose(await run([given(x)], (t) => Ops.softmax(Ops.shift(t!, 500))), expected, 1e-4)
  })
})

describe('softmaxMasked', () => {
  const masked = (scores: readonly number[], mask: readonly number[]) =>
    run([given(scores), given(mask)], (t, m) => Ops.softmaxMasked(t!, m!))

  test('is softmax over what the mask leaves, +0 elsewhere', async () => {
    const found = await masked([1, 50, 2, -3], [1, 0, 1, 0])
    expectClose(found, [1 / (1 + Math.E), 0, Math.E / (1 + Math.E), 0])
    expect(Object.is(found[1], 0)).toBe(true)
  })

  test('gives the same bits however far a masked end reaches, and whatever stands in it', async () => {
    const scores = Array.from({ length: 21 }, (_, i) => Math.sin(i * 7) * 9)
    const alone = await masked(scores, Array(21).fill(1))
    for (const junk of [0, 1e30, -Infinity, Infinity, NaN])
      for (const length of [1, 11, 40]) {
        const found = await masked(
          [...scores, ...Array<number>(length).fill(junk)],
          [...Array<number>(21).fill(1), ...Array<number>(length).fill(0)],
        )
        expect(found).toEqual([...alone, ...Array(length).fill(0)])
      }
  })

  test('clamps at -60, so that nothing small slows the machine', async () => {
    const [, small] = await masked([0, -1000], [1, 1])
    expect(small).toBeCloseTo(Math.exp(-60), 30)
  })
})

describe('logSumExp and crossEntropy', () => {
  test('agree with f64', async () => {
    const expected = Math.log(x.map(Math.exp).reduce((a, b) => a + b))
    expectClose(await run([given(x)], (t) => Ops.logSumExp(t!)), [expected])
    const logits = given([...x, ...x.toReversed()], [2, 6])
    const labels = { dtype: 'u32', shape: [2], values: [4, 4] } as const
    const found = await run([logits, labels], (t, at) => Ops.crossEntropy(t!, at!))
    expectClose(found, [expected - 1, expected + 0.5])
  })
})

describe('rmsNorm', () => {
  test('scales each row to a mean square of one, times the gain', async () => {
    const gain = given([1, 1, 1, 1, 1, 2])
    const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / 6 + 1e-5)
    const found = await run([given([...x, ...x], [2, 6]), gain], (t, g) =>
      Ops.rmsNorm(t!, g!, 1e-5),
    )
    const row = x.map((value, i) => value * scale * (i === 5 ? 2 : 1))
    expectClose(found, [...row, ...row])
  })
})

describe('whole numbers', () => {
  test('iota counts to any length by any step', async () => {
    for (const length of [1, 2, 5, 8, 13])
      expect(await run([], () => Ops.iota(length, 3))).toEqual(
        Array.from({ length }, (_, i) => 3 * i),
      )
  })

  test('equalWords and lessWords compare all bits', async () => {
    const a = { dtype: 'u32', shape: [5], values: [1, 2, 0x8000_0000, 0x7fc0_0000, 0] } as const
    const b = { dtype: 'u32', shape: [5], values: [1, 3, 0, 0x7fc0_0000, 0x7fff_ffff] } as const
    expect(await run([a, b], (p, q) => Ops.equalWords(p!, q!))).toEqual([1, 0, 0, 1, 0])
    expect(await run([a, b], (p, q) => Ops.lessWords(p!, q!))).toEqual([0, 1, 0, 0, 1])
  })

  test('oneHot and pick find a label', async () => {
    const labels = { dtype: 'u32', shape: [2], values: [2, 9] } as const
    expect(await run([labels], (at) => Ops.oneHot(at!, 3))).toEqual([0, 0, 1, 0, 0, 0])
    const rows = given([1, 2, 3, 4, 5, 6], [2, 3])
    const first = { dtype: 'u32', shape: [2], values: [2, 0] } as const
    expect(await run([rows, first], (t, at) => Ops.pick(t!, at!))).toEqual([3, 4])
    expect(() => Ops.pick(Ops.constant(1, [2, 3]), Ops.word(0, [3]))).toThrow(ShapeError)
  })
})

describe('uniform', () => {
  const seed = { dtype: 'u32', shape: [2], values: [1, 2] } as const
  const draw = (step: number, stream: number) =>
    run([seed, { dtype: 'u32', shape: [], values: [step] }], (s, t) =>
      Ops.uniform({ seed: s!, step: t!, stream, shape: [4000] }),
    )

  test('spreads evenly from 0 to 1, in multiples of 2^-24', async () => {
    const found = await draw(0, 0)
    expect(
      found.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24)),
    ).toBe(true)
    const mean = found.reduce((a, b) => a + b) / 4000
    const variance = found.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4000
    expect(mean).toBeCloseTo(0.5, 1)
    expect(variance).toBeCloseTo(1 / 12, 2)
  })

  test('depends on step and stream alone', async () => {
    expect(await draw(3, 4)).toEqual(await draw(3, 4))
    expect(await draw(3, 4)).not.toEqual(await draw(4, 3))
  })
})

describe('linear', () => {
  const rows = given(
    Array.from({ length: 24 }, (_, i) => Math.fround(Math.sin(i))),
    [2, 3, 4],
  )
  const weights = given(
    Array.from({ length: 20 }, (_, i) => Math.fround(Math.cos(i))),
    [5, 4],
  )

  test('multiplies the last axis by weights that lie as PyTorch keeps them', async () => {
    const found = await run([rows, weights], (t, w) => Ops.linear(t!, w!))
    const expected = await run([rows, weights], (t, w) => contract(t!, w!, { transposeB: true }))
    expect(found).toEqual(expected)
    const first = [0, 1, 2, 3].reduce((sum, k) => sum + rows.values[k]! * weights.values[k]!, 0)
    expect(found[0]).toBeCloseTo(first, 6)
  })

  test('keeps the shape before the last axis', () => {
    const t = broadcast(Ops.constant(1), [2, 3, 4])
    for (const profile of ['f32', 'i8', 'i8x3'] as const)
      expect(Ops.linear(t, Ops.constant(1, [5, 4]), profile).shape).toEqual([2, 3, 5])
  })
})

type Given = { readonly dtype: DType; readonly shape: Shape; readonly values: readonly number[] }

function given(values: readonly number[], shape: Shape = [values.length]): Given {
  return { dtype: 'f32', shape, values }
}

async function run(
  inputs: readonly Given[],
  build: (...inputs: readonly (Tensor | undefined)[]) => Tensor,
): Promise<readonly number[]> {
  const batch = inputs.map(({ dtype, shape }, i) => input('batch', `x${i}`, dtype, shape))
  const y = build(...batch)
  await using executable = await reference.prepare(Graph.from({ state: [], batch, results: { y } }))
  const [found] = executable.step(
    inputs.map(({ dtype, values }) => {
      const typed = dtype === 'f32' ? Float32Array.from(values) : Uint32Array.from(values)
      return new Uint8Array(typed.buffer)
    }),
  )
  const { buffer } = found!.slice()
  return [...(y.dtype === 'f32' ? new Float32Array(buffer) : new Uint32Array(buffer))]
}

function expectClose(found: readonly number[], expected: readonly number[], within = 1e-6): void {
  expect(found).toHaveLength(expected.length)
  found.forEach((value, i) => {
    const distance = Math.abs(value - expected[i]!)
    expect(distance).toBeLessThanOrEqual(within * Math.max(1, Math.abs(expected[i]!)))
  })
}
