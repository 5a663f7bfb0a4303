/** Holds `fma32` to C's `fmaf`, compiled here; more triples in `npm run test:exact-full`. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fma32 } from '../src/exact/fma32.ts'
import { exactFma } from './exactFractions.ts'
import { startTriples } from './exactTriples.ts'

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
    const triple = startTriples(floats, 0x5eed)
    const kinds: Record<string, number> = {}
    const found = new Float32Array(1)
    const foundBits = new Uint32Array(found.buffer)
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < batchSize; i++) triple(i)
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

function kindOf(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === 0) return 'zero'
  if (!Number.isFinite(value)) return 'infinite'
  return Math.abs(value) < 2 ** -126 ? 'subnormal' : 'normal'
}
