import { copyFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import type { Clock } from '../runtime/Clock.ts'

/**
 * Makes sure that a state file can be read before anvil starts from it. Anvil writes it in place, so a
 * `kill -9` can leave half of one: then the previous copy takes its place, and the half is kept as
 * `.broken`. Without a file, or any whole one, the chain starts anew.
 */
export function recoverState(path: string): 'intact' | 'restored' | 'new' {
  if (isWhole(path)) return 'intact'
  const broken = exists(path)
  if (broken) renameSync(path, `${path}.broken`)
  if (!isWhole(previousPath(path))) return 'new'
  copyFileSync(previousPath(path), path)
  return 'restored'
}

/** Copies the state file, whenever a whole new one is there, beside itself, until disposed. */
export function keepPreviousState(
  path: string,
  { clock, everyMs }: { clock: Clock; everyMs: number },
): AsyncDisposable {
  const stop = new AbortController()
  const running = run()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('stopped'))
      await running
    },
  }

  async function run(): Promise<void> {
    let copied = 0
    while (!stop.signal.aborted) {
      await clock.sleep(everyMs, { signal: stop.signal }).catch(() => undefined)
      const changed = exists(path) ? statSync(path).mtimeMs : copied
      if (changed !== copied && copyWhole(path)) copied = changed
    }
  }
}

/** Resolves when anvil has written the state anew, or has had time enough to. */
export async function stateWritten(
  path: string,
  { clock, limitMs }: { clock: Clock; limitMs: number },
): Promise<void> {
  const stamp = () => statSync(path, { throwIfNoEntry: false })?.mtimeMs
  const before = stamp()
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += 100) {
    if (stamp() !== before && isWhole(path)) return
    await clock.sleep(100)
  }
}

/**
 * Ends the anvil that a killed program left behind, so that two never write the same file. The process
 * must still be what the file says it is: ids are used again.
 */
export async function endOrphan(pidPath: string, { clock }: { clock: Clock }): Promise<boolean> {
  let ended = false
  if (!exists(pidPath)) return ended
  try {
    const { pid, binary } = JSON.parse(readFileSync(pidPath, 'utf8')) as Record<string, unknown>
    if (typeof pid !== 'number' || typeof binary !== 'string' || pid <= 1) return ended
    for (let waitedMs = 0; commandOf(pid).includes(binary); waitedMs += 100) {
      process.kill(pid, waitedMs < orphanLimitMs ? 'SIGTERM' : 'SIGKILL')
      ended = true
      await clock.sleep(100)
    }
  } catch {
    // The file is half-written, or the process ended between two lines: nothing to end.
  }
  rmSync(pidPath, { force: true })
  return ended
}

const orphanLimitMs = 5000

/** The command line of a process, or nothing when there is none. */
function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') {
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) return ''
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    }
    if (process.platform === 'win32') return ''
    return execFileSync('ps', ['-o', 'args=', '-p', `${pid}`], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

/** Whether all of a state file is there. */
function isWhole(path: string): boolean {
  try {
    return parses(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}

function copyWhole(path: string): boolean {
  try {
    const text = readFileSync(path, 'utf8')
    if (!parses(text)) return false
    writeFileSync(`${previousPath(path)}.new`, text)
    renameSync(`${previousPath(path)}.new`, previousPath(path))
    return true
  } catch {
    // It is being written, or the disk is full: the copy before stays.
    return false
  }
}

function parses(text: string): boolean {
  try {
    const state = JSON.parse(text) as unknown
    return typeof state === 'object' && state !== null && 'accounts' in state
  } catch {
    return false
  }
}

function previousPath(path: string): string {
  return `${path}.previous`
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
