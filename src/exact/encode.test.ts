import * as DagCbor from '@ipld/dag-cbor'
import { bytesToHex } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { MalformedGraphError } from './checkGraph.ts'
import { everyKind } from './compliance/everyKind.ts'
import { cidOf, decode, encode } from './encode.ts'
import * as Graph from './Graph.ts'
import { input } from './Tensor.ts'

const graph = everyKind()
const bytes = encode(graph)

describe('encode', () => {
  test('writes dag-cbor, byte for byte', () => {
    const x = input('batch', 'x', 'f32', [2])
    expect(bytesToHex(encode(Graph.from({ state: [], batch: [x], results: { x } })))).toBe(
      [
        'a6', // Fields by length of name, then by letter.
        '636f707380', // ops: []
        '646e65787480', // next: []
        '65626174636881a3646e616d65617865647479706563663332657368617065' + '8102', // batch
        '65737461746580', // state: []
        '67726573756c747381a2646e616d6561786576616c756500', // results
        '6776657273696f6e01', // version: 1
      ].join(''),
    )
  })

  test('leaves out what hangs on a graph by chance', () => {
    const ops = graph.ops.map((node) => ({ ...node, op: { ...node.op, note: 1 }, extra: true }))
    expect(encode({ ...graph, ops, comment: 'mine' } as Graph.Graph)).toEqual(bytes)
  })
})

describe('decode', () => {
  test('gives back the graph, with an op of every kind', () => {
    expect(new Set(graph.ops.map(({ op }) => op.kind)).size).toBe(13)
    expect(decode(bytes)).toEqual(graph)
  })

  test.each(wrongs())('refuses %s', (_what, change, message) => {
    const wrong = structuredClone(graph) as unknown as Loose
    change(wrong)
    const attempt = () => decode(DagCbor.encode(wrong))
    expect(attempt).toThrow(MalformedGraphError)
    expect(attempt).toThrow(message)
  })

  test('refuses bytes that are not dag-cbor, cut short, nested or not canonical', () => {
    for (const wrong of [
      new Uint8Array(0),
      bytes.subarray(0, -1),
      Uint8Array.of(...bytes, 0),
      new Uint8Array(100_000).fill(0x81),
    ])
      expect(() => decode(wrong)).toThrow(MalformedGraphError)
    const extra = DagCbor.encode({ ...(DagCbor.decode(bytes) as object), note: 1 })
    expect(() => decode(extra)).toThrow('The bytes are not canonical')
  })
})

describe('cidOf', () => {
  test('is the CID that multiformats gives to the bytes', async () => {
    const cid = CID.createV1(DagCbor.code, await sha256.digest(bytes))
    expect(cidOf(graph)).toBe(cid.toString())
    expect(cidOf(graph)).toMatch(/^bafyrei/)
  })
})

type Loose = {
  version: number
  state: { name: string; dtype: string; shape: number[] }[]
  ops: { op: Record<string, unknown>; inputs: number[]; dtype: string; shape: number[] }[]
  next: number[]
  results: { name: string; value: number }[]
}

function wrongs(): [string, (graph: Loose) => void, RegExp | string][] {
  const at = (kind: string) => graph.ops.findIndex(({ op }) => op.kind === kind)
  const op = (loose: Loose, kind: string) => loose.ops[at(kind)]!
  const code = (loose: Loose) => (op(loose, 'map').op['program'] as { code: unknown[][] }).code
  return [
    ['another version', (g) => (g.version = 2), 'version'],
    [
      'a shape that does not follow',
      (g) => (op(g, 'contract').shape = [4, 3]),
      /Op 1 \(contract\) says f32 \[4, 3\], but its inputs give f32 \[3, 4\]/,
    ],
    [
      'a type that does not follow',
      (g) => (op(g, 'gather').dtype = 'u32'),
      /Op 0 \(gather\) says u32/,
    ],
    [
      'an op that reads itself',
      (g) => (op(g, 'gather').inputs = [4, 2]),
      /Op 0 \(gather\) has a number/,
    ],
    [
      'inputs that do not fit',
      (g) => (op(g, 'contract').inputs = [0, 1]),
      'Op 1 (contract) does not fit its inputs: contract reads f32, f32.',
    ],
    ['too few inputs', (g) => (op(g, 'place').inputs = [0, 1]), 'reads 3 values, not 2'],
    [
      'an unknown kind',
      (g) => (op(g, 'reshape').op = { kind: 'convolve' }),
      '(convolve) is of no known kind',
    ],
    [
      'a kind every object has',
      (g) => (op(g, 'reshape').op = { kind: 'toString' }),
      'no known kind',
    ],
    [
      'an unknown instruction',
      (g) => (code(g)[0]![0] = 'toString'),
      'has an instruction that is none of',
    ],
    ['a register not yet written', (g) => (code(g)[0]![1] = 500), 'before it is written'],
    ['an axis that is not there', (g) => (op(g, 'reduce').op['axis'] = 5), 'has no axis 5'],
    ['a concat past all axes', (g) => (op(g, 'concat').op['axis'] = 3), 'alike but along axis 3'],
    [
      'a negative start',
      (g) => (op(g, 'slice').op['starts'] = [-1, 0]),
      'has a number that is not',
    ],
    ['a fraction', (g) => (op(g, 'philox').op['stream'] = 0.5), 'has a number that is not'],
    [
      'a permutation with a hole',
      (g) => (op(g, 'transpose').op['permutation'] = [0, 2]),
      'cannot use the order',
    ],
    [
      'a transpose that is no yes or no',
      (g) => (op(g, 'contract').op['transposeA'] = 1),
      'true or false',
    ],
    ['an empty tensor', (g) => (g.state[0]!.shape = [0]), 'give 1 to 2^31 - 1 elements'],
    [
      'a tensor too large',
      (g) => (g.state[0]!.shape = [65536, 65536]),
      'give 1 to 2^31 - 1 elements',
    ],
    ['too many axes', (g) => (g.state[0]!.shape = [1, 1, 1, 1, 1, 1, 1]), 'at most 6 entries'],
    ['an unknown type', (g) => (g.state[0]!.dtype = 'f64'), 'none of f32, u32, i8'],
    ['a slot without a name', (g) => (g.state[0]!.name = ''), 'needs a name'],
    ['two slots of one name', (g) => (g.state[0]!.name = 'seed'), 'two slots of one name'],
    ['two results of one name', (g) => (g.results[0]!.name = 'step'), 'two results of one name'],
    ['a result that is no value', (g) => (g.results[0]!.value = 10_000), 'Result 0 has a number'],
    ['a missing next value', (g) => g.next.pop(), 'needs 2 next values, not 1'],
    [
      'a next value of another shape',
      (g) => (g.next[0] = 1),
      'State weights is f32 [4, 6], its next value u32 []',
    ],
  ]
}
