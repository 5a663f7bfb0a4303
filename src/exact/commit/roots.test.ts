import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { NamedValue } from '../Graph.ts'
import * as DataRoot from './DataRoot.ts'
import * as Merkle from './merkle.ts'
import * as RunRoot from './RunRoot.ts'
import * as StateRoot from './StateRoot.ts'
import { words } from './words.ts'

const slots: readonly NamedValue[] = [
  { name: 'weights', dtype: 'f32', shape: [3, 50] },
  { name: 'codes', dtype: 'i8', shape: [70] },
  { name: 'step', dtype: 'u32', shape: [] },
]
const tensors = [600, 70, 4].map((length, seed) =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >>> 8) + seed) & 255),
)
const root = StateRoot.from(slots, tensors)

describe('StateRoot.leafOf', () => {
  test('is ten words: name, type, axes, six sizes, root', () => {
    const leaf = StateRoot.leafOf(slots[0]!, new Uint8Array(32).fill(0xab))
    const zero = '0'.repeat(64)
    const number = (value: number) => value.toString(16).padStart(64, '0')
    expect(bytesToHex(leaf)).toBe(
      bytesToHex(sha256(new TextEncoder().encode('weights'))) +
        [zero, number(2), number(3), number(50), zero, zero, zero, zero, 'ab'.repeat(32)].join(''),
    )
  })
})

describe('StateRoot.from', () => {
  test('gives the root that a program of its own in Python gave', () => {
    expect(bytesToHex(root)).toBe(
      '32d2221a48d0eb2e59c2c8bdb92337cb532cb075c7a43bb95ee2a462e097660b',
    )
  })

  test('depends on every byte, name, type, shape and the order', () => {
    const bytes = tensors[0]!.with(599, 0)
    const roots = [
      root,
      StateRoot.from(slots, [bytes, ...tensors.slice(1)]),
      StateRoot.from(slots.toReversed(), tensors.toReversed()),
      ...[{ name: 'weight' }, { dtype: 'u32' as const }, { shape: [50, 3] }, { shape: [150] }].map(
        (change) => StateRoot.from([{ ...slots[0]!, ...change }, ...slots.slice(1)], tensors),
      ),
    ].map(bytesToHex)
    expect(new Set(roots).size).toBe(roots.length)
  })

  test('needs a tensor for each slot', () => {
    expect(() => StateRoot.from(slots, tensors.slice(1))).toThrow('The state has 3 tensors, not 2.')
  })
})

describe('StateRoot.open and verify', () => {
  test('prove every leaf of every tensor, as nothing else', () => {
    for (const [tensor, bytes] of tensors.entries())
      for (let leaf = 0; leaf * 256 < bytes.length; leaf++) {
        const opening = StateRoot.open(slots, tensors, { tensor, leaf })
        for (let other = 0; other < 4; other++)
          for (let at = 0; at < 4; at++)
            expect(StateRoot.verify(root, opening, { slots, tensor: other, leaf: at })).toBe(
              other === tensor && at === leaf,
            )
      }
  })

  test('refuse changed bytes, roots and paths', () => {
    const at = { tensor: 0, leaf: 1 }
    const good = StateRoot.open(slots, tensors, at)
    const leaf = good.bytes.leaf.with(0, good.bytes.leaf[0]! ^ 1)
    for (const bad of [
      { ...good, bytes: { ...good.bytes, leaf } },
      { ...good, bytes: { ...good.bytes, path: [] } },
      { ...good, tensorRoot: good.tensorRoot.toReversed() },
      { ...good, tensorRoot: good.tensorRoot.slice(1) },
      { ...good, tensorPath: good.tensorPath.slice(1) },
    ])
      expect(StateRoot.verify(root, bad, { slots, ...at })).toBe(false)
    const renamed = [{ ...slots[0]!, name: 'other' }, ...slots.slice(1)]
    expect(StateRoot.verify(root, good, { slots: renamed, ...at })).toBe(false)
  })
})

describe('RunRoot', () => {
  const stateRoots = Array.from({ length: 13 }, (_, step) => sha256(Uint8Array.of(step)))

  test('is the same step by step and at once', () => {
    const run = RunRoot.start()
    for (const [step, stateRoot] of stateRoots.entries()) {
      run.push(stateRoot)
      expect(run.steps()).toBe(step + 1)
      expect(run.root()).toEqual(RunRoot.from(stateRoots.slice(0, step + 1)))
    }
  })

  test('opens every step, as no other', () => {
    const runRoot = RunRoot.from(stateRoots)
    stateRoots.forEach((stateRoot, step) => {
      const opening = RunRoot.open(stateRoots, step)
      expect(opening.leaf).toEqual(stateRoot)
      expect(RunRoot.verify(runRoot, opening, { step, steps: 13 })).toBe(true)
      expect(RunRoot.verify(runRoot, opening, { step: (step + 1) % 13, steps: 13 })).toBe(false)
      const longer = { ...opening, leaf: Uint8Array.of(...opening.leaf, 0) }
      expect(RunRoot.verify(runRoot, longer, { step, steps: 13 })).toBe(false)
    })
  })
})

describe('DataRoot', () => {
  const data = Uint8Array.from({ length: 3000 }, (_, index) => (index * 3 + (index >>> 8)) & 255)
  const commitment = DataRoot.from(data)

  test('covers the length and the bytes, however they come', async () => {
    const pieces = [data.subarray(0, 7), data.subarray(7, 2000), data.subarray(2000)]
    expect(await DataRoot.fromPieces(pieces)).toEqual(commitment)
    expect(commitment.root).toEqual(sha256(words(3000, Merkle.rootOfBytes(data))))
    expect(DataRoot.from(new Uint8Array(0)).byteLength).toBe(0)
  })

  test('proves every leaf, and no other length', () => {
    for (let index = 0; index < 12; index++) {
      const opening = Merkle.openBytes(data, index)
      const verify = (change: object) =>
        DataRoot.verify(commitment.root, opening, { ...commitment, index, ...change })
      expect(verify({})).toBe(true)
      for (const change of [
        { index: index + 1 },
        { byteLength: 2999 },
        { byteLength: -1 },
        { bytesRoot: commitment.root },
        { bytesRoot: new Uint8Array(31) },
      ])
        expect(verify(change)).toBe(false)
    }
  })
})

describe('StateRoot.startFromRoots', () => {
  test('gives the root of what changes from call to call', () => {
    const rootOf = StateRoot.startFromRoots(slots)
    const roots = tensors.map(Merkle.rootOfBytes)
    expect(rootOf(roots)).toEqual(root)
    for (const index of roots.keys()) {
      roots[index] = new Uint8Array(32).fill(index + 1)
      expect(rootOf(roots)).toEqual(StateRoot.fromRoots(slots, roots))
      expect(rootOf(roots)).toEqual(StateRoot.fromRoots(slots, roots))
    }
    expect(() => rootOf([])).toThrow('tensors, not 0')
  })

  test('sees a root that was changed in place', () => {
    const rootOf = StateRoot.startFromRoots(slots)
    const roots = tensors.map(Merkle.rootOfBytes)
    rootOf(roots)
    roots[0]![31]! ^= 1
    expect(rootOf(roots)).toEqual(StateRoot.fromRoots(slots, roots))
  })
})
