import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Merkle from '../../exact/commit/merkle.ts'
import * as Tree from './tree.ts'

const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 255)
const counts = fc.integer({ min: 1, max: 2500 })

describe('depth and sizeOf', () => {
  test.each([
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
    [1 << 20, 20],
    [(1 << 20) + 1, 21],
    [2 ** 32 - 1, 32],
  ])('%i leaves have their root at level %i', (count, level) => {
    expect(Tree.depth(count)).toBe(level)
    expect(Tree.sizeOf(count, level)).toBe(1)
    expect(Tree.sizeOf(count, 0)).toBe(count)
  })
})

describe('stride', () => {
  test('needs no more rounds than sixteen ways a move, and fewer near the leaves', () => {
    expect([0, 1, 5, 6, 8, 10, 12, 17].map(Tree.stride)).toEqual([0, 1, 5, 5, 4, 5, 4, 5])
    for (let level = 0; level <= 32; level++) {
      let rounds = 0
      for (let at = level; at > 0; at -= Tree.stride(at)) rounds++
      expect(rounds, `${level}`).toBeLessThanOrEqual(Math.ceil(level / 4))
      if (level <= 5) expect(rounds).toBe(Math.min(level, 1))
    }
  })
})

describe('spanUnder, nodesIn, fold, siblingsOf and climb', () => {
  test('lead from the root to every leaf, and each reveal hashes to its node', () => {
    fc.assert(
      fc.property(counts, fc.nat(), (count, some) => {
        const data = bytes(count * 256 - 5)
        const leaves = Tree.leavesOfBytes(data)
        const target = some % count
        let [node] = Tree.nodesIn(leaves, { level: Tree.depth(count), from: 0, to: 1 })
        expect(node).toEqual(Merkle.rootOfBytes(data))
        let at = { level: Tree.depth(count), index: 0 }
        while (at.level > 0) {
          const span = Tree.spanUnder({ ...at, count })
          const nodes = Tree.nodesIn(leaves, span)
          expect(nodes.length).toBeLessThanOrEqual(32)
          expect(Tree.fold(nodes)).toEqual(node)
          const child = Math.floor(target / 2 ** span.level) - span.from
          const siblings = Tree.siblingsOf(nodes, child)
          expect(siblings.length).toBeLessThanOrEqual(5)
          const place = { child, count: nodes.length }
          expect(Tree.climb(nodes[child]!, siblings, place)).toEqual(node)
          expect(Tree.climb(nodes[child]!, [...siblings, node!], place)).toBeUndefined()
          expect(Tree.climb(nodes[child]!, siblings, { ...place, child: nodes.length })).toBe(
            undefined,
          )
          node = nodes[child]
          at = { level: span.level, index: span.from + child }
        }
        expect(at.index).toBe(target)
        expect(node).toEqual(Merkle.leafHash(data.subarray(target * 256, (target + 1) * 256)))
      }),
      { numRuns: 25 },
    )
  })

  test('no nodes fold to the root of no leaves', () => {
    expect(Tree.fold([])).toEqual(Merkle.rootOfLeaves([]))
  })
})

describe('pathTo', () => {
  test('proves what the trees of the exact engine prove', () => {
    fc.assert(
      fc.property(counts, fc.nat(), (count, some) => {
        const roots = bytes(count * 32)
        const index = some % count
        const leaf = roots.slice(index * 32, index * 32 + 32)
        const path = Tree.pathTo(Tree.leavesOfRoots(roots), index)
        const many = Array.from({ length: count }, (_, at) => roots.slice(at * 32, at * 32 + 32))
        expect(path).toEqual(Merkle.openLeaf(many, index).path)
        const root = Merkle.rootOfLeaves(many)
        expect(Merkle.verifyLeaf(root, { leaf, path }, { index, count })).toBe(true)
        expect(Tree.pathTo(Tree.leavesOfMany(many), index)).toEqual(path)
      }),
      { numRuns: 12 },
    )
  })
})
