import { describe, expect, test } from 'vitest'
import { bytesOf, type Case, source, type Spec } from '../compliance/Case.ts'
import * as Compliance from '../compliance.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { contract, contractI8, input } from '../Tensor.ts'
import { startWasm } from './startWasm.ts'

/** Sizes at and around those of tiles, panels and blocks, in products of all kinds. */
const rows = [1, 2, 3, 4, 6, 7, 13, 200]
const columns = [1, 4, 8, 16, 24, 33, 64]
const depths = [1, 3, 4, 16, 64, 131]

function randomProduct(seed: number): Case {
  const name = `product ${seed}`
  const next = source(name)
  const among = (list: readonly number[]) => list[next() % list.length]!
  const [transposeA, transposeB] = [next() % 2 === 0, next() % 2 === 0]
  const batch = next() % 3 === 0 ? [2 + (next() % 2)] : []
  const isFloat = next() % 2 === 0
  // Some are more than one block of k.
  const isDeep = seed % 16 === 0
  const [m, n] = isDeep ? [1 + (next() % 9), 1 + (next() % 9)] : [among(rows), among(columns)]
  const k = isDeep ? (isFloat ? 1030 : 4100) + seed : among(depths)
  const dtype = isFloat ? 'f32' : 'i8'
  const leadA = next() % 3 === 0 ? [] : batch
  const leadB = next() % 2 === 0 ? [] : batch
  const shapeA = [...leadA, ...(transposeA ? [k, m] : [m, k])]
  const shapeB = [...leadB, ...(transposeB ? [n, k] : [k, n])]
  const isConstant = next() % 2 === 0
  const a = input('batch', 'a', dtype, shapeA)
  const b = input(isConstant ? 'state' : 'batch', 'b', dtype, shapeB)
  const scales = {
    scaleA: Ops.constant(0.37, [...leadA, m]),
    scaleB: Ops.constant(1.7, [...leadB, n]),
  }
  const given = { transposeA, transposeB }
  const y = isFloat ? contract(a, b, given) : contractI8({ a, b, ...scales }, given)
  const graph = Graph.from({
    state: isConstant ? [[b, b]] : [],
    batch: isConstant ? [a] : [a, b],
    results: { y },
  })
  const [specA, specB]: Spec[] = [
    { dtype, shape: shapeA, ...small(next() % 2 === 0 && !isFloat) },
    { dtype, shape: shapeB, ...small(seed % 2 === 0 && !isFloat) },
  ]
  const [batchSpecs, stateSpecs] = isConstant ? [[specA!], [specB!]] : [[specA!, specB!], []]
  return {
    name,
    graph,
    state: bytesOf(`${name} state`, stateSpecs, 0),
    batches: [0, 1].map((step) => bytesOf(name, batchSpecs, step)),
  }
}

/** Some integers fit the fast kernels, and some do not. */
const small = (isSmall: boolean): Partial<Spec> => (isSmall ? { fill: { below: 60 } } : {})

describe('productFunction', () => {
  test.each([
    ['as it is', {}],
    ['on three threads', { threads: 3, aloneBelow: 0 }],
    ['in sixteen bits', { dot: 'i16' }],
    ['with wide tiles', { revectorize: true }],
  ] as const)('gives what the reference gives: %s', async (_, options) => {
    await using backend = await startWasm(options)
    for (let seed = 0; seed < 64; seed++)
      expect(await Compliance.compare(backend, randomProduct(seed))).toBeUndefined()
  })
})
