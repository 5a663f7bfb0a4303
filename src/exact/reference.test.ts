import { describe, expect, test } from 'vitest'
import { BackendError, BatchError } from './Backend.ts'
import * as Graph from './Graph.ts'
import { write } from './Program.ts'
import { philoxWord } from './philox.ts'
import { reference } from './reference.ts'
import * as Tensor from './Tensor.ts'

const NaNs = [0x7fc0_0000, 0xffc1_2345, 0x7f80_0001]

describe('reference', () => {
  test('contracts by fused steps in order', async () => {
    // 1 + 2^-24 twice is 1 when added one by one, though together they reach the next f32.
    const tiny = 2 ** -24
    expect(
      await floats(
        [
          [1, 3],
          [1, tiny, tiny],
        ],
        [
          [3, 1],
          [1, 1, 1],
        ],
        product,
      ),
    ).toEqual([1])
    expect(
      await floats(
        [
          [1, 3],
          [tiny, tiny, 1],
        ],
        [
          [3, 1],
          [1, 1, 1],
        ],
        product,
      ),
    ).toEqual([1 + 2 ** -23])
    const x = 1 + 2 ** -12
    const y = -(1 + 2 ** -11)
    expect(
      await floats(
        [
          [1, 2],
          [1, x],
        ],
        [
          [2, 1],
          [y, x],
        ],
        product,
      ),
    ).toEqual([2 ** -24])
  })

  test('contracts matrices whichever way round they lie, and batches of them', async () => {
    const [a, turnedA] = [
      [1, 2, 3, 4, 5, 6],
      [1, 4, 2, 5, 3, 6],
    ]
    const [b, turnedB] = [
      [1, 0, 2, 0, 1, 3],
      [1, 2, 1, 0, 0, 3],
    ]
    const ways = [
      [[2, 3], a, [3, 2], b, {}],
      [[3, 2], turnedA, [3, 2], b, { transposeA: true }],
      [[2, 3], a, [2, 3], turnedB, { transposeB: true }],
      [[3, 2], turnedA, [2, 3], turnedB, { transposeA: true, transposeB: true }],
    ] as const
    for (const [shapeA, valuesA, shapeB, valuesB, turned] of ways) {
      const found = await floats([shapeA, valuesA], [shapeB, valuesB], (x, y) =>
        Tensor.contract(x!, y!, turned),
      )
      expect(found).toEqual([8, 9, 20, 18])
    }
    const rows = [
      [2, 1, 2],
      [1, 2, 3, 4],
    ] as const
    const one = [
      [2, 1],
      [10, 1],
    ] as const
    expect(await floats(rows, one, product)).toEqual([12, 34])
    expect(
      await floats(
        [
          [2, 1, 2],
          [1, 2, 3, 4],
        ],
        [
          [2, 2, 1],
          [1, 1, 2, 2],
        ],
        product,
      ),
    ).toEqual([3, 14])
  })

  test('contracts integers exactly and scales by row, then by column', async () => {
    const graph = batchGraph(
      [
        ['i8', [1, 3]],
        ['i8', [3, 1]],
        ['f32', [1]],
        ['f32', [1]],
      ],
      (a, b, scaleA, scaleB) =>
        Tensor.contractI8({ a: a!, b: b!, scaleA: scaleA!, scaleB: scaleB! }),
    )
    const third = Math.fround(1 / 3)
    const [found] = await run(graph, [
      bytes(Int8Array.of(127, -128, 5)),
      bytes(Int8Array.of(63, -128, -7)),
      bytes(Float32Array.of(third)),
      bytes(Float32Array.of(0.1)),
    ])
    const sum = 127 * 63 + 128 * 128 - 35
    const expected = Math.fround(Math.fround(sum * third) * Math.fround(0.1))
    expect(floatsOf(found!)).toEqual([expected])
  })

  test('reduces in sixteen lanes and a tree', async () => {
    const x = Array.from({ length: 37 }, (_, k) => Math.fround(1 / (3 * k + 1)))
    const lanes = Array.from({ length: 16 }, (_, lane) => {
      const mine = x.filter((_, k) => k % 16 === lane)
      return mine.reduce((sum, value) => Math.fround(sum + value), 0)
    })
    const tree = (values: readonly number[]): number => {
      const half = values.length / 2
      if (half < 1) return values[0]!
      return tree(values.slice(0, half).map((value, i) => Math.fround(value + values[half + i]!)))
    }
    const sum = (t: Tensor.Tensor | undefined) => Tensor.reduce('sum', t!, 0)
    expect(await floats([[37], x], undefined, sum)).toEqual([tree(lanes)])
    const plain = x.reduce((total, value) => Math.fround(total + value), 0)
    expect(tree(lanes)).not.toBe(plain)
  })

  test('reduces along any axis', async () => {
    const x = Array.from({ length: 24 }, (_, i) => i)
    const along = (axis: number) => (t: Tensor.Tensor | undefined) => Tensor.reduce('sum', t!, axis)
    expect(await floats([[2, 3, 4], x], undefined, along(0))).toEqual(
      Array.from({ length: 12 }, (_, i) => 2 * i + 12),
    )
    expect(await floats([[2, 3, 4], x], undefined, along(1))).toEqual([
      12, 15, 18, 21, 48, 51, 54, 57,
    ])
    expect(await floats([[2, 3, 4], x], undefined, along(2))).toEqual([6, 22, 38, 54, 70, 86])
  })

  test('takes the greatest: NaN if there is one, +0 above -0', async () => {
    const max = (t: Tensor.Tensor | undefined) => Tensor.reduce('max', t!, 0)
    expect(await floats([[3], [-2, -1, -3]], undefined, max)).toEqual([-1])
    expect(await floats([[3], [1, NaN, 3]], undefined, max)).toEqual([NaN])
    expect(await floats([[2], [-0, 0]], undefined, max)).toEqual([0])
    expect(await floats([[2], [-0, -0]], undefined, max)).toEqual([-0])
    expect(await floats([[2], [-Infinity, -Infinity]], undefined, max)).toEqual([-Infinity])
  })

  test('squares with one rounding', async () => {
    const x = 1 + 2 ** -12
    const squares = (t: Tensor.Tensor | undefined) => Tensor.reduce('sumsq', t!, 0)
    const values = Array(17).fill(0).with(0, x).with(16, x)
    const first = Math.fround(x * x)
    // Exact in f64, so rounded once.
    expect(await floats([[17], values], undefined, squares)).toEqual([Math.fround(x * x + first)])
  })

  test('stores one NaN and no subnormals from arithmetic, and keeps the bits that it moves', async () => {
    const subnormals = [1, 0x8000_0001, 0x007f_ffff, 0x807f_ffff]
    const patterns = [...NaNs, ...subnormals, 0x0080_0000]
    const graph = batchGraph([['f32', [patterns.length]]], (x) => ({
      map: Tensor.map(
        write(1, (_, r) => r),
        [x!],
      ),
      raw: Tensor.map(
        write(1, (_, r) => r),
        [x!],
        { dtype: 'u32' },
      ),
      low: Tensor.map(
        write(1, (_, r) => r),
        [x!],
        { dtype: 'i8' },
      ),
      sum: Tensor.reduce('sum', Tensor.reshape(x!, [patterns.length, 1]), 1),
      moved: Tensor.transpose(Tensor.reshape(x!, [2, 4]), [1, 0]),
    }))
    const [map, raw, low, sum, moved] = await run(graph, [bytes(Uint32Array.from(patterns))])
    const stored = [
      0x7fc0_0000, 0x7fc0_0000, 0x7fc0_0000, 0, 0x8000_0000, 0, 0x8000_0000, 0x0080_0000,
    ]
    expect(wordsOf(map!)).toEqual(stored)
    expect(wordsOf(raw!)).toEqual(patterns)
    expect([...low!]).toEqual(patterns.map((pattern) => pattern & 0xff))
    expect(wordsOf(sum!)).toEqual(stored)
    expect(wordsOf(moved!)).toEqual([0, 4, 1, 5, 2, 6, 3, 7].map((i) => patterns[i]))
  })

  test('moves elements by index', async () => {
    const x = Array.from({ length: 6 }, (_, i) => i)
    const from = (build: (t: Tensor.Tensor) => Tensor.Tensor) =>
      floats([[2, 3], x], undefined, (t) => build(t!))
    expect(await from((t) => Tensor.transpose(t, [1, 0]))).toEqual([0, 3, 1, 4, 2, 5])
    expect(await from((t) => Tensor.slice(t, [0, 1], [2, 2]))).toEqual([1, 2, 4, 5])
    expect(await from((t) => Tensor.concat([t, t], 1))).toEqual([
      0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5,
    ])
    expect(await from((t) => Tensor.concat([t, t], 0))).toEqual([...x, ...x])
    expect(await from((t) => Tensor.broadcast(Tensor.slice(t, [0, 1], [2, 1]), [2, 2, 2]))).toEqual(
      [1, 1, 4, 4, 1, 1, 4, 4],
    )
  })

  test('transposes three axes as NumPy does', async () => {
    const x = Array.from({ length: 24 }, (_, i) => i)
    const found = await floats([[2, 3, 4], x], undefined, (t) => Tensor.transpose(t!, [2, 0, 1]))
    const expected = [0, 1, 2, 3].flatMap((c) =>
      [0, 1].flatMap((a) => [0, 1, 2].map((b) => a * 12 + b * 4 + c)),
    )
    expect(found).toEqual(expected)
  })

  test('gathers rows, zeros past the end, and adds them back in order', async () => {
    const indices = Tensor.input('batch', 'indices', 'u32', [4])
    const table = Tensor.input('batch', 'table', 'f32', [3, 2])
    const rows = Tensor.gather(table, indices)
    const graph = Graph.from({
      state: [],
      batch: [indices, table],
      results: { rows, sums: Tensor.scatterAdd(rows, indices, 3) },
    })
    const [found, sums] = await run(graph, [
      bytes(Uint32Array.of(2, 0, 3, 2)),
      bytes(Float32Array.of(1, 2, 3, 4, 5, 6)),
    ])
    expect(floatsOf(found!)).toEqual([5, 6, 1, 2, 0, 0, 5, 6])
    expect(floatsOf(sums!)).toEqual([1, 2, 0, 0, 10, 12])
  })

  test('adds contributions in ascending position', async () => {
    const tiny = 2 ** -24
    const scatter = async (values: readonly number[]) =>
      floats([[3], values], undefined, (x) =>
        Tensor.scatterAdd(
          x!,
          Tensor.map(
            write(0, (w) => w.bits(0)),
            [],
            { shape: [3], dtype: 'u32' },
          ),
          1,
        ),
      )
    expect(await scatter([1, tiny, tiny])).toEqual([1])
    expect(await scatter([tiny, tiny, 1])).toEqual([1 + 2 ** -23])
  })

  test.each([
    [0, [7, 8, 3, 4, 5, 6]],
    [2, [1, 2, 3, 4, 7, 8]],
    [3, [1, 2, 3, 4, 5, 6]],
    [0xffff_ffff, [1, 2, 3, 4, 5, 6]],
  ])('places an update at row %i, as far as it fits', async (row, expected) => {
    const graph = batchGraph(
      [
        ['f32', [3, 2]],
        ['f32', [1, 2]],
        ['u32', []],
      ],
      (base, update, index) => Tensor.place(base!, update!, index!, 0),
    )
    const [found] = await run(graph, [
      bytes(Float32Array.of(1, 2, 3, 4, 5, 6)),
      bytes(Float32Array.of(7, 8)),
      bytes(Uint32Array.of(row)),
    ])
    expect(floatsOf(found!)).toEqual(expected)
  })

  test('draws the words of philox', async () => {
    const graph = batchGraph(
      [
        ['u32', [2]],
        ['u32', []],
      ],
      (seed, step) => Tensor.philox(seed!, step!, 6, [2, 3]),
    )
    const [found] = await run(graph, [bytes(Uint32Array.of(1, 2)), bytes(Uint32Array.of(3))])
    const draw = { seed: [1, 2], stream: 6, step: 3 } as const
    expect(wordsOf(found!)).toEqual([0, 1, 2, 3, 4, 5].map((element) => philoxWord(draw, element)))
  })

  test('broadcasts the inputs of a map and runs one that has none', async () => {
    const add = write(2, (w, a, b) => w.add(a, b))
    const sums = await floats(
      [
        [2, 1],
        [1, 2],
      ],
      [[3], [10, 20, 30]],
      (a, b) => Tensor.map(add, [a!, b!]),
    )
    expect(sums).toEqual([11, 21, 31, 12, 22, 32])
  })
})

describe('an executable', () => {
  const shape = [2]
  const [a, b] = ['a', 'b'].map((name) => Tensor.input('state', name, 'f32', shape))
  const x = Tensor.input('batch', 'x', 'f32', shape)
  const sum = Tensor.map(
    write(2, (w, p, q) => w.add(p, q)),
    [a!, x],
  )
  const graph = Graph.from({
    state: [
      [a!, b!],
      [b!, sum],
    ],
    batch: [x],
    results: { before: a!, sum },
  })

  test('begins with zeros and moves all state at once', async () => {
    await using executable = await reference.prepare(graph)
    const step = (...values: readonly number[]) =>
      executable.step([bytes(Float32Array.from(values))]).map(floatsOf)
    expect(step(1, 2)).toEqual([
      [0, 0],
      [1, 2],
    ])
    expect(floatsOf(executable.readState(1))).toEqual([1, 2])
    step(5, 5)
    expect(floatsOf(executable.readState(0))).toEqual([1, 2])
    expect(floatsOf(executable.readState(1))).toEqual([5, 5])
    expect(step(1, 1)[0]).toEqual([1, 2])
  })

  test('reads what was written, and counts its memory', async () => {
    await using executable = await reference.prepare(graph)
    executable.writeState(0, bytes(Float32Array.of(3, 4)))
    expect(floatsOf(executable.readState(0))).toEqual([3, 4])
    expect(executable.memoryBytes).toBe(4 * 8)
  })

  test('refuses bytes that do not fit and keeps its state', async () => {
    await using executable = await reference.prepare(graph)
    executable.writeState(0, bytes(Float32Array.of(3, 4)))
    expect(() => executable.step([])).toThrow(BatchError)
    expect(() => executable.step([new Uint8Array(7)])).toThrow(
      'x is f32 [2], which takes 8 bytes, not 7: give all of its elements.',
    )
    expect(() => executable.writeState(0, new Uint8Array(12))).toThrow(BatchError)
    expect(() => executable.writeState(2, new Uint8Array(8))).toThrow(BackendError)
    expect(floatsOf(executable.readState(0))).toEqual([3, 4])
  })

  test('refuses to work after its end', async () => {
    const executable = await reference.prepare(graph)
    await executable[Symbol.asyncDispose]()
    expect(() => executable.readState(0)).toThrow(BackendError)
    expect(() => executable.step([new Uint8Array(8)])).toThrow(BackendError)
  })
})

type Given = readonly [shape: readonly number[], values: readonly number[]]

const product = (a: Tensor.Tensor | undefined, b: Tensor.Tensor | undefined) =>
  Tensor.contract(a!, b!)

async function floats(
  a: Given,
  b: Given | undefined,
  build: (...inputs: readonly (Tensor.Tensor | undefined)[]) => Tensor.Tensor,
): Promise<readonly number[]> {
  const given = b ? [a, b] : [a]
  const graph = batchGraph(
    given.map(([shape]) => ['f32', shape]),
    build,
  )
  const [found] = await run(
    graph,
    given.map(([, values]) => bytes(Float32Array.from(values))),
  )
  return floatsOf(found!)
}

function batchGraph(
  slots: readonly (readonly [Tensor.DType, readonly number[]])[],
  build: (
    ...inputs: readonly (Tensor.Tensor | undefined)[]
  ) => Tensor.Tensor | Readonly<Record<string, Tensor.Tensor>>,
): Graph.Graph {
  const batch = slots.map(([dtype, shape], i) => Tensor.input('batch', `x${i}`, dtype, shape))
  const built = build(...batch)
  const results = 'op' in built ? { y: built as Tensor.Tensor } : built
  return Graph.from({ state: [], batch, results })
}

async function run(graph: Graph.Graph, batch: readonly Uint8Array[]) {
  await using executable = await reference.prepare(graph)
  return executable.step(batch)
}

function bytes(values: Float32Array | Uint32Array | Int8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function floatsOf(found: Uint8Array): readonly number[] {
  return [...new Float32Array(found.slice().buffer)]
}

function wordsOf(found: Uint8Array): readonly number[] {
  return [...new Uint32Array(found.slice().buffer)]
}
