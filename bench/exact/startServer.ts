import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A process that multiplies matrices on demand. */
export type Server = AsyncDisposable & {
  /** Billions of operations (two for each multiply-add) in a second of processor time. */
  readonly measure: (kind: 'f32' | 'i8', size: number) => Promise<number>
}

/** Operations in one measurement: long enough for the clock, short enough to take turns. */
const operations = 5e8

/** Starts a process that reads lines "KIND SIZE REPETITIONS" and answers with milliseconds. */
export function startServer(command: string, args: readonly string[]): Server {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async measure(kind, size) {
      const each = 2 * size ** 3
      const repetitions = Math.max(1, Math.round(operations / each))
      child.stdin.write(`${kind} ${size} ${repetitions}\n`)
      const { value } = (await answers.next()) as { value: string | undefined }
      if (value === undefined) throw new Error(`${command} ended before it answered.`)
      return (each * repetitions) / Number(value) / 1e6
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await exited
    },
  }
}
