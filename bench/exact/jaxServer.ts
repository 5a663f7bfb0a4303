/** jax-js as a process of the bench, on one thread: in Node it has no others. */
import { init, jit, numpy as np } from '@jax-js/jax'
import { batchOf } from '../../src/exact/data.ts'
import { drawParameters } from '../../src/exact/train/startRun.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'
import { startJaxTraining } from './jaxTraining.ts'
import { length, modelOf, optimiser, rowsOf, seed, trainingText } from './models.ts'
import { serve, someFloats } from './serve.ts'
import type { Task } from './Task.ts'

await init('wasm')

await serve((task) => {
  if (task.task === 'decode') throw new Error('This engine does not decode.')
  return task.task === 'product' ? prepareProduct(task) : prepareStep(task)
})

async function prepareProduct({ m, k, n }: Extract<Task, { task: 'product' }>) {
  const a = np.array(someFloats(m * k)).reshape([m, k])
  const b = np.array(someFloats(k * n)).reshape([k, n])
  const multiply = jit((x: np.Array, y: np.Array) => np.matmul(x, y))
  return async () => {
    const product = await multiply(a.ref, b.ref).blockUntilReady()
    product.dispose()
  }
}

async function prepareStep({ model: name }: Extract<Task, { task: 'step' }>) {
  const { config, parameters } = modelOf(name)
  await using backend = await startWasm()
  const first = await drawParameters({ backend }, { parameters, seed })
  const rows = rowsOf(name)
  const options = { config, parameters, first, rows, length, optimiser }
  const training = await startJaxTraining(options)
  const data = trainingText()
  let step = 0
  return () => {
    const loss = training.step(batchOf(data, { seed, step: step++, rows, length: length + 1 }))
    if (process.env['BENCH_LOSS']) console.error(`loss ${loss}`)
  }
}
