import {
  broadcast,
  concat,
  type DType,
  gather,
  philox,
  place,
  reduce,
  reshape,
  scatterAdd,
  type Shape,
  slice,
  transpose,
} from '../Tensor.ts'
import { type Case, stateless } from './Case.ts'

/** Reductions along every axis, moves of every type, gather and scatter with indices astray, random words. */
export function* moves(): Generator<Case> {
  for (const kind of ['sum', 'sumsq', 'max'] as const)
    for (const [shape, axis] of lines)
      for (const fill of ['ordinary', 'wild'] as const)
        yield stateless(
          `${kind} [${shape.join(',')}] along ${axis} ${fill}`,
          [{ shape, fill }],
          (x) => ({
            y: reduce(kind, x!, axis),
          }),
        )
  for (const dtype of ['f32', 'u32', 'i8'] as const) yield* movesOf(dtype)
  for (const [rows, width, places] of tables) yield* rowsOf(rows, width, places)
  for (const length of [1, 3, 4, 1021])
    yield stateless(
      `philox ${length}`,
      [
        { dtype: 'u32', shape: [2], fill: 'wild' },
        { dtype: 'u32', shape: [], fill: { below: 1000 } },
      ],
      (seed, step) => ({
        words: philox(seed!, step!, 0xdead_beef, [length]),
        matrix: philox(seed!, step!, 1, [length, 3]),
      }),
    )
}

const lines: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[15], 0],
  [[16], 0],
  [[17], 0],
  [[1000], 0],
  [[3, 40], 1],
  [[40, 3], 0],
  [[5, 33, 7], 1],
  [[2, 3, 4, 50], 3],
  [[19, 130], 0],
]

const tables: readonly (readonly [rows: number, width: Shape, places: Shape])[] = [
  [1, [], [5]],
  [10, [3], [4, 4]],
  [7, [33], [40]],
  [50, [2, 5], []],
]

function* movesOf(dtype: DType): Generator<Case> {
  const specs = [
    { dtype, shape: [4, 5, 6], fill: 'wild' },
    { dtype, shape: [4, 2, 6], fill: 'wild' },
    { dtype, shape: [5, 1], fill: 'wild' },
    { dtype: 'u32', shape: [], fill: { below: 6, astray: true } },
  ] as const
  yield stateless(`moves of ${dtype}`, specs, (x, y, z, index) => ({
    reshaped: reshape(x!, [3, 40]),
    turned: transpose(x!, [2, 0, 1]),
    swapped: transpose(x!, [1, 0, 2]),
    rows: transpose(x!, [0, 2, 1]),
    cut: slice(x!, [1, 0, 3], [2, 5, 3]),
    joined: concat([x!, y!, x!], 1),
    repeated: broadcast(z!, [2, 5, 3]),
    placed: place(x!, y!, index!, 1),
    placedFirst: place(x!, slice(x!, [2, 0, 0], [2, 5, 6]), index!, 0),
    chain: transpose(reshape(transpose(x!, [1, 0, 2]), [10, 12]), [1, 0]),
  }))
}

function* rowsOf(rows: number, width: Shape, places: Shape): Generator<Case> {
  const label = `${rows} rows of [${width.join(',')}] by [${places.join(',')}]`
  const indices = { dtype: 'u32', shape: places, fill: { below: rows, astray: true } } as const
  for (const dtype of ['f32', 'u32', 'i8'] as const)
    yield stateless(
      `gather ${dtype} ${label}`,
      [{ dtype, shape: [rows, ...width], fill: 'wild' }, indices],
      (table, at) => ({ rows: gather(table!, at!) }),
    )
  for (const fill of ['ordinary', 'wild'] as const)
    yield stateless(
      `scatter-add ${label} ${fill}`,
      [{ shape: [...places, ...width], fill }, indices],
      (updates, at) => ({ sums: scatterAdd(updates!, at!, rows) }),
    )
}
