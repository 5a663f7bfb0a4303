import { describe, expect, test } from 'vitest'
import type { EndedBy, Made } from '../chain/Chain.ts'
import * as Position from '../protocol/dispute/Position.ts'
import type { Told } from '../protocol/dispute/Told.ts'
import * as Hex from '../protocol/Hex.ts'
import { follow, nothingShown, shown, spanOf, whereOf } from './disputeGame.ts'
import { adoptWords, endWords, moveWords } from './disputeWords.ts'

const steps = 100_000
const first = Position.first({ steps, run: Hex.zero })
const inTrace = { ...first, phase: 'trace', turn: 'challenger', stateCount: 10 } as const
const trace: Position.Position = { ...inTrace, batchCount: 1, opCount: 99, level: 7, index: 0 }
const value = { ...trace, value: 30, byteLength: 1_024, elementBytes: 4, width: 4, level: 2 }
const chain: Position.Position = { ...value, phase: 'chain', low: 0, high: 200, element: 7 }

/** What is said of a move from a position. */
function said(before: Position.Position, told: Told): string {
  return moveWords({ steps }, told, { before, after: follow(before, told, undefined) })
}

describe('moveWords', () => {
  const cases: readonly (readonly [Position.Position, Told, string])[] = [
    [first, { type: 'reveal', nodes: [Hex.zero] }, 'Shows 1 root: of the states along the run.'],
    [first, { type: 'pick', child: 0 }, 'Says that the first wrong step is one of 0 to 4,095.'],
    [
      first,
      { type: 'pick', child: 3 },
      'Agrees with every state up to step 12,288; the first wrong step is one of 12,288 to 16,383.',
    ],
    [
      { ...first, level: 4, index: 2 },
      { type: 'pick', child: 5 },
      'Agrees with the state before step 37, and not with the one after it.',
    ],
    [
      trace,
      { type: 'pick', child: 2 },
      'Agrees with every value before value 18; the first wrong value is one of 18 to 21.',
    ],
    [
      { ...trace, level: 2, index: 4 },
      { type: 'pick', child: 0 },
      'Agrees with every value before value 26; the first wrong value is number 26.',
    ],
    [
      { ...value, phase: 'tensor' },
      { type: 'pick', child: 1 },
      'Agrees with every element before element 64; the first wrong element is one of 64 to 127.',
    ],
    [
      { ...value, phase: 'leaf', index: 1 },
      { type: 'element', place: 5 },
      'Agrees with the elements before element 69, and not with that one.',
    ],
    [
      chain,
      { type: 'part', part: 1 },
      'Agrees up to segment 3 of the chain; the first that differs is one of 3 to 5.',
    ],
    [
      { ...chain, high: 3 },
      { type: 'part', part: 2 },
      'Agrees up to segment 2 of the chain, and not with what that segment gives.',
    ],
  ]
  test.each(cases)('%#', (before, told, words) => {
    expect(said(before, told)).toBe(words)
  })
})

describe('endWords and adoptWords', () => {
  test('are whole sentences', () => {
    const endings: readonly EndedBy[] = [
      'prove-read',
      'prove-arithmetic',
      'prove-slot',
      'concede',
      'timeout',
      'close',
    ]
    for (const by of endings) expect(endWords(by, undefined)).toMatch(/^[A-Z].*\.$/)
    const move = { type: 'prove-read', read: 17 } as Made['move']
    expect(endWords('prove-read', { position: chain, move })).toContain('operand 17')
    expect(adoptWords(12)).toContain('move 12')
  })
})

describe('follow', () => {
  test('goes to the slots of the state when the whole trace is agreed', () => {
    const after = follow(trace, { type: 'dispute-after' }, undefined)
    expect(after).toMatchObject({ phase: 'after', turn: 'claimant', level: 4 })
    const only = follow({ ...trace, stateCount: 1 }, { type: 'dispute-after' }, undefined)
    expect(only).toMatchObject({ phase: 'slot', turn: 'challenger' })
    expect(whereOf(only, { steps }).slots).toEqual({ from: 0, to: 1, of: 1 })
  })

  test('goes on from where a move says that it began', () => {
    const told: Told = { type: 'part', part: 0 }
    const made: Made = { position: chain, move: { type: 'part', part: 0, bytes: '0x' } }
    expect(follow(first, told, made)).toMatchObject({ low: 0, high: 3, element: 7 })
  })
})

describe('spanOf', () => {
  test('ends where the tree does', () => {
    expect(spanOf({ level: 5, index: 3 }, 100)).toEqual({ from: 96, to: 100, of: 100 })
  })
})

describe('whereOf', () => {
  test('knows of the value only what has been said', () => {
    expect(whereOf(first, { steps })).toMatchObject({
      steps: { from: 0, to: steps, of: steps },
      values: null,
      bytes: null,
    })
    expect(whereOf(chain, { steps })).toMatchObject({
      value: 30,
      values: { from: 20, to: 21, of: 100 },
      bytes: { from: 28, to: 32, of: 1_024 },
      segments: { from: 0, to: 200 },
    })
  })
})

describe('shown', () => {
  test('keeps the accumulators around what is left', () => {
    const bytes = `0x${'00000001'}${'00000002'}` as const
    const at = (part: number): Made => ({
      position: { ...chain, low: 0, high: 3 },
      move: { type: 'part', part, bytes },
    })
    const known = { ...nothingShown, accOut: '0x09' } as const
    expect(shown(known, at(0))).toMatchObject({ accIn: null, accOut: '0x00000001' })
    expect(shown(known, at(1))).toMatchObject({ accIn: '0x00000001', accOut: '0x00000002' })
    expect(shown(known, at(2))).toMatchObject({ accIn: '0x00000002', accOut: '0x09' })
  })
})
