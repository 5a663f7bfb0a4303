/** Holds `fma32` to C's `fmaf`, compiled here; more triples in `npm run test:exact-full`. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { edges } from '../src/exact/compliance/Case.ts'
import { fma32 } from '../src/exact/fma32.ts'
import { exactFma } from './exactFractions.ts'

const full = process.env['MODE'] === 'exact-full'
const folder = mkdtempSync(join(tmpdir(), 'weft-fmaf-'))
afterAll(() => rmSync(folder, { recursive: true }))

const batchSize = 1 << 18
const floats = new Float32Array(3 * batchSize)
const words = new Uint32Array(floats.buffer)
const fmaf = compile() ?? byFractions

describe('fma32', () => {
  const batches = full ? 48 : 2
  test(`agrees with fmaf on ${batches * batchSize} triples`, { timeout: 1_800_000 }, () => {
    const next = generator(0x5eed)
    const kinds: Record<string, number> = {}
    const found = new Float32Array(1)
    const foundBits = new Uint32Array(found.buffer)
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < batchSize; i++) triple(i, next)
      const expected = fmaf()
      for (let i = 0; i < batchSize; i++) {
        const value = fma32(floats[3 * i]!, floats[3 * i + 1]!, floats[3 * i + 2]!)
        found[0] = value
        const bits = Number.isNaN(value) ? 0x7fc0_0000 : foundBits[0]!
        if (bits !== expected[i])
          expect([...words.subarray(3 * i, 3 * i + 3), bits]).toEqual(expected[i])
        const kind = kindOf(value)
        kinds[kind] = (kinds[kind] ?? 0) + 1
      }
    }
    // The triples reach every kind of result.
    for (const kind of ['NaN', 'infinite', 'zero', 'subnormal', 'normal'])
      expect(kinds[kind]).toBeGreaterThan(batches * 500)
  })
})

/** Runs the C program on the batch, when the machine has a C compiler. */
function compile(): (() => Uint32Array) | undefined {
  const program = join(folder, 'fmaf')
  const options = ['-O1', '-ffp-contract=off', '-o', program, 'test/fmaf.c', '-lm']
  const compiled = spawnSync('cc', options, { encoding: 'utf8' })
  if (compiled.error || compiled.status !== 0) return undefined
  return () => {
    const maxBuffer = 8 * batchSize
    const bytes = execFileSync(program, { input: new Uint8Array(floats.buffer), maxBuffer })
    return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  }
}

/** Without a compiler: exact fractions, of an eighth of the batch, the rest taken as it is. */
function byFractions(): Uint32Array {
  const found = new Float32Array(batchSize)
  for (let i = 0; i < batchSize; i++) {
    const [a, b, c] = [floats[3 * i]!, floats[3 * i + 1]!, floats[3 * i + 2]!]
    found[i] = i % 8 === 0 ? exactFma(a, b, c) : fma32(a, b, c)
  }
  return new Uint32Array(found.buffer).map((bits, i) =>
    Number.isNaN(found[i]) ? 0x7fc0_0000 : bits,
  )
}

/** One triple of ten kinds, each made to meet a way in which a multiply-add goes wrong. */
function triple(i: number, next: () => number): void {
  const kind = next() % 10
  let [a, b, c] = [next(), next(), next()]
  const exponents = (x: number, from: number, count: number) =>
    ((x & 0x807f_ffff) | ((from + (((x >>> 23) & 0xff) % count)) << 23)) >>> 0
  const pick = () => edges[next() % edges.length]!
  if (kind === 1) [a, b, c] = [exponents(a, 117, 20), exponents(b, 117, 20), exponents(c, 107, 40)]
  if (kind === 2) {
    // Nearly the opposite of the product.
    ;[a, b] = [exponents(a, 100, 50), exponents(b, 100, 50)]
    floats.set([fromBits(a), fromBits(b)], 3 * i)
    floats[3 * i + 2] = -(floats[3 * i]! * floats[3 * i + 1]!)
    c = words[3 * i + 2]! + (next() % 5) - 2
  }
  if (kind === 3) {
    // Results around the least normal number.
    const left = 1 + ((a >>> 23) % 99)
    a = ((a & 0x807f_ffff) | (left << 23)) >>> 0
    b = exponents(b, 100 - left, 30)
    c &= c & 1 ? 0x80ff_ffff : 0x8000_0007
  }
  if (kind === 4) {
    const left = 127 + ((a >>> 23) % 127)
    a = ((a & 0x807f_ffff) | (left << 23)) >>> 0
    b = exponents(b, Math.min(379 - left, 251), 4)
    c = exponents(c, 250, 5)
  }
  if (kind === 5) {
    // Fractions of few bits: ties.
    a = exponents(a & 0x8070_0001, 110 + (a >>> 28), 1)
    b = exponents(b & 0x8070_0001, 110 + (b >>> 28), 1)
    c = exponents(c & 0x8060_0001, 80 + ((c >>> 8) % 100), 1)
  }
  if (kind === 6) {
    // A product of 25 bits, so a tie, with something far smaller.
    a = ((a & 0x807f_ffff) | 0x3f80_0000) >>> 0
    b = ((b & 0x8000_0000) | toBits(1 + 2 * ((b >>> 5) & 63))) >>> 0
    c = exponents(c, 0, 100)
  }
  if (kind === 7) {
    // A product of about half a unit in the last place of c.
    a = ((a & 0x8000_0000) | 0x3f80_0000 | ((a & 0xfff) << 11)) >>> 0
    b = ((b & 0x8000_0000) | 0x3f80_0000 | ((b & 0xfff) << 11)) >>> 0
    c = exponents(c, 150, 3)
  }
  if (kind === 8) [a, b, c] = [pick(), next() % 2 === 0 ? pick() : b, next() % 2 === 0 ? pick() : c]
  if (kind === 9) [a, b, c] = [a & 0x807f_ffff, exponents(b, 127, 100), exponents(c, 0, 40)]
  words.set([a, b, c], 3 * i)
}

function kindOf(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === 0) return 'zero'
  if (!Number.isFinite(value)) return 'infinite'
  return Math.abs(value) < 2 ** -126 ? 'subnormal' : 'normal'
}

/** Words of xorshift32 scrambled by a product: fast, and the same each time. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const product = Math.imul(state, 0x9e37_79b1)
    return (product ^ (product >>> 15)) >>> 0
  }
}

function fromBits(bits: number): number {
  scratchBits[0] = bits
  return scratch[0]!
}

function toBits(value: number): number {
  scratch[0] = value
  return scratchBits[0]!
}

const scratch = new Float32Array(1)
const scratchBits = new Uint32Array(scratch.buffer)
