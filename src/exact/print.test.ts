import { describe, expect, test } from 'vitest'
import { everyKind } from './compliance/everyKind.ts'
import * as Graph from './Graph.ts'
import { print, printProgram } from './print.ts'
import * as Program from './Program.ts'
import { input, map } from './Tensor.ts'

const double = Program.write(1, (w, x) => w.add(w.mul(x!, w.f32(2)), w.bits(0x7fc00000)))

describe('print', () => {
  test('writes slots, ops, results and each program once', () => {
    const x = input('state', 'x', 'f32', [2, 3])
    const once = map(double, [x])
    const twice = map(double, [once])
    expect(print(Graph.from({ state: [[x, twice]], results: { once } }))).toBe(
      [
        'graph: 1 state, 0 batch, 2 ops, 1 results',
        '',
        '%0 = f32 [2, 3]  state "x", next %2',
        '%1 = f32 [2, 3]  map(%0) by program 0',
        '%2 = f32 [2, 3]  map(%1) by program 0',
        '',
        'result "once" = %1: f32 [2, 3]',
        '',
        'program 0:',
        '  r0 = mul(x0, 2)',
        '  r1 = add(r0, 0x7fc00000)',
        '  return r1',
        '',
      ].join('\n'),
    )
  })

  test('says what each kind does', () => {
    const text = print(everyKind())
    for (const part of [
      'f32 [3, 4]  contract(%4, %0) with b transposed',
      'to max along axis 1',
      'to axes [1, 0]',
      'from [1, 0]',
      'along axis 0',
      'philox(%3, %1) stream 7',
      'gather(%0, %2)',
    ])
      expect(text).toContain(part)
  })

  test('escapes names that would drive a terminal', () => {
    const x = input('state', 'a"\u001b[2J\u009b\u202e', 'u32', [])
    const text = print(Graph.from({ state: [[x, x]] }))
    expect(text).toContain(String.raw`state "a\"\u001b[2J\u{9b}\u{202e}", next %0`)
  })
})

describe('printProgram', () => {
  test('writes a program without instructions', () => {
    expect(printProgram(Program.write(0, (w) => w.f32(0)))).toBe('  return 0')
    expect(printProgram(Program.write(1, (_, x) => x!))).toBe('  return x0')
  })
})
