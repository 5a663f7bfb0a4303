/** `weft train` in processes of its own, as its users have it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./trainCommand.ts', import.meta.url))

export type Event = Record<string, unknown>

/** Starts the program in a folder and follows what it says, a JSON object a line. */
export function startTrain(
  args: readonly string[],
  { home, running, prefix = [] }: startTrain.Options,
) {
  const env = { ...process.env, WEFT_HOME: join(home, 'machine') }
  const [command, ...words] = [...prefix, process.execPath, program, ...args]
  const child = spawn(command!, words, { cwd: home, env })
  running.add(child)
  const lines: string[] = []
  const listeners = new Set<() => void>()
  let said = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    for (const listen of listeners) listen()
  })
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<{ code: number | null; signal: string | null; said: string }>(
    (resolve) =>
      child.once('close', (code, signal) => {
        running.delete(child)
        resolve({ code, signal, said: said + lines.join('\n') })
        for (const listen of listeners) listen()
      }),
  )
  const events = (name: string): readonly Event[] =>
    lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event)
      .filter(({ event }) => event === name)
  return {
    lines,
    ended,
    events,
    /** Resolves when it has said so, rejects when it ends without. */
    says: (name: string, isIt: (event: Event) => boolean = () => true) =>
      new Promise<void>((resolve, reject) => {
        const listen = () => {
          if (events(name).some(isIt)) resolve()
          else if (child.exitCode !== null || child.signalCode !== null)
            reject(new Error(`It ended without ${name}: ${said}${lines.slice(-3).join('\n')}`))
        }
        listeners.add(listen)
        listen()
      }),
    kill: async () => {
      child.kill('SIGKILL')
      return (await ended).signal
    },
  }
}

export declare namespace startTrain {
  type Options = {
    /** Where it runs. */
    home: string
    /** Told of the process, and of its end. */
    running: Set<ChildProcess>
    /** What is put before the command, for instance to run it in a network namespace. */
    prefix?: readonly string[]
  }
}
