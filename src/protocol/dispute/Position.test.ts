import { describe, expect, test } from 'vitest'
import { encodeAbiParameters } from 'viem'
import * as Hex from '../Hex.ts'
import * as Json from '../Json.ts'
import * as Position from './Position.ts'

const word = (digit: string): Hex.Hex => `0x${digit.repeat(64)}`
const some: Position.Position = {
  ...Position.first({ steps: 9, run: word('a') }),
  phase: 'segment',
  turn: 'challenger',
  index: 2 ** 40 + 1,
  accOut: word('b'),
  shown: word('c'),
}
const types = {
  phase: 'uint8',
  turn: 'uint8',
  level: 'uint8',
  index: 'uint64',
  node: 'bytes32',
  step: 'uint32',
  before: 'bytes32',
  after: 'bytes32',
  leaves: 'bytes32',
  stateCount: 'uint32',
  batchCount: 'uint32',
  opCount: 'uint32',
  resultCount: 'uint32',
  trace: 'bytes32',
  value: 'uint32',
  op: 'bytes32',
  byteLength: 'uint64',
  elementBytes: 'uint8',
  width: 'uint8',
  element: 'uint64',
  low: 'uint32',
  high: 'uint32',
  accIn: 'bytes32',
  accOut: 'bytes32',
  shown: 'bytes32',
} as const

describe('first', () => {
  test('begins at the run root, or at the only step', () => {
    expect(some).toMatchObject({ level: 4, node: word('a'), step: 0 })
    expect(Position.first({ steps: 2, run: word('a') })).toMatchObject({ phase: 'run', level: 1 })
    expect(Position.first({ steps: 1, run: word('a') })).toMatchObject({ phase: 'step', level: 0 })
  })
})

describe('stride and partsOf', () => {
  test('cut a tree into few rounds, and a chain into whole segments', () => {
    expect([0, 1, 5, 6, 8, 9, 17].map(Position.stride)).toEqual([0, 1, 5, 5, 4, 5, 5])
    expect(Position.partsOf({ low: 3, high: 6, width: 4 })).toEqual([3, 4, 5, 6])
    expect(Position.partsOf({ low: 0, high: 100, width: 64 })).toHaveLength(17)
    expect(Position.partsOf({ low: 0, high: 100, width: 4 }).slice(-2)).toEqual([98, 100])
  })
})

describe('encode and hash', () => {
  test("are what Solidity's abi.encode gives for the fields of the page", () => {
    expect(Position.fields).toEqual(Object.keys(types))
    const theirs = encodeAbiParameters(
      Object.entries(types).map(([name, type]) => ({ name, type })),
      Position.fields.map((field) => {
        const value = Position.numeric(some, field)
        return typeof value === 'number' && types[field] === 'uint64' ? BigInt(value) : value
      }) as never,
    )
    expect(Hex.from(Position.encode(some))).toBe(theirs)
    expect(Position.hash(some)).toBe(Hex.keccak256(Hex.toBytes(theirs)))
  })

  test('every field counts', () => {
    const hashes = Position.fields.map((field) => {
      const value = some[field]
      const other = typeof value === 'number' ? value + 1 : value === word('d') ? '' : word('d')
      if (field === 'phase') return Position.hash({ ...some, phase: 'leaf' })
      if (field === 'turn') return Position.hash({ ...some, turn: 'claimant' })
      return Position.hash({ ...some, [field]: other })
    })
    expect(new Set([...hashes, Position.hash(some)]).size).toBe(Position.fields.length + 1)
  })
})

describe('schema', () => {
  test('takes a position and nothing else', () => {
    const read = (value: unknown) => Json.parse(Position.schema, value, { what: 'Position' })
    expect(read(JSON.parse(JSON.stringify(some)))).toEqual(some)
    for (const bad of [
      { ...some, phase: 'end' },
      { ...some, level: -1 },
      { ...some, node: '0x' },
      { ...some, more: 1 },
    ])
      expect(() => read(bad)).toThrow(Json.MalformedError)
  })
})
