import { describe, expect, test } from 'vitest'
import * as Hex from '../Hex.ts'
import * as Json from '../Json.ts'
import * as Move from './Move.ts'

const node = Hex.sha256('node')
const bytes = (length: number): Hex.Hex => `0x${'ab'.repeat(length)}`
const opening: Move.Opening = {
  source: 'state',
  name: node,
  root: node,
  path: [node],
  leaf: bytes(256),
  leafPath: [],
}
const moves: readonly Move.Move[] = [
  { type: 'reveal', nodes: Array.from({ length: 32 }, () => node) },
  { type: 'pick', child: 31, node, siblings: [node] },
  { type: 'pick', child: 0, node, siblings: [], op: { leaf: bytes(512), path: [node] } },
  { type: 'dispute-after' },
  { type: 'tensor', root: node, nodes: [], bytes: bytes(4) },
  { type: 'accumulators', bytes: bytes(960) },
  { type: 'operands', bytes: bytes(1024) },
  { type: 'prove-read', read: 3, op: bytes(512), operands: bytes(8), opening },
  {
    type: 'prove-slot',
    slot: { leaf: bytes(32), path: [] },
    next: { name: node, root: node, path: [] },
  },
  { type: 'concede' },
]

describe('serialize and deserialize', () => {
  test.each(moves.map((move) => [move.type, move] as const))(
    'a %s comes back as it was',
    (_, move) => {
      expect(Move.deserialize(Move.serialize(move))).toEqual(move)
    },
  )

  test.each([
    ['too many nodes', { type: 'reveal', nodes: Array.from({ length: 33 }, () => node) }],
    ['half a byte', { type: 'leaf', bytes: '0xabc' }],
    ['capitals', { type: 'leaf', bytes: '0xAB' }],
    ['a leaf that is too long', { type: 'leaf', bytes: bytes(257) }],
    ['too many accumulators', { type: 'accumulators', bytes: bytes(1025) }],
    [
      'a graph leaf without end',
      { type: 'prove-arithmetic', op: bytes(40_000), accIn: '0x', operands: '0x' },
    ],
    ['a child that is none', { type: 'pick', child: 32, node, siblings: [] }],
    ['more than it needs', { type: 'concede', why: 'so' }],
    ['no known type', { type: 'win' }],
    [
      'an opening of nowhere',
      {
        type: 'prove-read',
        read: 0,
        op: '0x',
        operands: '0x',
        opening: { ...opening, source: 'x' },
      },
    ],
  ])('refuses %s', (_, move) => {
    expect(() => Move.deserialize(Json.toBytes(move))).toThrow(Json.MalformedError)
  })
})
