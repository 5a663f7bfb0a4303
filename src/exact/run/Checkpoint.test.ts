import { describe, expect, test } from 'vitest'
import { bytesOfFloats } from '../../../test/exactDecoders.ts'
import * as StateRoot from '../commit/StateRoot.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { input } from '../Tensor.ts'
import { bytesOf } from '../train/startRun.ts'
import * as Safetensors from '../weights/Safetensors.ts'
import * as Checkpoint from './Checkpoint.ts'
import { hashOf, originOf } from './Claim.ts'

const step = input('state', 'step', 'u32', [])
const x = input('state', 'x', 'f32', [2, 2])
const graph = Graph.from({
  state: [
    [step, Ops.addWords(step, Ops.word(1))],
    [x, Ops.shift(x, 1)],
  ],
})
const roots = { startRoot: new Uint8Array(32), dataRoot: new Uint8Array(32), seed: [1, 9] } as const
const origin = originOf(graph, roots)
const state = [bytesOf(Uint32Array.of(4)), bytesOfFloats([1, 2, 3, 4])]
const stateRoot = hashOf(StateRoot.from(graph.state, state))
const checkpoint: Checkpoint.Checkpoint = { origin, steps: 4, stateRoot, state }
const file = Checkpoint.write(checkpoint, { graph, about: { model: '{}' } })

describe('read', () => {
  test('gives what was written', () => {
    const found = Checkpoint.read(file, { graph, origin })
    expect(found).toEqual(checkpoint)
    expect(Safetensors.read(file).metadata['model']).toBe('{}')
  })

  test.each([
    ['data', { ...origin, dataRoot: stateRoot }, 'its data differs'],
    ['seed', { ...origin, seed: [1, 8] as const }, 'its seed differs'],
    ['graph and data', { ...origin, graphCid: 'x', dataRoot: stateRoot }, 'its graph and its data'],
  ])('refuses one of another %s, and says so', (_, expected, message) => {
    expect(() => Checkpoint.read(file, { graph, origin: expected })).toThrow(message)
  })

  test('refuses every change of the tensors', () => {
    for (let at = 1; at <= 20; at++) {
      const bad = file.slice()
      bad[bad.length - at]! ^= 1
      expect(() => Checkpoint.read(bad, { graph, origin })).toThrow('damaged')
    }
  })

  test('refuses tensors that are missing or of another shape', () => {
    const { metadata, tensors } = Safetensors.read(file)
    const attempt = (changed: readonly Safetensors.Tensor[]) => () =>
      Checkpoint.read(Safetensors.write({ metadata, tensors: changed }), { graph, origin })
    expect(attempt(tensors.filter(({ name }) => name !== 'x'))).toThrow('lacks x')
    expect(
      attempt(tensors.map((each) => (each.name === 'x' ? { ...each, shape: [4] } : each))),
    ).toThrow('x has another type or shape')
  })

  test('refuses files that are no checkpoint', () => {
    const tensors: readonly Safetensors.Tensor[] = []
    const other = Safetensors.write({ metadata: { format: 'pt' }, tensors })
    expect(() => Checkpoint.read(other, { graph, origin })).toThrow('no checkpoint')
    expect(() => Checkpoint.read(file.subarray(0, 99), { graph, origin })).toThrow('safetensors')
  })
})

describe('headOf', () => {
  test('refuses numbers that are none', () => {
    const { metadata } = Safetensors.read(file)
    expect(Checkpoint.headOf(metadata).steps).toBe(4)
    for (const changed of [{ steps: '-1' }, { steps: 'x' }, { seed: '1' }, { seed: '1 2 3' }])
      expect(() => Checkpoint.headOf({ ...metadata, ...changed })).toThrow('no checkpoint')
  })
})
