/** llama.cpp as a process of the bench. Argument: how many threads. */
import { startLlama } from '../../src/engine/llamaCpp.ts'
import { serve } from './serve.ts'
import type { Task } from './Task.ts'

const threads = Number(process.argv[2] ?? 1)
const llama = await startLlama({ gpu: false })

await serve((task) => {
  if (task.task === 'decode') return prepareDecoding(task)
  throw new Error('This engine only decodes.')
})

/** The most likely token follows each time, as its own loop of evaluation does it. */
async function prepareDecoding({ path, tokens }: Extract<Task, { task: 'decode' }>) {
  const model = await llama.loadModel({ modelPath: path })
  const context = await model.createContext({
    contextSize: tokens + 8,
    batchSize: 32,
    sequences: 1,
    threads,
  })
  const sequence = context.getSequence()
  return async () => {
    await sequence.clearHistory()
    let count = 0
    const following = sequence.evaluate([1 as never], { temperature: 0, yieldEogToken: true })
    for await (const _ of following) if (++count >= tokens) break
    if (count < tokens) throw new Error('The text ended early.')
  }
}
