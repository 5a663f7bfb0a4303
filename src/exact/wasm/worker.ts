/** A thread of the pool: waits for a number to change, then runs a step or reads its messages. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { control } from './barrier.ts'
import { probe } from './Machine.ts'
import { type FromWorker, slots, tasks, type ToWorker, type WorkerData } from './protocol.ts'

const { shared, thread, threads, port, v8Version } = workerData as WorkerData
const words = new Int32Array(shared)
const loaded = new Map<number, Loaded>()
let [read, ran] = [0, 0]

type Loaded = {
  readonly exports: Record<(typeof tasks)[number], (thread: number, threads: number) => void>
  readonly words: Int32Array
}

tell({ kind: 'ready', ...probe(v8Version) })
for (;;) {
  const seen = Atomics.load(words, slots.changes)
  while (read < Atomics.load(words, slots.messages)) obey()
  if (Atomics.load(words, slots.runs) === ran) {
    Atomics.wait(words, slots.changes, seen)
    continue
  }
  ran = Atomics.load(words, slots.runs)
  run(loaded.get(Atomics.load(words, slots.executable)))
}

function obey(): void {
  const received = receiveMessageOnPort(port) as { message: ToWorker } | undefined
  if (!received) return
  read += 1
  const { message } = received
  if (message.kind === 'drop') {
    loaded.delete(message.id)
    return
  }
  const { id, module, memory } = message
  try {
    // The stopwatch is thread 0's.
    const env = { memory, mark: () => undefined }
    const { exports } = new WebAssembly.Instance(module, { env })
    loaded.set(id, { exports: exports as Loaded['exports'], words: new Int32Array(memory.buffer) })
    tell({ kind: 'loaded', id })
  } catch (error) {
    tell({ kind: 'refused', id, reason: String(error) })
  }
}

/** A thread that cannot go on says so where the others meet. */
function run(executable: Loaded | undefined): void {
  if (!executable) return
  try {
    executable.exports[tasks[Atomics.load(words, slots.task)]!](thread, threads)
  } catch {
    Atomics.store(executable.words, control.failed / 4, 1)
    Atomics.add(executable.words, control.meeting / 4, 1)
    Atomics.notify(executable.words, control.meeting / 4)
  }
}

function tell(message: FromWorker): void {
  parentPort?.postMessage(message)
}
