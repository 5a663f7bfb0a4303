/**
 * The greatest error of each transcendental, in units of the last place: many numbers are screened in
 * f64, the worst of them judged in 300 places. `npm run test:exact-full` screens far more and prints
 * the table of SPEC.md.
 */
import { describe, expect, test } from 'vitest'
import * as Elementwise from '../src/exact/Elementwise.ts'
import { bitsOf, floatOf, type Program } from '../src/exact/Program.ts'
import { runProgramOnMany } from '../src/exact/reference/runProgram.ts'
import * as Reals from './exactReals.ts'

const full = process.env['MODE'] === 'exact-full'
/** Every how many f32 one is tried. */
const stride = full ? 199 : 40_009

type Row = {
  readonly name: string
  readonly from: number
  readonly to: number
  /** What SPEC.md says: no number between may be further off. */
  readonly atMost: number
}

const table: readonly Row[] = [
  { name: 'exp', from: -87, to: 88, atMost: 1.37 },
  { name: 'exp', from: -104, to: 88.72283, atMost: 1.37 },
  { name: 'log', from: 2 ** -149, to: 3.4e38, atMost: 0.79 },
  { name: 'rsqrt', from: 2 ** -149, to: 3.4e38, atMost: 1.5 },
  { name: 'sigmoid', from: -87, to: 88, atMost: 2.47 },
  { name: 'silu', from: -87, to: 88, atMost: 2.45 },
  { name: 'gelu', from: -5, to: 100, atMost: 30 },
  { name: 'tanh', from: -20, to: 20, atMost: 1.32 },
  { name: 'sin', from: -8192, to: 8192, atMost: 1.57 },
  { name: 'cos', from: -8192, to: 8192, atMost: 1.57 },
  { name: 'sin', from: -(2 ** 20), to: 2 ** 20, atMost: 1.6 },
  { name: 'cos', from: -(2 ** 20), to: 2 ** 20, atMost: 1.6 },
]

describe('transcendentals', () => {
  test.each(table)(
    '$name from $from to $to',
    { timeout: 1_800_000 },
    ({ name, from, to, atMost }) => {
      const { program, approximate, real } = functions[name]!
      const worst: { readonly x: number; readonly error: number }[] = []
      let [least, tried] = [0, 0]
      for (const xs of patterns(from, to)) {
        const found = new Float32Array(runProgramOnMany(program, [xs], xs.length).buffer)
        const inputs = new Float32Array(xs.buffer, 0, xs.length)
        inputs.forEach((x, i) => {
          const expected = approximate(x)
          const error = Math.abs(found[i]! - expected) / unitInLastPlace(expected)
          tried++
          if (error <= least && worst.length >= 64) return
          worst.push({ x, error })
          if (worst.length < 256) return
          worst.sort((a, b) => b.error - a.error).splice(64)
          least = worst.at(-1)!.error
        })
      }
      const judged = worst.map(({ x }) => ({
        x,
        error: Reals.ulps(floatOf(runOne(program, x)), real(Reals.fromNumber(x))),
      }))
      const { x, error } = judged.reduce((a, b) => (b.error > a.error ? b : a))
      const at = `0x${bitsOf(x).toString(16).padStart(8, '0')}`
      if (full)
        process.stdout.write(
          `| ${name} | [${from}, ${to}] | ${error.toFixed(3)} | ${at} | ${tried} |\n`,
        )
      expect(error).toBeLessThanOrEqual(atMost)
      // The screen and the judge agree, so that nothing worse was screened away.
      for (const { error: screened, x: same } of worst) {
        const exact = judged.find((each) => each.x === same)!.error
        expect(Math.abs(screened - exact)).toBeLessThan(1e-4)
      }
    },
  )
})

const functions: Readonly<
  Record<
    string,
    {
      readonly program: Program
      readonly approximate: (x: number) => number
      readonly real: (x: Reals.Real) => Reals.Real
    }
  >
> = {
  exp: { program: Elementwise.exp, approximate: Math.exp, real: Reals.exp },
  log: { program: Elementwise.log, approximate: Math.log, real: Reals.log },
  rsqrt: { program: Elementwise.rsqrt, approximate: (x) => 1 / Math.sqrt(x), real: Reals.rsqrt },
  sigmoid: {
    program: Elementwise.sigmoid,
    approximate: (x) => 1 / (1 + Math.exp(-x)),
    real: Reals.sigmoid,
  },
  silu: { program: Elementwise.silu, approximate: (x) => x / (1 + Math.exp(-x)), real: Reals.silu },
  gelu: {
    program: Elementwise.gelu,
    approximate: (x) =>
      x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
    real: Reals.gelu,
  },
  tanh: { program: Elementwise.tanh, approximate: Math.tanh, real: Reals.tanh },
  sin: { program: Elementwise.sin, approximate: Math.sin, real: Reals.sin },
  cos: { program: Elementwise.cos, approximate: Math.cos, real: Reals.cos },
}

/** Every so many f32 of a range, both ends, in lists. */
function* patterns(from: number, to: number): Generator<Uint32Array> {
  const [first, last] = [ordinal(Math.fround(from)), ordinal(Math.fround(to))]
  const size = 1 << 14
  for (let start = first; start <= last; start += size * stride) {
    const count = Math.min(size, Math.floor((last - start) / stride) + 1)
    yield Uint32Array.from({ length: count }, (_, i) => patternOf(start + i * stride))
  }
  yield Uint32Array.of(bitsOf(from), bitsOf(to), bitsOf(Math.max(from, 2 ** -126)))
}

/** f32 in order: ..., -1 the negative zero, 0 the positive zero, 1 the least above it, ... */
function ordinal(x: number): number {
  const bits = bitsOf(x)
  return bits < 0x8000_0000 ? bits : 0x7fff_ffff - bits
}

function patternOf(place: number): number {
  return place >= 0 ? place : 0x7fff_ffff - place
}

function unitInLastPlace(value: number): number {
  const exponent = (bitsOf(value) >>> 23) & 0xff
  // The nearest f32 may lie one binade above a value: its unit is that of the value.
  const above = Math.abs(Math.fround(value)) > Math.abs(value) && (bitsOf(value) & 0x7f_ffff) === 0
  return 2 ** (Math.max(exponent - (above ? 1 : 0), 1) - 150)
}

function runOne(program: Program, x: number): number {
  return runProgramOnMany(program, [Uint32Array.of(bitsOf(x))], 1)[0]!
}
