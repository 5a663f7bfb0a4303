import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import * as Merkle from './commit/merkle.ts'
import { everyKind } from './compliance/everyKind.ts'
import * as Graph from './Graph.ts'
import * as Judgeable from './judgeable.ts'
import * as Program from './Program.ts'
import { input, map } from './Tensor.ts'

const graph = everyKind()
const root = Judgeable.rootOf(graph)
const header = Judgeable.headerOf(graph)
const leaves = Judgeable.leavesOf(graph)

const word = (value: number) => value.toString(16).padStart(64, '0')
const title = (name: string) => bytesToHex(sha256(new TextEncoder().encode(name)))
const zeros = (count: number) => Array.from({ length: count }, () => word(0))

describe('leavesOf', () => {
  const x = input('state', 'x', 'f32', [2, 5])
  const program = Program.write(1, (w, value) => w.fma(value!, w.f32(1), w.f32(2)))
  const small = Graph.from({ state: [[x, map(program, [x])]], results: { x } })

  test('writes slots, ops and results word by word', () => {
    const type = [word(0), word(2), word(2), word(5), ...zeros(4)]
    const tail = [
      ...[1, 2, 1, 3].map(word), // Inputs, constants, instructions, result.
      '3f80000040000000'.padEnd(64, '0'),
      '0000000000010002'.padEnd(64, '0'), // fma of registers 0, 1 and 2.
    ]
    expect(Judgeable.leavesOf(small).map(bytesToHex)).toEqual([
      [word(0), ...type, title('x'), word(1), ...zeros(4), word(0)].join(''),
      [word(4), ...type, ...zeros(6), word(1), word(0), ...type, ...tail].join(''),
      [word(255), ...type, title('x'), word(0), ...zeros(4), word(0)].join(''),
    ])
  })

  test('differs for every op, attribute, input and shape', () => {
    expect(leaves).toHaveLength(4 + graph.ops.length + 2)
    expect(new Set(leaves.map(bytesToHex)).size).toBe(leaves.length)
    const [contract] = graph.ops.filter(({ op }) => op.kind === 'contract')
    const at = graph.ops.indexOf(contract!)
    const changes = [
      { op: { kind: 'contract', transposeA: true, transposeB: true } },
      { op: { kind: 'contract-i8', transposeA: false, transposeB: true } },
      { shape: [4, 3] },
      { dtype: 'u32' },
      { inputs: contract!.inputs.toReversed() },
    ] as const
    const all = changes.map((change) => {
      const ops = graph.ops.with(at, { ...contract!, ...change })
      return bytesToHex(Judgeable.leavesOf({ ...graph, ops })[4 + at]!)
    })
    expect(new Set([...all, bytesToHex(leaves[4 + at]!)]).size).toBe(changes.length + 1)
  })
})

describe('rootOf', () => {
  test('is SHA-256 of the version, the counts and the Merkle root', () => {
    const counts = [1, 2, 2, graph.ops.length, 2].map(word).join('')
    const message = Buffer.from(counts + bytesToHex(Merkle.rootOfLeaves(leaves)), 'hex')
    expect(root).toEqual(sha256(message))
    expect(Judgeable.rootFrom(header)).toEqual(root)
  })

  test('does not change when nothing does', () => {
    expect(bytesToHex(root)).toBe(
      'a175c21e7bf4cdf23e9c64b2bc7ee96a411f9b2ba4da953dc5d562f07c3f171d',
    )
  })
})

describe('open and verify', () => {
  test('prove every leaf, at no other place', () => {
    leaves.forEach((leaf, index) => {
      const opening = Judgeable.open(graph, index)
      expect(opening.leaf).toEqual(leaf)
      expect(Judgeable.verify(root, opening, { header, index })).toBe(true)
      expect(Judgeable.verify(root, opening, { header, index: index + 1 })).toBe(false)
    })
  })

  test('refuse another header or leaf', () => {
    const opening = Judgeable.open(graph, 5)
    const verify = (change: object) =>
      Judgeable.verify(root, opening, { header: { ...header, ...change }, index: 5 })
    for (const change of [{ ops: 9 }, { state: 3, batch: 1 }, { results: -1 }, { version: 0.5 }])
      expect(verify(change)).toBe(false)
    expect(verify({ leavesRoot: root })).toBe(false)
    const leaf = opening.leaf.with(31, 9)
    expect(Judgeable.verify(root, { ...opening, leaf }, { header, index: 5 })).toBe(false)
  })

  test('name the leaves there are', () => {
    expect(() => Judgeable.open(graph, leaves.length)).toThrow('There is no leaf')
  })
})
