import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { BaseError } from '../runtime/Errors.ts'
import type { Clock } from '../runtime/Clock.ts'

/** Keeps `weft` commands running, each as its own process, and starts again those that die. */
export type Supervisor = AsyncDisposable & {
  /**
   * Starts `weft ARGS` under a name; resolves with the line of JSON it prints when it is ready.
   *
   * @throws {StartError} when it ends before that.
   */
  start(name: string, args: readonly string[]): Promise<Readonly<Record<string, unknown>>>
  /** Ids of the processes that run now, by name. */
  pids(): ReadonlyMap<string, number>
  /** How often each was started again. */
  restarts(): ReadonlyMap<string, number>
}

/** Starts a supervisor whose children write their logs to `logDirectory`. */
export function startSupervisor(
  { clock }: { clock: Clock },
  options: {
    logDirectory: string
    /** JSON file that always says which process has which id. */
    statusFile: string
    onRestart?: ((name: string, reason: string) => void) | undefined
  },
): Supervisor {
  const { logDirectory, statusFile, onRestart } = options
  const running = new Map<string, Child>()
  const restarts = new Map<string, number>()
  const controller = new AbortController()

  const pids = () => new Map([...running].map(([name, child]) => [name, child.pid!]))
  const note = () => writeFileSync(statusFile, JSON.stringify(Object.fromEntries(pids()), null, 2))

  const launch = (name: string, args: readonly string[]) =>
    new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      const log = openSync(join(logDirectory, `${name}.log`), 'a')
      const child = spawn(process.execPath, [program, ...args, '--json', '--exit-with-parent'], {
        stdio: ['pipe', 'pipe', log],
        env: { ...process.env, NODE_OPTIONS: nodeOptions },
      }) as Child
      closeSync(log)
      running.set(name, child)
      note()
      let ready = false
      createInterface({ input: child.stdout }).on('line', (line) => {
        const said = parse(line)
        if (ready || said?.['ready'] === undefined) return
        ready = true
        resolve(said)
      })
      child.once('error', (cause) => reject(new StartError({ name, log: logDirectory, cause })))
      child.once('exit', (code, signal) => {
        running.delete(name)
        note()
        if (!ready)
          return reject(new StartError({ name, log: logDirectory, cause: signal ?? code }))
        if (!controller.signal.aborted) void revive(name, args, String(signal ?? code))
      })
    })

  const revive = async (name: string, args: readonly string[], reason: string) => {
    const count = (restarts.get(name) ?? 0) + 1
    restarts.set(name, count)
    onRestart?.(name, reason)
    for (let attempt = 0; attempt < attemptsLimit && !controller.signal.aborted; attempt++)
      try {
        await clock.sleep(Math.min(250 * 2 ** attempt, 5_000), { signal: controller.signal })
        await launch(name, args)
        return
      } catch {
        // It died again before it was ready; the next attempt waits longer.
      }
  }

  return {
    start: launch,
    pids,
    restarts: () => restarts,
    async [Symbol.asyncDispose]() {
      controller.abort()
      await Promise.all([...running].toReversed().map(([, child]) => end(child)))
    },
  }
}

const program = join(import.meta.dirname, 'main.ts')
const nodeOptions = '--disable-warning=ExperimentalWarning'
const attemptsLimit = 20
const endLimitMs = 8_000

type Child = ChildProcessByStdio<Writable, Readable, null>

/** Asks a child to end, and insists when it does not. */
function end(child: Child): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const limit = setTimeout(() => child.kill('SIGKILL'), endLimitMs)
    child.once('exit', () => {
      clearTimeout(limit)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** Thrown when a process ends before it is ready. */
export class StartError extends BaseError {
  override readonly code = 'Supervisor.StartError'

  constructor({ name, log, cause }: { name: string; log: string; cause: unknown }) {
    super(`The ${name} process ended before it was ready.`, {
      cause,
      metaMessages: [
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        `Its log: ${join(log, `${name}.log`)}`,
      ],
    })
  }
}
