import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { modelOf, tokensOf, trainingGraphOf } from '../bench/exact/models.ts'
import * as Onnx from '../bench/exact/Onnx.ts'
import { onnxOfGraph } from '../bench/exact/onnxOfGraph.ts'
import { takeTurns } from '../bench/exact/takeTurns.ts'
import { judge } from '../bench/exact/targets.ts'
import * as Graph from '../src/exact/Graph.ts'
import * as Ops from '../src/exact/ops.ts'
import { reference } from '../src/exact/reference.ts'
import { contract, input, type Tensor } from '../src/exact/Tensor.ts'
import { startWasm } from '../src/exact/wasm/startWasm.ts'

describe('serialize', () => {
  test('writes a model as onnx.proto3 has it', () => {
    const value = (name: string): Onnx.Value => ({ name, dtype: 'float', shape: [300] })
    const bytes = Onnx.serialize({
      nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'], attributes: { n: -1 } }],
      constants: [],
      inputs: [value('x')],
      outputs: [value('y')],
    })
    const title = (name: string) => [0x0a, 1, letter(name)]
    // A tensor of float, [300].
    const type = [0x12, 11, 0x0a, 9, 0x08, 1, 0x12, 5, 0x0a, 3, 0x08, 0xac, 0x02]
    const minusOne = [0x18, ...Array.from({ length: 9 }, () => 0xff), 0x01]
    const attribute = [title('n'), minusOne, 0xa0, 0x01, 2].flat()
    const name = [0x22, 3, ...Buffer.from('Neg'), 0x2a, attribute.length]
    const node = [title('x'), 0x12, 1, letter('y'), name, attribute].flat()
    const graph = [
      [0x0a, node.length, node, 0x12, 5, ...Buffer.from('graph')],
      [0x5a, 16, title('x'), type, 0x62, 16, title('y'), type],
    ].flat(2)
    expect([...bytes]).toEqual([0x08, 9, 0x3a, graph.length, ...graph, 0x42, 2, 0x10, 20])
  })
})

describe('onnxOfGraph', () => {
  const operators = async (build: (x: Tensor, y: Tensor) => Tensor) => {
    const [x, y] = [input('batch', 'x', 'f32', [4, 6]), input('batch', 'y', 'f32', [4, 6])]
    const graph = Graph.from({ state: [], batch: [x, y], results: { z: build(x, y) } })
    const { nodes } = await onnxOfGraph(graph, reference)
    return nodes.map(({ op }) => op).join(' ')
  }

  test('finds the functions that ONNX has in programs', async () => {
    expect(await operators(Ops.silu)).toBe('Sigmoid Mul Identity')
    expect(await operators((x) => Ops.log(Ops.exp(x)))).toBe('Exp Log Identity')
    expect(await operators(Ops.sigmoid)).toBe('Sigmoid Identity')
    expect(await operators((x, y) => Ops.add(Ops.neg(x), y))).toBe('Neg Add Identity')
  })

  test('takes products with their transposes, and a masked softmax, as one operator', async () => {
    const product = (x: Tensor, y: Tensor) => contract(x, y, { transposeB: true })
    expect(await operators(product)).toBe('Gemm Identity')
    const softmax = (x: Tensor, y: Tensor) => Ops.softmaxMasked(x, y)
    expect(await operators(softmax)).toBe('Equal Where Softmax Identity')
  })

  test('computes ahead what reads no slot, and writes equal nodes once', async () => {
    const rows = (x: Tensor) => Ops.mul(Ops.add(x, Ops.exp(Ops.constant(2, [4, 6]))), x)
    expect(await operators(rows)).toBe('Add Mul Identity')
    expect(await operators((x) => Ops.mul(Ops.exp(x), Ops.exp(x)))).toBe('Exp Mul Identity')
  })

  test('writes a whole training step', async () => {
    await using backend = await startWasm()
    const graph = trainingGraphOf('1m', modelOf('1m'))
    const { nodes, inputs, outputs } = await onnxOfGraph(graph, backend)
    const known = new Set(inputs.map(({ name }) => name))
    const made = new Set(nodes.flatMap((node) => node.outputs))
    const count = (op: string) => nodes.filter((node) => node.op === op).length
    // All state but the two rotary tables changes; results are loss, norm and rate.
    expect(outputs.length).toBe(graph.state.length - 2 + 3)
    expect(outputs.every(({ name }) => made.has(name))).toBe(true)
    expect(known.has('b0')).toBe(true)
    // 29 products with weights and 8 in attention, each with two gradients, but for the tokens.
    expect(count('Gemm') + count('MatMul')).toBe(3 * (29 + 8))
    expect(count('Softmax')).toBe(4)
    expect(count('ScatterND')).toBe(1)
    expect(tokensOf('1m')).toBe(1024)
  })
})

describe('takeTurns', () => {
  test('goes forwards and backwards, and gives seconds of one repetition', async () => {
    const calls: string[] = []
    const engine = (name: 'exact' | 'jax-js', threads: number) => ({
      name,
      threads,
      can: () => true,
      measure: (_: unknown, repetitions: number) => {
        calls.push(name[0]!)
        return Promise.resolve({ cpuMs: 2000 * repetitions, wallMs: 1000 * repetitions })
      },
    })
    const task = { task: 'product', kind: 'f32', m: 100, k: 100, n: 100 } as const
    const engines = [engine('exact', 1), engine('jax-js', 2)]
    const samples = await takeTurns(engines, task, { rounds: 2, warmups: 1 })
    expect(calls.join('')).toBe('jeejje')
    expect([...samples.values()]).toEqual([
      [2, 2],
      [1, 1],
    ])
  })
})

describe('judge', () => {
  test('says of each target that was measured whether it is met', () => {
    const lines = judge({ matmul1024RatioDefault: 0.31, commitShare: 0.2, anything: 1 })
    expect(lines).toEqual([
      'met     matmul1024RatioDefault 0.310, at least 0.3',
      'MISSED  commitShare 0.200, at most 0.08',
    ])
  })
})

describe('npm run bench -- exact', () => {
  test('names its parts where it does not know one', () => {
    const options = ['bench/main.ts', 'exact', '--only', 'nothing']
    const { status, stderr } = spawnSync(process.execPath, options, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('products, steps, largeSteps, shares, decoding')
  })
})

function letter(name: string): number {
  return name.codePointAt(0)!
}
