import { contract, contractI8, type DType, type Shape } from '../Tensor.ts'
import { type Case, type Fill, stateless } from './Case.ts'

/** Matrix products of all sizes around the kernels' tiles, the ways round operands lie, and edge values. */
export function* products(): Generator<Case> {
  for (const [m, k, n] of sizes) {
    for (const turned of ways) yield product(m, k, n, turned, 'ordinary')
    yield product(m, k, n, ways[0]!, 'wild')
    for (const turned of ways) yield integerProduct(m, k, n, turned, quantised)
  }
  for (const leads of batches) {
    for (const turned of ways) yield product(5, 11, 6, turned, 'ordinary', leads)
    for (const turned of ways) yield integerProduct(5, 11, 6, turned, quantised, leads)
  }
  yield integerProduct(9, 50, 10, ways[1]!, 'wild')
  yield integerProduct(1, 131_071, 2, ways[1]!, 'wild')
}

/** Integers of the right operand, from -63 to 63. */
const quantised: Fill = { below: 64 }

type Ways = { readonly transposeA: boolean; readonly transposeB: boolean }
type Leads = readonly [a: Shape, b: Shape]

const ways: readonly Ways[] = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
)

const sizes: readonly (readonly [m: number, k: number, n: number])[] = [
  [1, 1, 1],
  [2, 3, 4],
  [6, 8, 8],
  [7, 17, 9],
  [12, 32, 16],
  [13, 5, 1],
  [1, 64, 33],
  [33, 16, 31],
  [3, 700, 5],
  [70, 40, 66],
  [129, 9, 10],
  [4, 6, 150],
]

const batches: readonly Leads[] = [
  [[3], [3]],
  [[3], []],
  [[], [3]],
  [
    [2, 2],
    [2, 2],
  ],
  [[2, 1, 3], []],
]

function product(
  m: number,
  k: number,
  n: number,
  turned: Ways,
  fill: 'ordinary' | 'wild',
  leads: Leads = [[], []],
): Case {
  const [a, b] = shapes(m, k, n, turned, leads)
  const name = `contract ${label(a, b, turned)} ${fill}`
  return stateless(
    name,
    [
      { shape: a, fill },
      { shape: b, fill },
    ],
    (x, y) => ({
      product: contract(x!, y!, turned),
    }),
  )
}

function integerProduct(
  m: number,
  k: number,
  n: number,
  turned: Ways,
  fill: Fill,
  leads: Leads = [[], []],
): Case {
  const [a, b] = shapes(m, k, n, turned, leads)
  const name = `contract-i8 ${label(a, b, turned)} ${typeof fill === 'string' ? fill : 'quantised'}`
  const dtype: DType = 'i8'
  const specs = [
    { dtype, shape: a, fill: fill === 'wild' ? fill : { below: 128 } },
    { dtype, shape: b, fill },
    { shape: [...leads[0], m] },
    { shape: [...leads[1], n], fill: 'wild' },
  ] as const
  return stateless(name, specs, (x, y, scaleA, scaleB) => ({
    product: contractI8({ a: x!, b: y!, scaleA: scaleA!, scaleB: scaleB! }, turned),
  }))
}

function shapes(m: number, k: number, n: number, turned: Ways, [leadA, leadB]: Leads) {
  const a = turned.transposeA ? [k, m] : [m, k]
  const b = turned.transposeB ? [n, k] : [k, n]
  return [
    [...leadA, ...a],
    [...leadB, ...b],
  ] as const
}

function label(a: Shape, b: Shape, { transposeA, transposeB }: Ways): string {
  const mark = (transposed: boolean) => (transposed ? "'" : '')
  return `[${a.join(',')}]${mark(transposeA)} [${b.join(',')}]${mark(transposeB)}`
}
