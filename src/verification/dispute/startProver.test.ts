import { describe, expect, test } from 'vitest'
import { countingBackend } from '../../../test/exactDisputes.ts'
import { decoderTraining, generation, type TinyRun } from '../../../test/exactRuns.ts'
import * as Merkle from '../../exact/commit/merkle.ts'
import * as RunRoot from '../../exact/commit/RunRoot.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import { input } from '../../exact/Tensor.ts'
import * as Graph from '../../exact/Graph.ts'
import { headerOf } from '../../exact/judgeable.ts'
import { reference } from '../../exact/reference.ts'
import { startWasm } from '../../exact/wasm/startWasm.ts'
import { recordRun } from './recordRun.ts'
import { ProverError, startProver } from './startProver.ts'
import { depth, nodesIn } from './tree.ts'

const optionsOf = ({ graph, start, data, seed, worker, steps }: TinyRun) => ({
  graph,
  start,
  data,
  seed,
  worker,
  steps,
})

describe('recordRun', () => {
  test('keeps a state root for each step, and states now and then', async () => {
    const options = optionsOf(await decoderTraining({ steps: 7 }))
    const { stateRoots, checkpoints, end } = await recordRun(
      { backend: reference },
      { ...options, checkpointEvery: 3 },
    )
    expect(stateRoots).toHaveLength(7 * 32)
    expect(checkpoints.map(({ step }) => step)).toEqual([3, 6])
    const root = (state: readonly Uint8Array[]) => StateRoot.from(options.graph.state, state)
    expect(root(end)).toEqual(stateRoots.slice(6 * 32))
    expect(root(await checkpoints[0]!.load())).toEqual(stateRoots.slice(2 * 32, 3 * 32))
  })

  test('puts states where it is told to', async () => {
    const kept: number[] = []
    const keep = (step: number, state: readonly Uint8Array[]) => {
      kept.push(step)
      return Promise.resolve(() => Promise.resolve(state))
    }
    const options = optionsOf(await generation({ steps: 4 }))
    await recordRun({ backend: reference }, { ...options, checkpointEvery: 1, keep })
    expect(kept).toEqual([1, 2, 3])
  })
})

describe('startProver', () => {
  test('finds the same on another back end, in small windows, from a checkpoint or from the start', async () => {
    const run = await decoderTraining({ steps: 3, profile: 'i8' })
    const options = optionsOf(run)
    await using wasm = await startWasm({ threads: 1 })
    const { stateRoots, checkpoints } = await recordRun({ backend: wasm }, options)
    const first = await startProver({ backend: reference }, { ...options, stateRoots })
    const second = await startProver(
      { backend: wasm },
      { ...options, stateRoots, checkpoints, windowBytes: 40_000 },
    )
    await using _ = first
    await using __ = second
    for (const index of [0, 2]) {
      const [a, b] = [await first.step(index), await second.step(index)]
      expect(a.traceRoots).toEqual(b.traceRoots)
      expect(a.after.roots).toEqual(b.after.roots)
      const last = run.graph.state.length + run.graph.batch.length + run.graph.ops.length - 1
      const numbers = [3, last, run.graph.state.length, last - 40]
      expect(await a.values(numbers)).toEqual(await b.values(numbers))
      const [top] = nodesIn(b.after, { level: depth(b.after.count), from: 0, to: 1 })
      expect(top).toEqual(first.stateRoot(index + 1))
    }
    expect(first.header).toEqual(headerOf(run.graph))
  })

  test('the trace holds the batch and every op, and the state follows from it', async () => {
    const run = await generation({ steps: 3 })
    const options = optionsOf(run)
    const { stateRoots } = await recordRun({ backend: reference }, options)
    await using prover = await startProver({ backend: reference }, { ...options, stateRoots })
    const step = await prover.step(2)
    expect(step.trace.count).toBe(run.graph.ops.length)
    const slots = run.graph.state.length
    run.graph.next.forEach((value, slot) => {
      const root = value < slots ? step.before.roots[value] : step.traceRoots[value - slots]
      expect(step.after.roots[slot]).toEqual(root)
    })
    const [value] = await step.values([slots + 5])
    expect(Merkle.rootOfBytes(value!)).toEqual(step.traceRoots[5])
    const roots = [1, 2, 3].map((at) => prover.stateRoot(at))
    expect(nodesIn(prover.run, { level: 2, from: 0, to: 1 })[0]).toEqual(RunRoot.from(roots))
  })

  test('runs from the nearest checkpoint, and only once for all questions about a step', async () => {
    const run = await generation({ steps: 9 })
    const options = optionsOf(run)
    const recorded = await recordRun({ backend: reference }, { ...options, checkpointEvery: 4 })
    const backend = countingBackend(reference)
    await using prover = await startProver({ backend }, { ...options, ...recorded })
    await prover.step(6)
    // From step 4: two to reach the step, the step itself, and the step with all its values.
    expect(backend.steps()).toBe(4)
    await prover.step(6)
    expect(backend.steps()).toBe(4)
    const step = await prover.step(2)
    expect(backend.steps()).toBe(8)
    await step.values([30, 31])
    await step.values([31])
    expect(backend.steps()).toBe(9)
    expect(backend.most()).toBeLessThanOrEqual(2)
  })

  test('refuses a log of another length, and graphs that nobody can claim', async () => {
    const options = optionsOf(await generation({ steps: 2 }))
    const start = (changes: Partial<startProver.Options>) =>
      startProver(
        { backend: reference },
        { ...options, stateRoots: new Uint8Array(64), ...changes },
      )
    await expect(start({ steps: 3 })).rejects.toThrow('3 steps leave 3 state roots')
    const x = input('state', 'x', 'f32', [2])
    const y = input('batch', 'y', 'f32', [2])
    const graph = Graph.from({ state: [[x, y]], batch: [y] })
    await expect(start({ graph })).rejects.toThrow(ProverError)
    const training = await decoderTraining({ steps: 2 })
    await expect(start({ graph: training.graph })).rejects.toThrow('give the data set')
  })
})
