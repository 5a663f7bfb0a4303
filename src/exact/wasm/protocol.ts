/** What the pool and its threads tell each other. */
import type { MessagePort } from 'node:worker_threads'
import type { Machine } from './Machine.ts'

export type WorkerData = {
  readonly shared: SharedArrayBuffer
  /** Its number, and that of all threads, the caller of `step` among them where it takes part. */
  readonly thread: number
  readonly threads: number
  readonly port: MessagePort
  readonly v8Version: string
}

/** Words of the shared memory. */
export const slots = {
  /** Changes whenever there is something to do. */
  changes: 0,
  /** How many messages were sent. */
  messages: 1,
  /** How many steps were begun. */
  runs: 2,
  /** The executable that the last one is of, and what is run of it. */
  executable: 3,
  task: 4,
} as const

/** The functions of a module that threads run, by their numbers. */
export const tasks = ['step', 'commit'] as const

export type ToWorker =
  | {
      readonly kind: 'load'
      readonly id: number
      readonly module: WebAssembly.Module
      readonly memory: WebAssembly.Memory
    }
  | { readonly kind: 'drop'; readonly id: number }

export type FromWorker =
  | ({ readonly kind: 'ready' } & Machine)
  | { readonly kind: 'loaded'; readonly id: number }
  | { readonly kind: 'refused'; readonly id: number; readonly reason: string }
