import { describe, expect, test } from 'vitest'
import { bytesOfFloats, floats } from '../../../test/exactDecoders.ts'
import { generation } from '../../../test/exactRuns.ts'
import * as Merkle from '../commit/merkle.ts'
import * as StateRoot from '../commit/StateRoot.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { reference } from '../reference.ts'
import { input } from '../Tensor.ts'
import { replay } from './replay.ts'
import { startStateRoots } from './startStateRoots.ts'

const x = input('state', 'x', 'f32', [3])
const rate = input('state', 'rate', 'f32', [])
const push = input('batch', 'push', 'f32', [])
const graph = Graph.from({
  state: [
    [x, Ops.fma(rate, push, x)],
    [rate, rate],
  ],
  batch: [push],
  results: { sum: Ops.sumAll(x) },
})
const start = [bytesOfFloats([1, 2, 3]), bytesOfFloats([0.5])]
const batchOf = (step: number) => [bytesOfFloats([step + 1])]

describe('replay', () => {
  test('gives the state root of every step, and what the step reports', async () => {
    const roots: Uint8Array[] = []
    const sums: number[] = []
    for await (const step of replay({ backend: reference }, { graph, start, steps: 3, batchOf })) {
      const state = graph.state.map((_, index) => step.readState(index))
      expect(step.root).toEqual(StateRoot.from(graph.state, state))
      roots.push(step.root)
      sums.push(floats(step.results[0]!)[0]!)
    }
    expect(sums).toEqual([6, 7.5, 10.5])
    expect(new Set(roots.map(String)).size).toBe(3)
  })

  test('stops when it is told to', async () => {
    const stop = new AbortController()
    const steps = replay(
      { backend: reference },
      { graph, start, steps: 3, batchOf, signal: stop.signal },
    )
    await steps.next()
    stop.abort()
    await expect(steps.next()).rejects.toThrow('abort')
  })
})

describe('startStateRoots', () => {
  test('reads a tensor again only when a step can change it', () => {
    const reads: number[] = []
    const stateRoot = startStateRoots({
      graph,
      readState: (index) => (reads.push(index), start[index]!),
    })
    expect(stateRoot()).toEqual(StateRoot.from(graph.state, start))
    expect(stateRoot()).toEqual(stateRoot())
    expect(reads).toEqual([0, 1, 0, 0])
  })

  test('gives the roots of a state of which a step writes a part, and takes those that are known', async () => {
    const run = await generation()
    await using executable = await reference.prepare(run.graph)
    run.start.forEach((bytes, index) => executable.writeState(index, bytes))
    const read: number[] = []
    const readState = (index: number) => (read.push(index), executable.readState(index))
    const known = new Map([[0, Merkle.rootOfBytes(run.start[0]!)]])
    const stateRoot = startStateRoots({ graph: run.graph, readState, known })
    for (let step = 0; step <= run.steps; step++) {
      const state = run.graph.state.map((_, index) => executable.readState(index))
      expect(stateRoot()).toEqual(StateRoot.from(run.graph.state, state))
      executable.step([])
    }
    expect(read).not.toContain(0)
  })
})
