import { concat, pad } from 'viem'
import { describe, expect, test } from 'vitest'
import type * as Hex from '../Hex.ts'
import type * as Move from './Move.ts'
import * as Told from './Told.ts'

const word = (digit: string): Hex.Hex => `0x${digit.repeat(64)}`
const header = { state: 1, batch: 0, ops: 1, results: 0, leaves: word('f') }
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(word) as [Hex.Hex, Hex.Hex, Hex.Hex, Hex.Hex]

/** Moves, and what the contract's event says of each. */
const cases: readonly (readonly [Move.Move, Hex.Hex])[] = [
  [{ type: 'reveal', nodes: [a, b] }, concat([a, b])],
  [
    { type: 'enter', before: a, path: [d], after: b, header, trace: c, nodes: [d, a] },
    concat([a, b, c, d, a]),
  ],
  [{ type: 'tensor', root: a, nodes: [b, c], bytes: '0x' }, concat([a, b, c])],
  [{ type: 'tensor', root: a, nodes: [], bytes: '0x0102' }, concat([a, '0x0102'])],
  [{ type: 'leaf', bytes: '0x01' }, '0x01'],
  [{ type: 'accumulators', bytes: '0x0203' }, '0x0203'],
  [{ type: 'operands', bytes: '0x' }, '0x'],
  [{ type: 'pick', child: 31, node: a, siblings: [] }, pad('0x1f')],
  [{ type: 'element', place: 255, bytes: '0x' }, pad('0xff')],
  [{ type: 'part', part: 63, bytes: '0x' }, pad('0x3f')],
  [{ type: 'dispute-after' }, '0x'],
]

describe('from', () => {
  test.each(cases)('says of %o what the event does', (move, data) => {
    const told = Told.from(move)!
    expect(Told.decode(told.type, data)).toEqual(told)
  })

  test('says nothing of what ends a dispute', () => {
    expect(Told.from({ type: 'concede' })).toBeUndefined()
    expect(
      Told.from({ type: 'prove-arithmetic', op: '0x', accIn: '0x', operands: '0x' }),
    ).toBeUndefined()
  })
})

describe('decode', () => {
  const malformed: readonly (readonly [Told.Told['type'], Hex.Hex])[] = [
    ['reveal', '0x00'],
    ['enter', concat([a, b])],
    ['tensor', '0x0102'],
    ['pick', '0x01'],
    ['part', pad('0x0100')],
    ['element', '0x'],
  ]
  test.each(malformed)('refuses a %s of %s', (type, data) => {
    expect(() => Told.decode(type, data)).toThrow(Told.ToldError)
  })
})
