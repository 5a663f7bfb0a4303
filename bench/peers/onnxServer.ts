/** onnxruntime as a process of the bench. Arguments: `native` or `web`, and how many threads. */
import { serve, someFloats } from '../exact/serve.ts'
import type { Task } from '../exact/Task.ts'
import * as Onnx from '../exact/Onnx.ts'
import { loadOnnx, startSession } from './loadOnnx.ts'
import { prepareOnnxStep } from './onnxStep.ts'

const kind = process.argv[2] === 'web' ? 'web' : 'native'
const threads = Number(process.argv[3] ?? 1)
const ort = await loadOnnx(kind, threads)

await serve((task) => {
  if (task.task === 'decode') throw new Error('This engine does not decode.')
  return task.task === 'product'
    ? prepareProduct(task)
    : prepareOnnxStep({ ort, threads }, { name: task.model })
})

async function prepareProduct({ m, k, n }: Extract<Task, { task: 'product' }>) {
  const shapes = { a: [m, k], b: [k, n], c: [m, n] }
  const value = (name: 'a' | 'b' | 'c'): Onnx.Value => ({
    name,
    dtype: 'float',
    shape: shapes[name],
  })
  const model = Onnx.serialize({
    nodes: [{ op: 'MatMul', inputs: ['a', 'b'], outputs: ['c'] }],
    constants: [],
    inputs: [value('a'), value('b')],
    outputs: [value('c')],
  })
  const session = await startSession(ort, model, threads)
  const tensor = (data: Float32Array, shape: readonly number[]) =>
    new ort.Tensor('float32', data, shape)
  const feeds = {
    a: tensor(someFloats(m * k), shapes.a),
    b: tensor(someFloats(k * n), shapes.b),
  }
  const fetches = { c: tensor(new Float32Array(m * n), shapes.c) }
  // In WebAssembly results go into memory of the engine, and are copied out of it.
  return async () => void (await session.run(feeds, kind === 'native' ? fetches : undefined))
}
