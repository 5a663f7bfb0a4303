/** Multiplies square matrices on one thread: lines "KIND SIZE REPETITIONS" in, processor milliseconds out. */
import { createInterface } from 'node:readline'
import type { Executable } from '../../src/exact/Backend.ts'
import * as Graph from '../../src/exact/Graph.ts'
import * as Ops from '../../src/exact/ops.ts'
import { contract, contractI8, input, place, slice } from '../../src/exact/Tensor.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'

const backend = await startWasm()
const prepared = new Map<string, Executable>()

for await (const line of createInterface({ input: process.stdin })) {
  const [kind = '', size = '', repetitions = ''] = line.split(' ')
  const key = `${kind} ${size}`
  const executable = prepared.get(key) ?? (await prepare(kind, Number(size)))
  prepared.set(key, executable)
  const start = process.cpuUsage()
  for (let i = 0; i < Number(repetitions); i++) executable.step([])
  const { user, system } = process.cpuUsage(start)
  console.log((user + system) / 1000)
}

/** The right operand is state that changes a little in every step, so that packing it counts. */
async function prepare(kind: string, size: number): Promise<Executable> {
  const isFloat = kind === 'f32'
  const dtype = isFloat ? 'f32' : 'i8'
  const a = input('state', 'a', dtype, [size, size])
  const b = input('state', 'b', dtype, [size, size])
  const scales = { scaleA: Ops.constant(1, [size]), scaleB: Ops.constant(1, [size]) }
  const product = isFloat ? contract(a, b) : contractI8({ a, b, ...scales }, { transposeB: true })
  const changed = place(b, slice(b, [0, 0], [1, size]), Ops.word(0), 0)
  const graph = Graph.from({
    state: [
      [a, a],
      [b, changed],
    ],
    results: { product },
  })
  const executable = await backend.prepare(graph)
  for (const index of [0, 1]) {
    const elements = size * size
    const value = (i: number) => ((i * 7919) % 127) - 63
    const bytes = isFloat
      ? new Uint8Array(Float32Array.from({ length: elements }, (_, i) => value(i) / 64).buffer)
      : Uint8Array.from({ length: elements }, (_, i) => value(i))
    executable.writeState(index, bytes)
  }
  return executable
}
