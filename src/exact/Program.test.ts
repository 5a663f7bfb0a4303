import { describe, expect, test } from 'vitest'
import * as Program from './Program.ts'

describe('write', () => {
  test('numbers inputs, constants and instructions in that order', () => {
    const program = Program.write(2, (w, a, b) => w.fma(a, w.f32(2), w.mul(b, w.bits(7))))
    expect(program).toEqual({
      inputs: 2,
      constants: [0x4000_0000, 7],
      code: [
        ['mul', 1, 3],
        ['fma', 0, 2, 4],
      ],
      result: 5,
    })
  })

  test('writes equal constants and equal instructions once', () => {
    const program = Program.write(1, (w, x) => {
      const square = () => w.mul(x, x)
      return w.add(w.add(square(), w.f32(1)), w.add(square(), w.bits(0x3f80_0000)))
    })
    expect(program.constants).toEqual([0x3f80_0000])
    expect(program.code).toEqual([
      ['mul', 0, 0],
      ['add', 2, 1],
      ['add', 3, 3],
    ])
  })

  test('may give back an input or a constant', () => {
    expect(Program.write(1, (_, x) => x)).toMatchObject({ code: [], result: 0 })
    expect(Program.write(0, (w) => w.bits(5))).toMatchObject({ constants: [5], result: 0 })
  })

  test('refuses the wrong number of registers', () => {
    expect(() => Program.write(1, (w, x) => w.add(x))).toThrow('add reads 2 registers, not 1.')
  })

  test('refuses a program over the limits', () => {
    const long = () =>
      Program.write(1, (w, x) => {
        let y = x
        for (let i = 0; i <= Program.limits.code; i++) y = w.add(y, x)
        return y
      })
    expect(long).toThrow(Program.ProgramError)
    expect(() => Program.write(5, (_, x) => x)).toThrow('A program reads 0 to 4 inputs, not 5.')
  })
})

describe('check', () => {
  const sound: Program.Program = {
    inputs: 1,
    constants: [1],
    code: [['add', 0, 1]],
    result: 2,
  }

  test('accepts a sound program', () => {
    expect(() => Program.check(sound)).not.toThrow()
  })

  test.each<readonly [string, Partial<Program.Program>]>([
    ['an instruction that reads itself', { code: [['add', 0, 2]] }],
    ['a negative register', { code: [['add', 0, -1]] }],
    ['half a register', { code: [['add', 0, 0.5]] }],
    ['too few registers', { code: [['add', 0]] }],
    ['an unknown instruction', { code: [['pow' as 'add', 0, 1]] }],
    ['an instruction of another object', { code: [['toString' as 'add', 0]] }],
    ['a constant of 33 bits', { constants: [2 ** 32] }],
    ['a negative constant', { constants: [-1] }],
    ['a result that is never written', { result: 3 }],
    ['half an input', { inputs: 0.5 }],
    ['too many constants', { constants: Array(65).fill(0), code: [] }],
  ])('refuses %s', (_, part) => {
    expect(() => Program.check({ ...sound, ...part })).toThrow(Program.ProgramError)
  })
})

describe('bitsOf and floatOf', () => {
  test('turn numbers to bits and back', () => {
    expect(Program.bitsOf(1)).toBe(0x3f80_0000)
    expect(Program.bitsOf(-0)).toBe(0x8000_0000)
    expect(Program.bitsOf(0.1)).toBe(0x3dcc_cccd)
    expect(Program.floatOf(0x3dcc_cccd)).toBe(Math.fround(0.1))
    expect(Program.floatOf(0x7f80_0001)).toBeNaN()
  })
})

describe('operators', () => {
  test('keep their order, which is their number in commitments', () => {
    expect(Program.operators.join(' ')).toBe(
      'fma add sub mul div sqrt min max lt le eq select and or xor iadd isub shl shru shrs float nearest',
    )
  })
})
