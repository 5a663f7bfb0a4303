/** The engine of this repository as a process of the bench. Argument: how many threads. */
import { readFile } from 'node:fs/promises'
import type { Executable } from '../../src/exact/Backend.ts'
import { batchOf } from '../../src/exact/data.ts'
import { startGenerator } from '../../src/exact/generate/startGenerator.ts'
import * as Graph from '../../src/exact/Graph.ts'
import * as Ops from '../../src/exact/ops.ts'
import { contract, contractI8, input, place, slice } from '../../src/exact/Tensor.ts'
import { bytesOf, startRun } from '../../src/exact/train/startRun.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'
import { fromBytes } from '../../src/exact/weights/ByteSource.ts'
import { loadDecoder } from '../../src/exact/weights/loadDecoder.ts'
import { length, modelOf, rowsOf, seed, trainingGraphOf, trainingText } from './models.ts'
import { serve, someFloats } from './serve.ts'
import type { Task } from './Task.ts'

const backend = await startWasm({ threads: Number(process.argv[2] ?? 1) })

await serve((task) => {
  if (task.task === 'product') return prepareProduct(task)
  return task.task === 'step' ? prepareStep(task) : prepareDecoding(task)
})

/** The right operand is state that changes a little in every step, so that packing it counts. */
async function prepareProduct(task: Extract<Task, { task: 'product' }>): Promise<() => void> {
  const { kind, m, k, n } = task
  const isFloat = kind === 'f32'
  const dtype = isFloat ? 'f32' : 'i8'
  const a = input('state', 'a', dtype, [m, k])
  const b = input('state', 'b', dtype, isFloat ? [k, n] : [n, k])
  const scales = { scaleA: Ops.constant(1, [m]), scaleB: Ops.constant(1, [n]) }
  const product = isFloat ? contract(a, b) : contractI8({ a, b, ...scales }, { transposeB: true })
  const changed = place(b, slice(b, [0, 0], [1, b.shape[1]!]), Ops.word(0), 0)
  const graph = Graph.from({
    state: [
      [a, a],
      [b, changed],
    ],
    results: { product },
  })
  const executable: Executable = await backend.prepare(graph)
  ;[m * k, k * n].forEach((elements, index) => {
    const floats = someFloats(elements)
    const bytes = isFloat
      ? new Uint8Array(floats.buffer)
      : Uint8Array.from(floats, (value) => value * 64)
    executable.writeState(index, bytes)
  })
  return () => void executable.step([])
}

async function prepareStep({ model: name, profile }: Extract<Task, { task: 'step' }>) {
  const model = modelOf(name, profile)
  const graph = trainingGraphOf(name, model)
  const run = await startRun({ backend }, { graph, parameters: model.parameters, seed })
  const data = trainingText()
  return () => {
    const options = { seed, step: run.stepsDone(), rows: rowsOf(name), length: length + 1 }
    run.step([bytesOf(batchOf(data, options))])
  }
}

async function prepareDecoding({ path, profile, tokens }: Extract<Task, { task: 'decode' }>) {
  const profiles = { attention: profile, feedForward: profile, head: profile }
  const sources = [fromBytes(await readFile(path))]
  const { model, weights } = await loadDecoder({ backend }, { sources }, { profiles })
  const generator = await startGenerator({ backend, model, weights })
  return () => {
    const text = generator.generate(Uint32Array.of(1), { maxTokens: tokens })
    if ([...text].length !== tokens) throw new Error('The text ended early.')
  }
}
