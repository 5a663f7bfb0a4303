import { describe, expect, test } from 'vitest'
import { edges, source } from './compliance/Case.ts'
import * as Elementwise from './Elementwise.ts'
import { fma32 } from './fma32.ts'
import { bitsOf, floatOf, type Program, write } from './Program.ts'
import { runProgram, runProgramOnMany } from './reference/runProgram.ts'
import * as Transcendentals from './transcendentals.ts'

const round = Math.fround

describe('exp', () => {
  test('overflows above 88.72284 and underflows below -103.97208', () => {
    const atMost = floatOf(0x42b1_7217)
    expect(apply(Elementwise.exp, atMost)).toBeLessThan(Infinity)
    expect(apply(Elementwise.exp, floatOf(0x42b1_7218))).toBe(Infinity)
    expect(apply(Elementwise.exp, floatOf(0xc2cf_f1b4))).toBe(2 ** -149)
    expect(apply(Elementwise.exp, floatOf(0xc2cf_f1b5))).toBe(0)
  })

  test('is exact at zero and at the infinities', () => {
    expect(apply(Elementwise.exp, 0)).toBe(1)
    expect(apply(Elementwise.exp, -0)).toBe(1)
    expect(apply(Elementwise.exp, Infinity)).toBe(Infinity)
    expect(apply(Elementwise.exp, -Infinity)).toBe(0)
  })

  test('composes within a larger program', () => {
    const softplus = write(1, (w, x) =>
      Transcendentals.log(w, w.add(w.f32(1), Transcendentals.exp(w, x))),
    )
    expect(apply(softplus, 0)).toBeCloseTo(Math.LN2, 6)
    expect(apply(softplus, 5)).toBeCloseTo(Math.log1p(Math.exp(5)), 5)
  })
})

describe('log', () => {
  test('is -infinity at both zeros, NaN below, infinity at infinity, zero at one', () => {
    expect([0, -0, 1, Infinity].map((x) => apply(Elementwise.log, x))).toEqual([
      -Infinity,
      -Infinity,
      0,
      Infinity,
    ])
    expect([-1, -Infinity, -(2 ** -149)].map((x) => apply(Elementwise.log, x))).toEqual([
      NaN,
      NaN,
      NaN,
    ])
  })

  test('reaches down to the least subnormal', () => {
    expect(apply(Elementwise.log, 2 ** -149)).toBe(round(-149 * Math.LN2))
  })
})

describe('silu and gelu', () => {
  test('are -0 at -infinity and grow like x', () => {
    for (const program of [Elementwise.silu, Elementwise.gelu]) {
      expect(apply(program, -Infinity)).toBe(-0)
      expect(apply(program, Infinity)).toBe(Infinity)
      expect(apply(program, 100)).toBe(100)
      expect(apply(program, 0)).toBe(0)
    }
  })
})

describe('tanh', () => {
  test('is odd but at -0, which gives +0, and ends at one', () => {
    expect(apply(Elementwise.tanh, -0)).toBe(0)
    for (const x of [2 ** -149, 0.3, 0.625, 2, 50, Infinity])
      expect(apply(Elementwise.tanh, -x)).toBe(-apply(Elementwise.tanh, x))
    expect(apply(Elementwise.tanh, Infinity)).toBe(1)
  })
})

describe('sin and cos', () => {
  test('turn through the quarters and give NaN beyond 2^20', () => {
    for (const x of [0.5, 2, 3.5, 5, -0.5, -2, -3.5, -5]) {
      expect(apply(Elementwise.sin, x)).toBeCloseTo(Math.sin(x), 6)
      expect(apply(Elementwise.cos, x)).toBeCloseTo(Math.cos(x), 6)
    }
    expect(apply(Elementwise.sin, -0)).toBe(0)
    expect(apply(Elementwise.cos, 0)).toBe(1)
    expect(apply(Elementwise.sin, 2 ** 20)).not.toBeNaN()
    expect(apply(Elementwise.sin, 2 ** 20 + 1)).toBeNaN()
    expect(apply(Elementwise.cos, -Infinity)).toBeNaN()
  })
})

describe('every function', () => {
  const next = source('transcendentals')
  const inputs = [
    ...edges,
    ...edges.flatMap((bits) => [bits + 1, Math.max(bits - 1, 0)]),
    ...Array.from({ length: 5000 }, next),
    // From -100 to 100.
    ...Array.from({ length: 5000 }, () => bitsOf((next() / 2 ** 32 - 0.5) * 200)),
  ].map((bits) => bits >>> 0)

  test.each(Object.keys(plain()))(
    '%s is, to the bit, its sequence written in plain steps',
    (name) => {
      const [program, steps] = plain()[name]!
      const found = runProgramOnMany(program, [Uint32Array.from(inputs)], inputs.length)
      inputs.forEach((bits, i) => {
        const [value, expected] = [floatOf(found[i]!), steps(floatOf(bits))]
        if (!Object.is(value, expected)) expect([bits, value]).toEqual([bits, expected])
      })
    },
  )

  test.each(Object.keys(plain()))('%s of any NaN is NaN', (name) => {
    const [program] = plain()[name]!
    for (const bits of [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff])
      expect(floatOf(runProgram(program, [bits]))).toBeNaN()
  })
})

function apply(program: Program, x: number): number {
  return floatOf(runProgram(program, [bitsOf(x)]))
}

/** The table of SPEC.md section 2 once more, on numbers instead of registers. */
function plain(): Readonly<Record<string, readonly [Program, (x: number) => number]>> {
  return {
    exp: [Elementwise.exp, exp],
    log: [Elementwise.log, log],
    rsqrt: [Elementwise.rsqrt, (x) => round(1 / round(Math.sqrt(x)))],
    sigmoid: [Elementwise.sigmoid, (x) => round(1 / round(1 + exp(round(0 - x))))],
    silu: [Elementwise.silu, (x) => gate(x, x)],
    gelu: [
      Elementwise.gelu,
      (x) => gate(x, round(x * fma32(round(x * x), floatOf(0x3d92_2279), floatOf(0x3fcc_422a)))),
    ],
    tanh: [Elementwise.tanh, tanh],
    sin: [Elementwise.sin, (x) => turn(x, 0)],
    cos: [Elementwise.cos, (x) => turn(x, 1)],
  }
}

function exp(x: number): number {
  if (Number.isNaN(x)) return NaN
  if (x > floatOf(0x42b1_7218)) return Infinity
  if (x < floatOf(0xc2cf_f1b5)) return 0
  const t = fma32(x, floatOf(0x3fb8_aa3b), 12582912)
  const n = t - 12582912
  const r = fma32(n, floatOf(0x3102_e308), fma32(n, floatOf(0xbf31_7218), x))
  const p = polynomial(r, [0x3abc_81b9, 0x3c09_004d, 0x3d2a_a49f, 0x3e2a_aa70, 0x3f00_0002])
  const y = round(fma32(p, round(r * r), r) + 1)
  const first = Math.floor(n / 2)
  return round(round(y * 2 ** first) * 2 ** (n - first))
}

function log(x: number): number {
  if (Number.isNaN(x) || x < 0) return NaN
  if (x === 0) return -Infinity
  if (x === Infinity) return Infinity
  const subnormal = x < 2 ** -126
  const b = bitsOf(subnormal ? x * 2 ** 23 : x) - 0x3f35_04f3
  const e = Math.floor(b / 2 ** 23) - (subnormal ? 23 : 0)
  const f = floatOf((b & 0x7f_ffff) + 0x3f35_04f3) - 1
  const p = polynomial(
    f,
    [
      0x3d8d_ae30, 0xbdf1_884d, 0x3df3_2cea, 0xbdfd_9eca, 0x3e11_98eb, 0xbe2a_b181, 0x3e4c_d2a9,
      0xbe7f_fff7, 0x3eaa_aaa3,
    ],
  )
  const z = round(f * f)
  const low = fma32(e, floatOf(0xb102_e308), round(round(p * f) * z))
  return fma32(e, floatOf(0x3f31_7218), round(f + fma32(-0.5, z, low)))
}

function gate(x: number, inner: number): number {
  return x === -Infinity ? -0 : round(x / round(1 + exp(round(0 - inner))))
}

function tanh(x: number): number {
  const a = Math.abs(x)
  if (a < 0.625) {
    const z = round(x * x)
    const p = polynomial(z, [0xbbb9_7e24, 0x3ca8_c58b, 0xbd5c_132e, 0x3e08_8347, 0xbeaa_aa98])
    return fma32(round(p * z), x, x)
  }
  return Math.sign(x) * round(1 - round(2 / round(exp(round(a + a)) + 1)))
}

function turn(x: number, quarters: number): number {
  if (!(Math.abs(x) <= 2 ** 20)) return NaN
  const n = fma32(x, floatOf(0x3f22_f983), 12582912) - 12582912
  const near = fma32(n, floatOf(0x333b_bd2e), fma32(n, floatOf(0xbfc9_0fdb), x))
  const r = fma32(n, floatOf(0x26f7_2ced), near)
  const z = round(r * r)
  const quarter = (((n + quarters) % 4) + 4) % 4
  const s = polynomial(z, [0xb94c_a5a0, 0x3c08_83ab, 0xbe2a_aaa3])
  const c = polynomial(z, [0x37cc_ffa0, 0xbab6_0641, 0x3d2a_aaa5])
  const y =
    quarter % 2 === 0 ? fma32(round(s * z), r, r) : fma32(round(c * z), z, fma32(-0.5, z, 1))
  return quarter < 2 ? y : -y
}

function polynomial(x: number, coefficients: readonly number[]): number {
  return coefficients.map(floatOf).reduce((sum, next) => fma32(sum, x, next))
}
