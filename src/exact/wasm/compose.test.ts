import { describe, expect, test } from 'vitest'
import * as Elementwise from '../Elementwise.ts'
import { write } from '../Program.ts'
import { compose } from './compose.ts'

const part = (
  program: Parameters<typeof compose>[0],
  reads: readonly number[],
  isFloat = true,
) => ({
  program,
  reads,
  isFloat,
})

describe('compose', () => {
  test('puts a program in the place of an input, the output rules behind it', () => {
    const { program, reads } = compose(Elementwise.add, [part(Elementwise.mul, [7, 9]), 9])
    expect(reads).toEqual([7, 9])
    expect(program).toEqual({
      inputs: 2,
      constants: [],
      code: [
        ['mul', 0, 1],
        ['output', 2],
        ['add', 3, 1],
      ],
      result: 4,
    })
  })

  test('stores words as they are', () => {
    const { program } = compose(Elementwise.equalWords, [
      part(Elementwise.addWords, [1, 2], false),
      3,
    ])
    expect(program.code.map(([op]) => op)).not.toContain('output')
  })

  test('writes equal values, constants and instructions once', () => {
    const twice = part(Elementwise.scale(3), [5])
    const { program, reads } = compose(Elementwise.add, [twice, twice])
    expect(reads).toEqual([5])
    expect(program.constants).toHaveLength(1)
    expect(program.code.map(([op]) => op)).toEqual(['mul', 'output', 'add'])
  })

  test('knows which constants the rules leave alone', () => {
    const ops = (value: number) =>
      compose(Elementwise.add, [part(Elementwise.constant(value), []), 1]).program.code.map(
        ([op]) => op,
      )
    expect(ops(3)).toEqual(['add'])
    expect(ops(Infinity)).toEqual(['add'])
    expect(ops(0)).toEqual(['add'])
    expect(ops(1e-40)).toEqual(['output', 'add'])
    expect(ops(NaN)).toEqual(['output', 'add'])
  })

  test('applies the rules to what a part only passes on', () => {
    const pass = write(1, (_, x) => x)
    expect(compose(Elementwise.sqrt, [part(pass, [1])]).program.code.map(([op]) => op)).toEqual([
      'output',
      'sqrt',
    ])
  })
})
