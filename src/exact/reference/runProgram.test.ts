import { describe, expect, test } from 'vitest'
import { edges, source } from '../compliance/Case.ts'
import { arity, bitsOf, floatOf, type Operator, operators, write } from '../Program.ts'
import { runProgram, runProgramOnMany } from './runProgram.ts'

const canonical = 0x7fc0_0000

describe('runProgram', () => {
  test('rounds each instruction to f32', () => {
    const third = write(2, (w, a, b) => w.div(a, b))
    expect(floatOf(runProgram(third, [bitsOf(1), bitsOf(3)]))).toBe(Math.fround(1 / 3))
    const twice = write(1, (w, x) => w.add(w.mul(x, x), w.f32(-(1 + 2 ** -11))))
    const once = write(1, (w, x) => w.fma(x, x, w.f32(-(1 + 2 ** -11))))
    const x = bitsOf(1 + 2 ** -12)
    expect(floatOf(runProgram(twice, [x]))).toBe(0)
    expect(floatOf(runProgram(once, [x]))).toBe(2 ** -24)
  })

  test.each(['fma', 'add', 'sub', 'mul', 'div', 'sqrt', 'min', 'max'] as const)(
    '%s of any NaN gives the one NaN',
    (op) => {
      for (const nan of [0xffc0_0000, 0x7f80_0001, 0xffff_ffff])
        expect(one(op, nan, bitsOf(1), bitsOf(1))).toBe(canonical)
    },
  )

  test('gives the one NaN for what has no value', () => {
    const [zero, infinity] = [bitsOf(0), bitsOf(Infinity)]
    expect(one('div', zero, zero)).toBe(canonical)
    expect(one('sub', infinity, infinity)).toBe(canonical)
    expect(one('mul', zero, infinity)).toBe(canonical)
    expect(one('sqrt', bitsOf(-1))).toBe(canonical)
    expect(one('sqrt', bitsOf(-0))).toBe(bitsOf(-0))
  })

  test('does not flush subnormals inside a program', () => {
    expect(one('mul', bitsOf(2 ** -100), bitsOf(2 ** -49))).toBe(1)
    expect(one('div', 3, bitsOf(2))).toBe(2)
    expect(one('add', 1, 1)).toBe(2)
  })

  test('orders zeros in min and max', () => {
    const [plus, minus] = [bitsOf(0), bitsOf(-0)]
    expect(one('min', plus, minus)).toBe(minus)
    expect(one('min', minus, plus)).toBe(minus)
    expect(one('max', plus, minus)).toBe(plus)
    expect(one('max', minus, plus)).toBe(plus)
  })

  test('compares to all ones or zeros, NaN to zeros', () => {
    expect(one('lt', bitsOf(1), bitsOf(2))).toBe(0xffff_ffff)
    expect(one('lt', bitsOf(-0), bitsOf(0))).toBe(0)
    expect(one('le', bitsOf(0), bitsOf(-0))).toBe(0xffff_ffff)
    expect(one('eq', bitsOf(0), bitsOf(-0))).toBe(0xffff_ffff)
    for (const op of ['lt', 'le', 'eq'] as const) expect(one(op, canonical, canonical)).toBe(0)
  })

  test('selects bit by bit and keeps the bits of a NaN', () => {
    expect(one('select', 0xffff_0000, 0x1234_5678, 0x9abc_def0)).toBe(0x1234_def0)
    expect(one('select', 0xffff_ffff, 0xffa0_0001, 0)).toBe(0xffa0_0001)
  })

  test('wraps integers and counts shifts modulo 32', () => {
    expect(one('iadd', 0xffff_ffff, 2)).toBe(1)
    expect(one('isub', 1, 2)).toBe(0xffff_ffff)
    expect(one('shl', 3, 33)).toBe(6)
    expect(one('shru', 0x8000_0000, 31)).toBe(1)
    expect(one('shrs', 0x8000_0000, 31)).toBe(0xffff_ffff)
  })

  test('converts signed integers, nearest even, and saturates', () => {
    expect(floatOf(one('float', 0xffff_ffff))).toBe(-1)
    expect(floatOf(one('float', 0x0100_0001))).toBe(2 ** 24)
    expect(floatOf(one('float', 0x0100_0003))).toBe(2 ** 24 + 4)
    const nearest = (x: number) => one('nearest', bitsOf(x)) | 0
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -0.25, 7.75].map(nearest)).toEqual([0, 2, 2, 0, -2, 0, 8])
    expect([2 ** 31, Infinity, 1e30].map(nearest)).toEqual(Array(3).fill(2 ** 31 - 1))
    expect([-(2 ** 31), -Infinity, -1e30].map(nearest)).toEqual(Array(3).fill(-(2 ** 31)))
    expect(nearest(NaN)).toBe(0)
  })
})

describe('runProgramOnMany', () => {
  test.each(operators)('gives for %s what one element at a time gives', (op) => {
    const next = source(op)
    const columns = [0, 1, 2].map(() =>
      Uint32Array.from({ length: 500 }, () =>
        next() % 2 === 0 ? edges[next() % edges.length]! : next(),
      ),
    )
    const program = write(3, (w, ...inputs) =>
      w.add(w[op](...inputs.slice(0, arity[op])), inputs[1]!),
    )
    const many = runProgramOnMany(program, columns, 500)
    many.forEach((bits, i) =>
      expect(bits).toBe(
        runProgram(
          program,
          columns.map((column) => column[i]!),
        ),
      ),
    )
  })

  test('runs a program without inputs', () => {
    const seven = write(0, (w) => w.bits(7))
    expect([...runProgramOnMany(seven, [], 3)]).toEqual([7, 7, 7])
  })
})

function one(op: Operator, ...inputs: readonly number[]): number {
  const given = inputs.slice(0, arity[op])
  return runProgram(
    write(arity[op], (w, ...registers) => w[op](...registers)),
    given,
  )
}
