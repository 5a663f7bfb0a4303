import { describe, expect, test } from 'vitest'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { input } from '../Tensor.ts'
import { bytesOf, differences, hashOf, isHash, originOf } from './Claim.ts'

const x = input('state', 'x', 'f32', [])
const graph = Graph.from({ state: [[x, Ops.shift(x, 1)]] })
const roots = { startRoot: new Uint8Array(32), dataRoot: new Uint8Array(32), seed: [1, 0] } as const
const origin = originOf(graph, roots)
const other = hashOf(new Uint8Array(32).fill(7))

describe('originOf', () => {
  test('names the graph twice', () => {
    expect(origin.graphCid).toMatch(/^bafy/)
    expect(isHash(origin.graphRoot)).toBe(true)
    const changed = Graph.from({ state: [[x, Ops.shift(x, 2)]] })
    expect(originOf(changed, roots).graphCid).not.toBe(origin.graphCid)
    expect(originOf(changed, roots).graphRoot).not.toBe(origin.graphRoot)
  })
})

describe('differences', () => {
  test('names all that differs, and a start state only where nothing explains it', () => {
    expect(differences(origin, { ...origin })).toEqual([])
    expect(differences(origin, { ...origin, dataRoot: other })).toEqual(['data'])
    expect(differences(origin, { ...origin, startRoot: other })).toEqual(['start state'])
    expect(differences(origin, { ...origin, startRoot: other, seed: [1, 1] })).toEqual(['seed'])
    expect(differences(origin, { ...origin, graphRoot: other, dataRoot: other })).toEqual([
      'graph',
      'data',
    ])
  })
})

describe('bytesOf', () => {
  test('undoes hashOf', () => {
    expect(bytesOf(other)).toEqual(new Uint8Array(32).fill(7))
  })
})

describe('isHash', () => {
  test('takes 64 small digits after 0x, and nothing else', () => {
    expect(isHash(other)).toBe(true)
    for (const text of ['', '0x', other.slice(2), `${other}0`, other.toUpperCase(), 7, null])
      expect(isHash(text)).toBe(false)
  })
})
