import type { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { BackendError } from '../Backend.ts'
import * as Graph from '../Graph.ts'
import { contract, input } from '../Tensor.ts'
import type { WorkerData } from './protocol.ts'
import { spawnWorker, startPool } from './startPool.ts'
import { startWasm } from './startWasm.ts'

const x = input('batch', 'x', 'f32', [60, 60])
const graph = Graph.from({ state: [], batch: [x], results: { y: contract(x, x) } })
const bytes = new Uint8Array(60 * 60 * 4)
const { v8: v8Version } = process.versions

describe('startPool', () => {
  test('has every worker try its machine', async () => {
    await using pool = await startPool({ workers: 2, v8Version })
    expect(pool.machines).toHaveLength(2)
    expect(pool.machines[0]).toEqual(pool.machines[1])
  })

  test('ends its workers', async () => {
    const { workers, spawn } = recorded()
    const pool = await startPool({ workers: 3, v8Version, spawn })
    await pool[Symbol.asyncDispose]()
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1, -1, -1])
  })

  test('runs executables side by side, prepared at once', async () => {
    await using backend = await startWasm({ threads: 2, aloneBelow: 0, stallMs: 20_000 })
    const prepared = await Promise.all([1, 2, 3].map(() => backend.prepare(graph)))
    for (let round = 0; round < 50; round++)
      for (const each of prepared) expect(each.step([bytes])[0]).toHaveLength(bytes.length)
    for (const each of prepared) await each[Symbol.asyncDispose]()
  })

  test('says so when a worker has died between steps', async () => {
    const { workers, spawn } = recorded()
    await using backend = await startWasm({ threads: 3, aloneBelow: 0, spawn })
    await using executable = await backend.prepare(graph)
    executable.step([bytes])
    const exits = once(workers[1]!, 'exit')
    await workers[1]!.terminate()
    await exits
    expect(() => executable.step([bytes])).toThrow(BackendError)
    expect(() => executable.step([bytes])).toThrow('worker thread died')
    await expect(backend.prepare(graph)).rejects.toThrow('worker thread died')
  })

  test('does not wait for ever for a worker that dies unnoticed', async () => {
    const { workers, spawn } = recorded()
    await using backend = await startWasm({ threads: 2, aloneBelow: 0, stallMs: 300, spawn })
    await using executable = await backend.prepare(graph)
    const ending = workers[0]!.terminate()
    // Long enough for the thread to end, without letting this one hear of it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    expect(() => executable.step([bytes])).toThrow('did not finish its part')
    expect(() => executable.step([bytes])).toThrow('did not finish its part')
    await ending
  })

  test('cannot be used after its end', async () => {
    const backend = await startWasm({ threads: 2, aloneBelow: 0 })
    const executable = await backend.prepare(graph)
    await backend[Symbol.asyncDispose]()
    expect(() => executable.step([bytes])).toThrow('was closed')
  })
})

function recorded() {
  const workers: Worker[] = []
  const spawn = (data: WorkerData) => {
    const worker = spawnWorker(data)
    workers.push(worker)
    return worker
  }
  return { workers, spawn }
}
