/**
 * Holds the judge on chain to its twin in TypeScript and to the exact engine; millions of operations in
 * `npm run test:judge-full`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Merkle from '../src/exact/commit/merkle.ts'
import * as Compliance from '../src/exact/compliance.ts'
import { source } from '../src/exact/compliance/Case.ts'
import { everyKind } from '../src/exact/compliance/everyKind.ts'
import { batchOf } from '../src/exact/data.ts'
import * as Elementwise from '../src/exact/Elementwise.ts'
import * as Graph from '../src/exact/Graph.ts'
import { kindNumbers, leavesOf } from '../src/exact/judgeable.ts'
import { arity, bitsOf, operators, type Program, write } from '../src/exact/Program.ts'
import { readLeaf } from '../src/exact/readLeaf.ts'
import { runProgramOnMany } from '../src/exact/reference/runProgram.ts'
import { contract, count, input, map } from '../src/exact/Tensor.ts'
import { evaluate } from '../src/verification/judge/evaluate.ts'
import { operandsOf } from '../src/verification/judge/operandsOf.ts'
import { chainOf, type Judged, type Place } from '../src/verification/judge/readsOf.ts'
import { decoderTraining, generation } from './exactRuns.ts'
import { startTriples } from './exactTriples.ts'
import { type JudgeContract, startJudgeContract } from './judgeContract.ts'
import { bytesOfWord, chainOperands, randomBytes, sorts } from './judgeData.ts'

const full = process.env['MODE'] === 'judge-full'
const timeout = 3_600_000
const zero = new Uint8Array(4)

let judge: JudgeContract
beforeAll(async () => {
  judge = await startJudgeContract()
})
afterAll(async () => {
  await judge[Symbol.asyncDispose]()
})

describe('every instruction', () => {
  const many: readonly string[] = ['fma', 'add', 'mul', 'div', 'sqrt']
  test.each(operators)('%s gives the bits of the reference', { timeout }, async (op) => {
    const triples = full ? (many.includes(op) ? 2 ** 20 : 2 ** 17) : 2000
    const program = write(3, (w, ...inputs) => w[op](...inputs.slice(0, arity[op])))
    const leaf = leafOfMap(program)
    const batch = 2000
    const floats = new Float32Array(3 * batch)
    const words = new Uint32Array(floats.buffer)
    const triple = startTriples(floats, operators.indexOf(op) + 1)
    for (let done = 0; done < triples; done += batch) {
      for (let i = 0; i < batch; i++) triple(i)
      const columns = [0, 1, 2].map((at) =>
        Uint32Array.from({ length: batch }, (_, i) => words[3 * i + at]!),
      )
      const expected = runProgramOnMany(program, columns, batch)
      const cases = Array.from({ length: batch }, (_, i) => ({
        acc: zero,
        operands: new Uint8Array(floats.buffer, 12 * i, 12),
      }))
      const found = await judge.segments({ leaf, element: 0, segment: 0, width: 4, cases })
      found.forEach((bytes, i) => {
        if (wordOf(bytes) !== expected[i])
          expect([...words.subarray(3 * i, 3 * i + 3), wordOf(bytes)]).toEqual(expected[i])
      })
    }
  })
})

describe('every function', () => {
  const functions = Object.entries(Elementwise).flatMap(([name, program]) =>
    typeof program === 'object' ? [[name, program] as const] : [],
  )
  test.each(functions)('%s gives the bits of the reference', { timeout }, async (name, program) => {
    const length = full ? 20_000 : 200
    const next = source(name)
    const columns = Array.from({ length: program.inputs }, () =>
      Uint32Array.from({ length }, () =>
        next() % 3 === 0 ? next() : bitsOf(((next() >>> 8) * 2 ** -23 - 1) * 2 ** (next() % 9)),
      ),
    )
    const expected = runProgramOnMany(program, columns, length)
    const cases = Array.from({ length }, (_, i) => ({
      acc: zero,
      operands: new Uint8Array(Uint32Array.from(columns, (column) => column[i]!).buffer),
    }))
    const leaf = leafOfMap(program)
    const found = await judge.segments({ leaf, element: 0, segment: 0, width: 4, cases })
    expect(Uint32Array.from(found, wordOf)).toEqual(expected)
  })
})

describe('chains', () => {
  test.each(sorts)('of numbers that are %s', { timeout }, async (sort) => {
    const next = source(sort)
    for (const [terms, chains] of [
      [64, full ? 1600 : 60],
      [1 + (next() % 7), full ? 50 : 10],
      [8 + (next() % 56), full ? 50 : 10],
    ] as const) {
      const leaf = leafOfProduct(terms)
      const twin = judgedOf(leaf)
      const place = { element: 0, segment: 0 }
      const cases = Array.from({ length: chains }, () => chainOperands(sort, terms, next))
      const found = await judge.segments({ leaf, ...place, width: 4, cases })
      cases.forEach(({ acc, operands }, i) =>
        expect(found[i]).toEqual(evaluate(twin, place, acc, operands)),
      )
    }
  })
})

describe('every op', () => {
  test('of every kind is judged as by the twin', { timeout }, async () => {
    const seen = await judgeGraph(everyKind(), 4)
    const kinds = Object.keys(kindNumbers).filter((kind) => kind !== 'state' && kind !== 'result')
    expect([...seen].toSorted()).toEqual(kinds.toSorted())
  })

  test.each(['f32', 'i8', 'i8x3'] as const)('of training in %s', { timeout }, async (profile) => {
    const { graph } = await decoderTraining({ profile })
    await judgeGraph(graph, full ? 20 : 1)
  })

  test('of a generation', { timeout }, async () => {
    await judgeGraph((await generation()).graph, full ? 20 : 1)
  })

  test('of the compliance suite', { timeout }, async () => {
    let cases = 0
    for (const { graph } of Compliance.cases())
      if (full || cases++ % 20 === 0) await judgeGraph(graph, 1)
  })

  test('says when operands do not fit', async () => {
    const leaf = leafOfProduct(64)
    const question = { leaf, element: 0, segment: 0, acc: zero }
    expect(await judge.segment({ ...question, operands: new Uint8Array(511) })).toBe(undefined)
    expect(await judge.segment({ ...question, operands: new Uint8Array(512) })).toEqual(zero)
  })
})

describe('beginning', () => {
  test('is where a batch of the engine begins', async () => {
    const data = Uint8Array.from({ length: 251 }, (_, index) => index)
    for (let step = 0; step < (full ? 200 : 10); step++) {
      const [seed, worker] = [[(step * 0x9e37_79b1) >>> 0, step] as const, step % 5]
      const tokens = batchOf(data, { seed, step, worker, rows: 3, length: 7 })
      for (const row of [0, 1, 2]) {
        const draw = { seed, worker, step, row, beginnings: 245 }
        expect(await judge.beginning(draw)).toBe(tokens[row * 7])
      }
    }
  })
})

describe('trees', () => {
  test('are those of the engine', async () => {
    const random = randomBytes('trees')
    for (let leaves = 1; leaves <= (full ? 70 : 18); leaves++) {
      const bytes = Array.from({ length: leaves }, (_, index) => random(index * 7))
      const root = Merkle.rootOfLeaves(bytes)
      expect(await judge.fold(bytes.map(Merkle.leafHash))).toEqual(root)
      const index = random(1)[0]! % leaves
      const { leaf, path } = Merkle.openLeaf(bytes, index)
      const node = await judge.leafHash(leaf)
      expect(node).toEqual(Merkle.leafHash(leaf))
      expect(await judge.rootFrom(node, { index, count: leaves }, path)).toEqual(root)
    }
  })
})

describe('programs', () => {
  test('of a decoder that trains are no longer than 64 instructions', async () => {
    const longest = await Promise.all(
      (['f32', 'i8', 'i8x3'] as const).map(async (profile) => {
        const { graph } = await decoderTraining({ profile })
        const lengths = graph.ops.map(({ op }) => (op.kind === 'map' ? op.program.code.length : 0))
        return Math.max(...lengths)
      }),
    )
    expect(longest).toEqual([64, 64, 64])
  })
})

/** Asks both judges about random elements and segments of all ops; says which kinds there were. */
async function judgeGraph(graph: Graph.Graph, elements: number): Promise<ReadonlySet<string>> {
  const kinds = new Set<string>()
  const { state, batch, ops } = graph
  const leaves = leavesOf(graph).slice(state.length, state.length + batch.length + ops.length)
  const next = source(`${leaves.length} ops`)
  for (const leaf of leaves) {
    const twin = judgedOf(leaf)
    const { segments, width, initial } = chainOf(twin)
    kinds.add(twin.kind === 'op' ? twin.op.kind : twin.kind)
    expect(await judge.chainOf(leaf)).toEqual({ segments, width, initial })
    for (let i = 0; i < elements; i++) {
      const element = next() % count(twin.shape)
      // Whatever the accumulator is; for the first segment that with which it begins.
      const some = next() % (segments + 1)
      for (const segment of new Set([0, some, segments])) {
        const acc = segment === 0 ? initial : Uint8Array.from(initial, () => next() & 0xff)
        const operands = someOperands(twin, { element, segment }, next)
        const expected = evaluate(twin, { element, segment }, acc, operands)
        expect(await judge.segment({ leaf, element, segment, acc, operands })).toEqual(expected)
      }
    }
  }
  return kinds
}

/** Operands as long as they must be: often small numbers, so that indices meet rows. */
function someOperands(leaf: Judged, place: Place, next: () => number): Uint8Array {
  return operandsOf(leaf, place, ({ bytes }) => {
    const word = [next(), next() % 5, bitsOf((next() >>> 8) * 2 ** -23 - 1)][next() % 3]!
    return bytesOfWord(word).slice(0, bytes)
  })
}

function judgedOf(leaf: Uint8Array): Judged {
  const read = readLeaf(leaf)
  if (read.kind !== 'op' && read.kind !== 'batch') throw new Error(`A ${read.kind} is not judged.`)
  return read
}

/** A map whose result is stored as it is. */
function leafOfMap(program: Program): Uint8Array {
  const inputs = Array.from({ length: program.inputs }, (_, i) => input('batch', `${i}`, 'f32', []))
  const y = map(program, inputs, { dtype: 'u32' })
  return leavesOf(Graph.from({ state: [], batch: inputs, results: { y } }))[inputs.length]!
}

function leafOfProduct(terms: number): Uint8Array {
  const [a, b] = [input('batch', 'a', 'f32', [1, terms]), input('batch', 'b', 'f32', [terms, 1])]
  return leavesOf(Graph.from({ state: [], batch: [a, b], results: { y: contract(a, b) } }))[2]!
}

function wordOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
}
