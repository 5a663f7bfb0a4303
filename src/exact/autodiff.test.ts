import { describe, expect, test } from 'vitest'
import { gradients } from './autodiff.ts'
import * as Elementwise from './Elementwise.ts'
import * as Graph from './Graph.ts'
import * as Ops from './ops.ts'
import { write } from './Program.ts'
import { reference } from './reference.ts'
import * as Tensor from './Tensor.ts'
import * as Transcendentals from './transcendentals.ts'

const { input, map } = Tensor

/** Inputs, a function of them, and the same in f64 on plain numbers where that is shorter than the op. */
type Case = {
  readonly shapes: readonly Tensor.Shape[]
  readonly op: (...inputs: readonly Tensor.Tensor[]) => Tensor.Tensor
  /** Where the inputs lie: away from kinks. */
  readonly from?: number
  readonly to?: number
}

const rows = (...indices: readonly number[]) =>
  indices.map((index) => Ops.word(index, [1])).reduce((all, next) => Tensor.concat([all, next], 0))

const elementwise: Readonly<Record<string, Case>> = {
  add: { shapes: [[2, 3], [3]], op: (a, b) => Ops.add(a!, b!) },
  sub: {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    op: (a, b) => Ops.sub(a!, b!),
  },
  mul: { shapes: [[2, 3], []], op: (a, b) => Ops.mul(a!, b!) },
  square: { shapes: [[4]], op: (a) => Ops.mul(a!, a!) },
  div: {
    shapes: [
      [2, 3],
      [1, 3],
    ],
    op: (a, b) => Ops.div(a!, b!),
    from: 0.5,
  },
  divideByItself: { shapes: [[3]], op: (a) => Ops.div(a!, Ops.shift(a!, 3)) },
  fma: { shapes: [[3], [2, 3], [2, 1]], op: (a, b, c) => Ops.fma(a!, b!, c!) },
  maximum: { shapes: [[6], [6]], op: (a, b) => Ops.maximum(a!, b!) },
  minimum: { shapes: [[6], [6]], op: (a, b) => Ops.minimum(a!, b!) },
  where: { shapes: [[3], [2, 3]], op: (a, b) => Ops.where(Ops.oneHot(Ops.word(1), 3), a!, b!) },
  neg: { shapes: [[3]], op: (a) => Ops.neg(a!) },
  sqrt: { shapes: [[3]], op: (a) => Ops.sqrt(a!), from: 0.5 },
  rsqrt: { shapes: [[3]], op: (a) => Ops.rsqrt(a!), from: 0.5 },
  exp: { shapes: [[5]], op: (a) => Ops.exp(a!) },
  log: { shapes: [[5]], op: (a) => Ops.log(a!), from: 0.5 },
  sin: { shapes: [[5]], op: (a) => Ops.sin(a!), to: 6 },
  cos: { shapes: [[5]], op: (a) => Ops.cos(a!), to: 6 },
  tanh: { shapes: [[9]], op: (a) => Ops.tanh(a!) },
  sigmoid: { shapes: [[5]], op: (a) => Ops.sigmoid(a!) },
  silu: { shapes: [[5]], op: (a) => Ops.silu(a!) },
  gelu: { shapes: [[5]], op: (a) => Ops.gelu(a!) },
  reluSquared: { shapes: [[6]], op: (a) => Ops.reluSquared(a!) },
  magnitude: { shapes: [[6]], op: (a) => map(Elementwise.magnitude, [a!]) },
  expOfDifference: {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    op: (a, b) => map(Elementwise.expOfDifference, [a!, b!]),
  },
  functionsInsideAProgram: {
    shapes: [[4], [4]],
    op: (a, b) =>
      map(
        write(2, (w, x, y) => Transcendentals.tanh(w, w.mul(Transcendentals.exp(w, x), y))),
        [a!, b!],
      ),
  },
  fourInputs: {
    shapes: [[3], [2, 3], [2, 1], []],
    op: (...all) =>
      map(
        write(4, (w, a, b, c, d) => w.mul(w.mul(a, b), w.mul(c, d))),
        all,
      ),
  },
}

const others: Readonly<Record<string, Case>> = {
  sum: { shapes: [[2, 5]], op: (a) => Ops.sum(a!) },
  sumOfSquares: { shapes: [[3, 2]], op: (a) => Ops.sumOfSquares(a!, 0) },
  max: { shapes: [[2, 5]], op: (a) => Ops.max(a!) },
  mean: { shapes: [[2, 5]], op: (a) => Ops.mean(a!, 0) },
  reshape: { shapes: [[2, 3]], op: (a) => Tensor.reshape(a!, [3, 2]) },
  transpose: { shapes: [[2, 3, 4]], op: (a) => Tensor.transpose(a!, [2, 0, 1]) },
  slice: { shapes: [[4, 5]], op: (a) => Tensor.slice(a!, [1, 0], [2, 4]) },
  concat: {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    op: (a, b) => Tensor.concat([a!, b!, a!], 1),
  },
  broadcast: { shapes: [[3, 1]], op: (a) => Tensor.broadcast(a!, [2, 3, 4]) },
  gather: { shapes: [[4, 2]], op: (a) => Tensor.gather(a!, rows(3, 0, 3, 9)) },
  'scatter-add': { shapes: [[4, 2]], op: (a) => Tensor.scatterAdd(a!, rows(2, 0, 2, 9), 3) },
  place: {
    shapes: [
      [2, 5],
      [2, 2],
    ],
    op: (a, b) => Tensor.place(a!, b!, Ops.word(1), 1),
  },
  'place past the end': {
    shapes: [
      [3, 2],
      [2, 2],
    ],
    op: (a, b) => Tensor.place(a!, b!, Ops.word(2), 0),
  },
  softmax: { shapes: [[2, 5]], op: (a) => Ops.softmax(a!) },
  softmaxMasked: {
    shapes: [[2, 3]],
    op: (a) => Ops.softmaxMasked(a!, Ops.lessWords(Ops.iota(3), Ops.word(2))),
  },
  logSumExp: { shapes: [[2, 5]], op: (a) => Ops.logSumExp(a!) },
  rmsNorm: { shapes: [[2, 4], [4]], op: (a, b) => Ops.rmsNorm(a!, b!, 1e-5) },
  crossEntropy: { shapes: [[2, 5]], op: (a) => Ops.crossEntropy(a!, rows(4, 1)) },
}

describe('gradients', () => {
  test.each(Object.entries({ ...elementwise, ...others }))('of %s', async (_, each) => {
    await expectTrue(each)
  })

  const transposes = [false, true].flatMap((a) => [false, true].map((b) => [a, b] as const))
  const leads = [
    [[], []],
    [[3], [3]],
    [[3], []],
    [[], [3]],
  ]
  test.each(transposes)('of a product, transposed %s, %s', async (transposeA, transposeB) => {
    for (const [leadA, leadB] of leads) {
      const a = transposeA ? [4, 2] : [2, 4]
      const b = transposeB ? [3, 4] : [4, 3]
      await expectTrue({
        shapes: [
          [...leadA!, ...a],
          [...leadB!, ...b],
        ],
        op: (x, y) => Tensor.contract(x!, y!, { transposeA, transposeB }),
      })
    }
  })

  test('of a quantised product are products of the operands, straight through', async () => {
    const shapes = [
      [3, 4],
      [5, 4],
    ] as const
    const values = shapes.map((shape, index) => draw(shape, { seed: index + 1 }))
    const exact = await slopes({ shapes, op: (a, b) => Ops.linear(a!, b!) }, values)
    for (const profile of ['i8', 'i8x3'] as const) {
      const each = { shapes, op: (a: unknown, b: unknown) => linear(a, b, profile) } as Case
      const found = await slopes(each, values)
      const tolerance = profile === 'i8' ? 0.1 : 0.001
      found.forEach((slope, i) =>
        slope.forEach((value, j) =>
          expect(Math.abs(value - exact[i]![j]!)).toBeLessThan(tolerance),
        ),
      )
    }
  })

  test('of a quantised product may be products in f32', async () => {
    const [a, b] = [input('batch', 'a', 'f32', [2, 4]), input('batch', 'b', 'f32', [3, 4])]
    const y = Ops.sumAll(Ops.linear(a, b, 'i8'))
    const options = { profiles: () => ({ a: 'f32', b: 'f32' }) as const }
    const found = gradients(y, [a, b], options)
    expect(found.map(({ op }) => op.kind)).toEqual(['contract', 'contract'])
  })

  test('of what is used twice are added, of what is not used are zeros', async () => {
    const [x, y] = [input('batch', 'x', 'f32', [2]), input('batch', 'y', 'f32', [2])]
    const z = Ops.sumAll(Ops.add(Ops.scale(x, 3), Ops.scale(x, 4)))
    expect(
      await run([x, y], gradients(z, [x, y]), [
        [1, 2],
        [3, 4],
      ]),
    ).toEqual([
      [7, 7],
      [0, 0],
    ])
  })

  test('of a masked softmax are zero where the mask is, and never NaN', async () => {
    const x = input('batch', 'x', 'f32', [1, 3])
    const mask = Ops.lessWords(Ops.iota(3), Ops.word(2))
    const y = Ops.sumAll(Ops.mul(Ops.softmaxMasked(x, mask), Ops.scale(x, 2)))
    const [slope] = await run([x], gradients(y, [x]), [[-1000, 1, 5]])
    expect(slope!.every(Number.isFinite)).toBe(true)
  })

  test('the greatest share the gradient of a maximum', async () => {
    const x = input('batch', 'x', 'f32', [4])
    expect(await run([x], gradients(Ops.sumAll(Ops.max(x)), [x]), [[3, 1, 3, 2]])).toEqual([
      [0.5, 0, 0.5, 0],
    ])
  })

  test('far outside, sigmoid and silu have slopes of zero or one, not NaN', async () => {
    const x = input('batch', 'x', 'f32', [4])
    const y = Ops.sumAll(Ops.add(Ops.add(Ops.silu(x), Ops.sigmoid(x)), Ops.gelu(x)))
    expect(await run([x], gradients(y, [x]), [[-1000, -100, 100, 1000]])).toEqual([[0, 0, 2, 2]])
  })

  test('a graph of ten thousand ops has a gradient', () => {
    const x = input('batch', 'x', 'f32', [])
    let y = x
    for (let i = 0; i < 10_000; i++) y = Ops.sin(y)
    expect(gradients(y, [x])).toHaveLength(1)
  })

  test('a loss that is no scalar is refused', () => {
    const x = input('batch', 'x', 'f32', [2])
    expect(() => gradients(x, [x])).toThrow('not a scalar')
  })

  test('bits used as an integer have no gradient, and the error names the instruction', () => {
    const x = input('batch', 'x', 'f32', [])
    const y = map(
      write(1, (w, a) => w.float(w.nearest(a))),
      [x],
    )
    expect(() => gradients(y, [x])).toThrow('nearest has no gradient')
  })
})

function linear(a: unknown, b: unknown, profile: Ops.Profile) {
  return Ops.linear(a as Tensor.Tensor, b as Tensor.Tensor, profile)
}

/** Gradients of a random weighing of the result, against central differences. */
async function expectTrue(each: Case): Promise<void> {
  const values = each.shapes.map((shape, index) => draw(shape, { ...each, seed: index + 1 }))
  const found = await slopes(each, values)
  const step = 2 ** -7
  const plans = values.flatMap((list, i) =>
    list.map((_, j) => {
      const moved = (by: number) => values.with(i, list.with(j, list[j]! + by))
      return { i, j, above: moved(step), below: moved(-step) }
    }),
  )
  const { inputs, loss } = weighed(each)
  const points = plans.flatMap(({ above, below }) => [above, below])
  const losses = await evaluate(inputs, loss, points)
  plans.forEach(({ i, j }, index) => {
    const slope = (losses[2 * index]! - losses[2 * index + 1]!) / (2 * step)
    const error = Math.abs(found[i]![j]! - slope) / Math.max(1, Math.abs(slope))
    expect(error, `input ${i}, element ${j}: ${found[i]![j]}, not ${slope}`).toBeLessThan(2e-3)
  })
}

/** The loss: each element of the result times a weight of its own, in f64 after the op. */
function weighed({ shapes, op }: Case) {
  const inputs = shapes.map((shape, index) => input('batch', `input ${index}`, 'f32', shape))
  const y = op(...inputs)
  const angles = map(
    write(1, (w, x) => w.float(x)),
    [Ops.iota(Tensor.count(y.shape))],
  )
  const weights = Ops.shift(Ops.sin(Tensor.reshape(angles, y.shape)), 0.3)
  return { inputs, loss: Ops.mul(y, weights) }
}

async function slopes(each: Case, values: readonly (readonly number[])[]) {
  const { inputs, loss } = weighed(each)
  return run(inputs, gradients(Ops.sumAll(loss), inputs), values)
}

async function evaluate(
  inputs: readonly Tensor.Tensor[],
  loss: Tensor.Tensor,
  points: readonly (readonly (readonly number[])[])[],
): Promise<readonly number[]> {
  const graph = Graph.from({ state: [], batch: inputs, results: { loss } })
  const executable = await reference.prepare(graph)
  return points.map((values) => {
    const [bytes] = executable.step(values.map(bytesOf))
    return numbersOf(bytes!).reduce((sum, x) => sum + x, 0)
  })
}

async function run(
  inputs: readonly Tensor.Tensor[],
  outputs: readonly Tensor.Tensor[],
  values: readonly (readonly number[])[],
): Promise<readonly (readonly number[])[]> {
  const results = Object.fromEntries(outputs.map((output, index) => [`${index}`, output]))
  const executable = await reference.prepare(Graph.from({ state: [], batch: inputs, results }))
  return executable.step(values.map(bytesOf)).map(numbersOf)
}

/** Numbers from a fixed sequence, spread over the range, none near zero. */
function draw(
  shape: Tensor.Shape,
  { from = -2, to = 2, seed }: { from?: number; to?: number; seed: number },
) {
  return Array.from({ length: Tensor.count(shape) }, (_, index) => {
    const place = ((index + 1) * 0.618_034 + seed * 0.414_214) % 1
    const value = from + (to - from) * place
    return Math.fround(Math.abs(value) < 0.05 ? value + 0.1 : value)
  })
}

function bytesOf(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}

function numbersOf(bytes: Uint8Array): readonly number[] {
  return [...new Float32Array(bytes.slice().buffer)]
}
