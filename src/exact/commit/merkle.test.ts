import { createHash } from 'node:crypto'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Merkle from './merkle.ts'

/** RFC 6962 section 2.1, word by word. */
function defined(leaves: readonly Uint8Array[]): Uint8Array {
  const hash = (...parts: Uint8Array[]) =>
    new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest())
  if (leaves.length === 0) return hash()
  if (leaves.length === 1) return hash(Uint8Array.of(0), leaves[0]!)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return hash(Uint8Array.of(1), defined(leaves.slice(0, k)), defined(leaves.slice(k)))
}

function someBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 131 + (index >>> 8) * 7 + 3) & 255)
}

function leavesOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / 256) }, (_, index) =>
    bytes.slice(index * 256, index * 256 + 256),
  )
}

describe('rootOfLeaves', () => {
  // The test vectors of Certificate Transparency's reference implementation.
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].map(hexToBytes)
  test.each([
    [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
    [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
    [4, 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
    [5, '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
    [6, '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
  ])('gives the known root of %i leaves', (count, root) => {
    expect(bytesToHex(Merkle.rootOfLeaves(leaves.slice(0, count)))).toBe(root)
  })
})

describe('rootOfBytes', () => {
  test.each([0, 1, 255, 256, 257, 5 * 256, 262_143, 262_144, 262_145, 262_144 * 3 + 700])(
    'is the tree of RFC 6962 over %i bytes',
    (length) => {
      const bytes = someBytes(length)
      expect(Merkle.rootOfBytes(bytes)).toEqual(defined(leavesOf(bytes)))
    },
  )
})

describe('startStream', () => {
  test('does not care how the bytes are cut, and may go on after a root', () => {
    const bytes = someBytes(600_000)
    const stream = Merkle.startStream()
    for (const [from, to] of [
      [0, 1],
      [1, 300_001],
      [300_001, 300_001],
      [300_001, 524_288],
    ])
      stream.write(bytes.subarray(from, to))
    expect(stream.root()).toEqual(Merkle.rootOfBytes(bytes.subarray(0, 524_288)))
    stream.write(bytes.subarray(524_288))
    expect(stream.root()).toEqual(Merkle.rootOfBytes(bytes))
    expect(stream.byteLength()).toBe(600_000)
  })
})

describe('startPeaks', () => {
  test('grows to the same root as the whole tree, leaf by leaf', () => {
    const peaks = Merkle.startPeaks()
    const leaves: Uint8Array[] = []
    for (let size = 1; size <= 40; size++) {
      leaves.push(Uint8Array.of(size))
      peaks.push(Merkle.leafHash(leaves.at(-1)!))
      expect(peaks.root()).toEqual(defined(leaves))
    }
  })
})

describe('openLeaf and verifyLeaf', () => {
  const leaves = Array.from({ length: 21 }, (_, index) => Uint8Array.of(index, 9))

  test('prove every leaf of trees of every size, at no other place', () => {
    for (let count = 1; count <= leaves.length; count++) {
      const tree = leaves.slice(0, count)
      const root = Merkle.rootOfLeaves(tree)
      for (let index = 0; index < count; index++) {
        const opening = Merkle.openLeaf(tree, index)
        for (let other = -1; other <= count; other++)
          expect(Merkle.verifyLeaf(root, opening, { index: other, count })).toBe(other === index)
      }
    }
  })

  test('refuse a leaf, a path or a root with one bit changed', () => {
    const root = Merkle.rootOfLeaves(leaves)
    fc.assert(
      fc.property(fc.nat(20), fc.nat(), fc.nat(7), (index, at, bit) => {
        const { leaf, path } = Merkle.openLeaf(leaves, index)
        const parts = [root.slice(), leaf, ...path]
        const part = parts[at % parts.length]!
        part[at % part.length]! ^= 1 << bit
        const opening = { leaf, path }
        expect(Merkle.verifyLeaf(parts[0]!, opening, { index, count: 21 })).toBe(false)
      }),
      { numRuns: 100 },
    )
  })

  test('refuse paths too long, too short, of short hashes, and places that are no numbers', () => {
    const root = Merkle.rootOfLeaves(leaves)
    const { leaf, path } = Merkle.openLeaf(leaves, 5)
    const place = { index: 5, count: 21 }
    for (const wrong of [[], path.slice(1), [...path, path[0]!], path.map((h) => h.slice(1))])
      expect(Merkle.verifyLeaf(root, { leaf, path: wrong }, place)).toBe(false)
    for (const index of [Number.NaN, 5.5, -0.5, 2 ** 60, Infinity])
      expect(Merkle.verifyLeaf(root, { leaf, path }, { index, count: 21 })).toBe(false)
    expect(Merkle.verifyLeaf(root.slice(1), { leaf, path }, place)).toBe(false)
  })

  test('name the leaves there are', () => {
    expect(() => Merkle.openLeaf(leaves, 21)).toThrow('There is no leaf 21: give one of 0 to 20.')
  })
})

describe('openBytes and verifyBytes', () => {
  test.each([1, 256, 700, 256 * 7, 256 * 9 + 12])('prove every leaf of %i bytes', (byteLength) => {
    const bytes = someBytes(byteLength)
    const root = Merkle.rootOfBytes(bytes)
    for (let index = 0; index < Merkle.leavesIn(byteLength); index++) {
      const opening = Merkle.openBytes(bytes, index)
      expect(opening.leaf).toEqual(bytes.slice(index * 256, index * 256 + 256))
      expect(Merkle.verifyBytes(root, opening, { index, byteLength })).toBe(true)
      expect(Merkle.verifyBytes(root, opening, { index: index + 1, byteLength })).toBe(false)
    }
  })

  test('refuse another length', () => {
    const bytes = someBytes(700)
    const root = Merkle.rootOfBytes(bytes)
    const last = Merkle.openBytes(bytes, 2)
    for (const byteLength of [0, 512, 699, 701, 768, 1024])
      expect(Merkle.verifyBytes(root, last, { index: 2, byteLength })).toBe(false)
  })
})

describe('equal', () => {
  test('compares lengths and bytes', () => {
    expect(Merkle.equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(Merkle.equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(Merkle.equal(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
  })
})
