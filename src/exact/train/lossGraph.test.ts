import { describe, expect, test } from 'vitest'
import { decoderOf } from '../models/decoderOf.ts'
import { reference } from '../reference.ts'
import { lossGraph } from './lossGraph.ts'
import { build } from './Recipe.ts'
import { startRun } from './startRun.ts'

const { model, graph } = build({
  model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 8 }),
  rows: 2,
  length: 4,
  optimiser: { kind: 'adamw' },
  schedule: { rate: 0.01 },
})
const slots = model.parameters.length

describe('lossGraph', () => {
  test('computes the loss that the training step reports, and leaves the state as it is', async () => {
    await using run = await startRun({ backend: reference }, { graph, ...model, seed: [1, 2] })
    await using measured = await reference.prepare(lossGraph(graph, { slots }))
    const batch = new Uint8Array(Uint32Array.from({ length: 10 }, (_, at) => at * 7).buffer)
    run.step([batch])
    const state = run.state()
    for (let slot = 0; slot < slots; slot++) measured.writeState(slot, state[slot]!)
    const [bytes] = measured.step([batch])
    const loss = new DataView(bytes!.buffer, bytes!.byteOffset).getFloat32(0, true)
    expect(loss).toBe(run.step([batch]).loss)
    for (let slot = 0; slot < slots; slot++) expect(measured.readState(slot)).toEqual(state[slot])
    expect(measured.graph.ops.length).toBeLessThan(graph.ops.length / 2)
  })

  test('refuses a graph without a loss, and a loss of more than the parameters', () => {
    expect(() => lossGraph({ ...graph, results: [] }, { slots })).toThrow('no loss')
    expect(() => lossGraph(graph, { slots: slots - 1 })).toThrow('The loss reads')
  })
})
