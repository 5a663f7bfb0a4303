import { describe, expect, test } from 'vitest'
import { everyKind } from './compliance/everyKind.ts'
import { cidOf, encode } from './encode.ts'
import type { Graph } from './Graph.ts'
import * as GraphNames from './GraphNames.ts'
import { rootOf } from './judgeable.ts'

const graph = everyKind()
const other: Graph = { ...graph, results: graph.results.slice(1) }
const bytes = encode(graph)

describe('from', () => {
  test('gives the CID and the root', () => {
    expect(GraphNames.from(graph)).toEqual({ cid: cidOf(graph), root: rootOf(graph) })
  })
})

describe('check', () => {
  const names = GraphNames.from(graph)

  test("finds a graph's own names to agree", () => {
    expect(GraphNames.check(bytes, names)).toEqual({ agrees: true, wrong: [], names })
  })

  test('says which name is of another graph', () => {
    const { cid, root } = GraphNames.from(other)
    const wrong = (claim: GraphNames.GraphNames) => GraphNames.check(bytes, claim).wrong
    expect(wrong({ ...names, cid })).toEqual(['cid'])
    expect(wrong({ ...names, root })).toEqual(['root'])
    expect(wrong({ cid, root })).toEqual(['cid', 'root'])
    expect(wrong({ ...names, root: names.root.subarray(1) })).toEqual(['root'])
  })

  test('refuses bytes that are no graph', () => {
    expect(() => GraphNames.check(bytes.subarray(1), names)).toThrow('not dag-cbor')
  })
})
