import { describe, expect, test } from 'vitest'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { contractI8, input } from '../Tensor.ts'
import { startModule } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { call } from './instructions.ts'
import { rowSums } from './rowSums.ts'
import { startWasm } from './startWasm.ts'

/** Sums, and whether they are tight, of rows of i8 whose words lie side by side or in a panel. */
function run(rows: readonly (readonly number[])[], lie: 'rows' | 'panel') {
  const module = startModule()
  const kernels = { tile: { rows: 1, vectors: 1 }, integerTile: { rows: 4, vectors: 2 } }
  const compilation = { module, kernels: { ...kernels, dot: 'pairs' } } as unknown as Compilation
  const words = rows[0]!.length / 4
  const parameters = Array.from({ length: 6 }, () => 'i32' as const)
  module.define({ parameters, exported: 'run' }, (scope) =>
    call(rowSums(compilation, lie), ...scope.parameters.map(({ get }) => get)),
  )
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
  const code = new WebAssembly.Module(module.bytes({ pages: 1, shared: false }))
  const { exports } = new WebAssembly.Instance(code, { env: { memory } })
  const bytes = new Int8Array(memory.buffer)
  rows.forEach((row, r) =>
    row.forEach((value, k) => {
      const word = Math.floor(k / 4)
      const at = lie === 'rows' ? r * words + word : word * rows.length + r
      bytes[1024 + at * 4 + (k % 4)] = value
    }),
  )
  const start = exports['run'] as (...given: number[]) => void
  start(1024, words * 4, rows.length, words, 64, 32)
  const found = new Int32Array(memory.buffer)
  return { sums: [...found.subarray(16, 16 + rows.length)], isTight: found[8] === 1 }
}

const rowOf = (length: number, seed: number) =>
  Array.from({ length }, (_, k) => ((k * 37 + seed * 11) % 101) - 50)

describe.each(['rows', 'panel'] as const)('rowSums of %s', (lie) => {
  test.each([4, 8, 12, 16, 28, 32, 60])('are -64 times what %i terms add up to', (length) => {
    for (const count of [1, 3, 4, 7]) {
      const rows = Array.from({ length: count }, (_, seed) => rowOf(length, seed))
      const sums = rows.map((row) => -64 * row.reduce((a, b) => a + b, 0))
      expect(run(rows, lie).sums).toEqual(sums)
    }
  })

  test('are tight while two pairs of two words together are at most 258', () => {
    for (const at of [0, 2, 8, 10, 16, 18]) {
      const row = (last: number) => {
        const values = Array.from({ length: 24 }, () => 0)
        for (const [index, value] of [
          [at, -127],
          [at + 1, 127],
          [at + 4, 3],
          [at + 5, last],
        ])
          values[index!] = value!
        return values
      }
      expect(run([rowOf(24, 1), row(1)], lie).isTight).toBe(true)
      expect(run([rowOf(24, 1), row(-2)], lie).isTight).toBe(false)
      expect(run([row(-2), rowOf(24, 1)], lie).isTight).toBe(false)
    }
  })
})

describe('contract-i8', () => {
  test('is exact where sixteen bits are just enough, and where they are not', async () => {
    const [a, b] = [input('batch', 'a', 'i8', [9, 32]), input('batch', 'b', 'i8', [8, 32])]
    const scales = { scaleA: Ops.constant(1, [9]), scaleB: Ops.constant(1, [8]) }
    const product = contractI8({ a, b, ...scales }, { transposeB: true })
    const graph = Graph.from({ state: [], batch: [a, b], results: { product } })
    await using backend = await startWasm()
    await using executable = await backend.prepare(graph)
    for (const value of [64, 65, 127, -128])
      for (const right of [63, -64]) {
        const row = Array.from({ length: 32 }, (_, k) => (k % 8 < 2 ? value + (k % 2) * 2 : value))
        const bytes = Int8Array.from({ length: 9 * 32 }, (_, i) => row[i % 32]!)
        const given = [new Uint8Array(bytes.buffer), new Uint8Array(8 * 32).fill(right)]
        const expected = [...bytes.subarray(0, 32)].reduce((sum, each) => sum + each * right, 0)
        const found = new Float32Array(executable.step(given)[0]!.slice().buffer)
        expect(new Set(found)).toEqual(new Set([expected]))
      }
  })
})
