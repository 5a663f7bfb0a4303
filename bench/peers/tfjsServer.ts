/** tfjs on its WebAssembly back end as a process of the bench, on one thread: in Node it has no others. */
import { createRequire, registerHooks } from 'node:module'
import { dirname } from 'node:path'
import { batchOf } from '../../src/exact/data.ts'
import { drawParameters } from '../../src/exact/train/startRun.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'
import { length, modelOf, optimiser, rowsOf, seed, trainingText } from '../exact/models.ts'
import { serve, someFloats } from '../exact/serve.ts'
import type { Task } from '../exact/Task.ts'
import type { Tf } from './Tf.ts'
import { startTfjsTraining } from './tfjsTraining.ts'

// Not installed with the rest: TypeScript shall not look for them.
const [core, wasm]: readonly string[] = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm']
const tf = (await import(core!)) as Tf
const files = (await import(wasm!)) as { setWasmPaths(folder: string): void }
files.setWasmPaths(`${dirname(createRequire(import.meta.url).resolve(wasm!))}/`)
await registerGradients()
await tf.setBackend('wasm')

await serve((task) => {
  if (task.task === 'decode') throw new Error('This engine does not decode.')
  return task.task === 'product' ? prepareProduct(task) : prepareStep(task)
})

async function prepareProduct({ m, k, n }: Extract<Task, { task: 'product' }>) {
  const [a, b] = [tf.tensor(someFloats(m * k), [m, k]), tf.tensor(someFloats(k * n), [k, n])]
  return () => tf.matMul(a, b).dispose()
}

async function prepareStep({ model: name }: Extract<Task, { task: 'step' }>) {
  const { config, parameters } = modelOf(name)
  await using backend = await startWasm()
  const first = await drawParameters({ backend }, { parameters, seed })
  const rows = rowsOf(name)
  const training = startTfjsTraining(tf, { config, parameters, first, rows, length, optimiser })
  const data = trainingText()
  let step = 0
  return () => {
    const loss = training.step(batchOf(data, { seed, step: step++, rows, length: length + 1 }))
    if (process.env['BENCH_LOSS']) console.error(`loss ${loss}`)
  }
}

/** The package keeps its gradients out of what Node loads, in modules without endings. */
async function registerGradients(): Promise<void> {
  const hooks = registerHooks({
    resolve(name, context, next) {
      const isBare = /^\.{1,2}\/.*(?<!\.js)$/.test(name)
      return next(isBare && context.parentURL?.includes('tfjs-core') ? `${name}.js` : name, context)
    },
  })
  const registration: string = '@tensorflow/tfjs-core/dist/register_all_gradients.js'
  await import(registration)
  hooks.deregister()
}
