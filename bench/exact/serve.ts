import { createInterface } from 'node:readline'
import type { Request, Task, Times } from './Task.ts'

/**
 * Does tasks on demand: lines of JSON in, times in JSON out. A task is prepared, and done once, before it
 * is measured.
 */
export async function serve(
  prepare: (task: Task) => Promise<() => void | Promise<void>>,
): Promise<void> {
  const prepared = new Map<string, () => void | Promise<void>>()
  for await (const line of createInterface({ input: process.stdin })) {
    const { task, repetitions } = JSON.parse(line) as Request
    const key = JSON.stringify(task)
    let run = prepared.get(key)
    if (!run) {
      run = await prepare(task)
      await run()
      prepared.set(key, run)
    }
    console.log(JSON.stringify(await measured(run, repetitions)))
  }
}

async function measured(run: () => void | Promise<void>, repetitions: number): Promise<Times> {
  const before = process.cpuUsage()
  const start = performance.now()
  for (let i = 0; i < repetitions; i++) await run()
  const wallMs = performance.now() - start
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1000, wallMs }
}

/** f32 that are neither all alike nor large. */
export function someFloats(length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => (((i * 7919) % 127) - 63) / 64)
}
