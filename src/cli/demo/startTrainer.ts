import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A `weft train` command as a process of its own, which may die. */
export type Trainer = {
  /** Its exit code, or the signal that killed it. */
  readonly ended: Promise<number | string>
  /** Sends SIGKILL, or SIGTERM to let it say that it goes. */
  end(signal: 'SIGKILL' | 'SIGTERM'): void
}

/** What it says, a line of JSON each: `event` names it. */
export type TrainerEvent = Readonly<Record<string, unknown>> & { readonly event: string }

/** Starts `weft train ARGS`; it stops by itself when we die. */
export function startTrainer(
  args: readonly string[],
  { log, home, onEvent }: startTrainer.Options,
): Trainer {
  const stderr = openSync(log, 'a')
  const child = spawn(
    process.execPath,
    [program, 'train', ...args, '--json', '--exit-with-parent'],
    { stdio: ['pipe', 'pipe', stderr], env: { ...process.env, WEFT_HOME: home } },
  )
  closeSync(stderr)
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const event = parse(line)
    if (event) onEvent?.(event)
  })
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (cause) => resolve(cause.message))
    child.once('close', (code, signal) => resolve(signal ?? code ?? 'gone'))
  })
  return { ended, end: (signal) => void child.kill(signal) }
}

export declare namespace startTrainer {
  type Options = {
    /** File that its complaints go to. */
    log: string
    /** Folder in which this machine remembers that it computes right. */
    home: string
    onEvent?: ((event: TrainerEvent) => void) | undefined
  }
}

const program = join(import.meta.dirname, '..', 'main.ts')

function parse(line: string): TrainerEvent | undefined {
  try {
    const value = JSON.parse(line) as Partial<TrainerEvent> | null
    return typeof value?.event === 'string' ? (value as TrainerEvent) : undefined
  } catch {
    return undefined
  }
}
