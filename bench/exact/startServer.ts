import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Request, Task, Times } from './Task.ts'

/** A process that does tasks on demand. */
export type Server = AsyncDisposable & {
  readonly measure: (task: Task, repetitions: number) => Promise<Times>
}

/**
 * Starts a process that reads a line for each measurement and answers with a line of JSON. Other lines
 * that it prints are left out.
 */
export function startServer(
  command: string,
  args: readonly string[],
  { write = JSON.stringify, env }: startServer.Options = {},
): Server {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  const exited = once(child, 'exit')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async (): Promise<Times> => {
    for (;;) {
      const { value } = (await answers.next()) as { value: string | undefined }
      if (value === undefined) throw new Error(`${args.join(' ')} ended before it answered.`)
      if (value.startsWith('{')) return JSON.parse(value) as Times
    }
  }
  return {
    measure(task, repetitions) {
      child.stdin.write(`${write({ task, repetitions })}\n`)
      return answer()
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      // Some engines keep threads that hold the process.
      child.kill()
      await exited
    },
  }
}

export declare namespace startServer {
  type Options = {
    /** A request as a line, for who reads no JSON. */
    write?: ((request: Request) => string) | undefined
    env?: Readonly<Record<string, string>> | undefined
  }
}
