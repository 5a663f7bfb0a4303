import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { BackendError } from '../Backend.ts'
import type { Machine } from './Machine.ts'
import { type FromWorker, slots, tasks, type ToWorker, type WorkerData } from './protocol.ts'

/** Worker threads that run tasks beside the caller. */
export type Pool = AsyncDisposable & {
  /** What each worker can do, by its own probe. */
  readonly machines: readonly Machine[]
  /** Makes a module ready in every worker. */
  readonly load: (module: WebAssembly.Module, memory: WebAssembly.Memory) => Promise<Loaded>
}

/** An executable that all workers know. */
export type Loaded = {
  /** Lets the workers begin a task. @throws {BackendError} when one of them has died. */
  readonly begin: (task: (typeof tasks)[number]) => void
  /** @throws {BackendError} when one of them has died. */
  readonly expectAlive: () => void
  readonly drop: () => void
}

type Member = { readonly worker: Worker; readonly port: MessagePort }

/** Starts workers that wait for work without using the processor, and do not keep the process alive. */
export async function startPool(options: startPool.Options): Promise<Pool> {
  const { workers: count, v8Version, spawn = spawnWorker, withCaller = true } = options
  const shared = new SharedArrayBuffer(64)
  const words = new Int32Array(shared)
  const { hear, answers, failure } = listen(count)
  const first = withCaller ? 1 : 0
  let isClosing = false
  const ready = answers((message) =>
    message.kind === 'ready' ? { fusion: message.fusion, dot: message.dot } : undefined,
  )
  const members = Array.from({ length: count }, (_, index) =>
    join(spawn, { shared, thread: index + first, threads: count + first, v8Version }, (message) => {
      if (!isClosing || !(message instanceof Error)) hear(index, message)
    }),
  )
  const close = async () => {
    isClosing = true
    await Promise.all(members.map(({ worker }) => worker.terminate()))
    for (const { port } of members) port.close()
  }
  const machines = await ready.catch(async (error: unknown) => {
    await close()
    throw error
  })
  for (const { worker } of members) worker.unref()

  const wake = () => {
    Atomics.add(words, slots.changes, 1)
    Atomics.notify(words, slots.changes)
  }
  const tell = (message: ToWorker) => {
    for (const { port } of members) port.postMessage(message)
    Atomics.add(words, slots.messages, 1)
    wake()
  }
  const expectAlive = () => {
    const cause = failure()
    if (cause) throw dead(cause)
    if (isClosing) throw new BackendError('The back end was closed: start it again.')
  }
  let ids = 0
  return {
    machines,
    async load(module, memory) {
      expectAlive()
      const id = ++ids
      const loaded = answers((message) =>
        message.kind === 'loaded' && message.id === id ? true : undefined,
      )
      for (const { worker } of members) worker.ref()
      tell({ kind: 'load', id, module, memory })
      try {
        await loaded
      } finally {
        for (const { worker } of members) worker.unref()
      }
      return {
        expectAlive,
        begin(task) {
          expectAlive()
          Atomics.store(words, slots.task, tasks.indexOf(task))
          Atomics.store(words, slots.executable, id)
          Atomics.add(words, slots.runs, 1)
          wake()
        },
        drop: () => tell({ kind: 'drop', id }),
      }
    },
    async [Symbol.asyncDispose]() {
      await close()
    },
  }
}

export declare namespace startPool {
  type Options = {
    /** How many, beside the caller. */
    workers: number
    v8Version: string
    /** Whether the caller works as thread 0. */
    withCaller?: boolean | undefined
    /** For tests: how a worker is started. */
    spawn?: ((data: WorkerData) => Worker) | undefined
  }
}

/** Starts a worker, and hears what it says and that it dies. */
function join(
  spawn: (data: WorkerData) => Worker,
  data: Omit<WorkerData, 'port'>,
  hear: (message: FromWorker | Error) => void,
): Member {
  const { port1, port2 } = new MessageChannel()
  const worker = spawn({ ...data, port: port2 })
  worker.on('message', hear)
  worker.on('error', (error) => hear(error as Error))
  worker.on('exit', (code) => hear(new Error(`The worker ended with code ${code}.`)))
  port1.unref()
  return { worker, port: port1 }
}

/** Gathers what workers say. */
function listen(count: number) {
  const listeners = new Set<(from: number, message: FromWorker | Error) => void>()
  let failure: Error | undefined
  const hear = (from: number, message: FromWorker | Error) => {
    if (message instanceof Error) failure ??= message
    for (const listener of listeners) listener(from, message)
  }
  /** The answers of all workers to something, in their order. */
  function answers<T>(pick: (message: FromWorker) => T | undefined): Promise<readonly T[]> {
    return new Promise((resolve, reject) => {
      const found: T[] = []
      let left = count
      const listener = (from: number, message: FromWorker | Error) => {
        if (message instanceof Error || message.kind === 'refused') {
          listeners.delete(listener)
          reject(message instanceof Error ? dead(message) : refused(message.reason))
          return
        }
        const answer = pick(message)
        if (answer === undefined) return
        found[from] = answer
        left -= 1
        if (left > 0) return
        listeners.delete(listener)
        resolve(found)
      }
      listeners.add(listener)
    })
  }
  return { hear, answers, failure: () => failure }
}

/** Starts one worker of this back end. */
export function spawnWorker(data: WorkerData): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: data,
    transferList: [data.port],
    stdout: false,
  })
}

function dead(cause: Error): BackendError {
  return new BackendError('A worker thread died: start the back end again.', { cause })
}

function refused(reason: string): BackendError {
  return new BackendError(`A worker thread cannot run the module: ${reason}`)
}
