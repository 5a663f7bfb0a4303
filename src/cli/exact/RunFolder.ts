import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import * as RunRoot from '../../exact/commit/RunRoot.ts'
import * as Checkpoint from '../../exact/run/Checkpoint.ts'
import { bytesOf, hashOf, type Hash, type Origin } from '../../exact/run/Claim.ts'
import * as StepLog from '../../exact/run/StepLog.ts'
import type { Graph } from '../../exact/Graph.ts'
import { SafetensorsError } from '../../exact/weights/Safetensors.ts'
import { fileLock } from '../../runtime/fileLock.ts'
import { DiskError, onDisk } from './DiskError.ts'
import { temporarySuffix, writeAtomically } from './writeAtomically.ts'

/** The folder of a run while it runs: its log of steps and its checkpoints. One process has it at a time. */
export type RunFolder = Disposable & {
  /** Notes a step. */
  append(entry: StepLog.Entry): void
  /**
   * Keeps a state, and of the earlier ones only the newest.
   *
   * @returns the path of the file.
   * @throws {DiskError} when it cannot be written; earlier ones are as they were.
   */
  checkpoint(checkpoint: Checkpoint.Checkpoint): string
  /** Root over the state roots of all steps noted. */
  runRoot(): Hash
  /** What the log says of each step. */
  readonly entries: readonly StepLog.Entry[]
  /** The newest state to go on from, if there is one. */
  readonly resumed: Checkpoint.Checkpoint | undefined
  /** What was found amiss, and what was done about it. */
  readonly remarks: readonly string[]
}

/**
 * Opens the folder of a run, makes it when there is none, and finds where the run is to be taken up: at the
 * newest sound checkpoint that the log of steps leads up to. What the log says of later steps is dropped,
 * since they are done again, to the same bits.
 *
 * @throws {OtherRunError} when a checkpoint is of another run.
 * @throws {DiskError} when another process has the folder, or it cannot be written.
 */
export function open(folder: string, { graph, origin, about }: open.Options): RunFolder {
  const attempt = <T>(what: string, body: () => T) => onDisk(folder, what, body)
  using stack = new DisposableStack()
  attempt('The folder cannot be made', () => mkdirSync(folder, { recursive: true }))
  stack.use(lockOf(folder))
  for (const name of readdirSync(folder))
    if (name.endsWith(temporarySuffix)) rmSync(join(folder, name))
  const logPath = join(folder, logName)
  const log = StepLog.parse(existsSync(logPath) ? readFileSync(logPath) : new Uint8Array())
  const { checkpoint: resumed, remarks } = newest(folder, { graph, origin, log })
  const done = resumed?.steps ?? 0
  const entries = log.entries.slice(0, done)
  const root = RunRoot.start()
  for (const entry of entries) root.push(bytesOf(entry.root))
  const file = attempt('The log of steps cannot be opened', () => openSync(logPath, 'a'))
  stack.defer(() => closeSync(file))
  truncateSync(logPath, log.ends[done - 1] ?? 0)
  const owned = stack.move()
  return {
    append(entry) {
      attempt(`Step ${entry.step} cannot be noted`, () => writeWhole(file, StepLog.line(entry)))
      root.push(bytesOf(entry.root))
      entries.push(entry)
    },
    checkpoint(checkpoint) {
      const path = join(folder, nameOf(checkpoint.steps))
      const kept = checkpointsIn(folder).at(0)
      const rest = kept ? `that of step ${stepsOf(kept)} is kept` : 'there is none before it'
      attempt(`The checkpoint of step ${checkpoint.steps} cannot be written; ${rest}`, () => {
        // The log first: a checkpoint that it does not lead up to is of no use.
        fdatasyncSync(file)
        writeAtomically(path, Checkpoint.write(checkpoint, { graph, about }))
      })
      for (const old of checkpointsIn(folder).slice(keptCheckpoints)) rmSync(join(folder, old))
      return path
    },
    runRoot: () => hashOf(root.root()),
    entries,
    resumed,
    remarks,
    [Symbol.dispose]: () => owned.dispose(),
  }
}

export declare namespace open {
  type Options = {
    graph: Graph
    origin: Origin
    /** More metadata for checkpoints. */
    about: Readonly<Record<string, string>>
  }
}

/** What a run's log says, whole or not. */
export function readLog(folder: string): StepLog.Parsed {
  const path = join(folder, logName)
  return StepLog.parse(existsSync(path) ? readFileSync(path) : new Uint8Array())
}

/** Paths of a run's checkpoints, the newest first. */
export function checkpointPaths(folder: string): readonly string[] {
  return checkpointsIn(folder).map((name) => join(folder, name))
}

const logName = 'steps.jsonl'
const keptCheckpoints = 2
const checkpointName = /^checkpoint-(\d+)\.safetensors$/

function nameOf(steps: number): string {
  return `checkpoint-${String(steps).padStart(6, '0')}.safetensors`
}

function stepsOf(name: string): number {
  return Number(checkpointName.exec(name)![1])
}

function checkpointsIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => checkpointName.test(name))
    .toSorted((a, b) => stepsOf(b) - stepsOf(a))
}

function newest(
  folder: string,
  { graph, origin, log }: { graph: Graph; origin: Origin; log: StepLog.Parsed },
): { checkpoint?: Checkpoint.Checkpoint; remarks: readonly string[] } {
  const remarks: string[] = []
  for (const name of checkpointsIn(folder)) {
    try {
      const checkpoint = Checkpoint.read(readFileSync(join(folder, name)), { graph, origin })
      if (log.entries[checkpoint.steps - 1]?.root === checkpoint.stateRoot)
        return { checkpoint, remarks }
      remarks.push(`${name} is left out: the log of steps does not lead up to it.`)
    } catch (error) {
      if (!(error instanceof Checkpoint.CheckpointError || error instanceof SafetensorsError))
        throw error
      remarks.push(`${name} is left out: ${error.shortMessage}`)
    }
  }
  return { remarks }
}

function lockOf(folder: string): Disposable {
  try {
    return fileLock(join(folder, 'lock'))
  } catch (cause) {
    throw new DiskError('The folder cannot be used', { folder, cause })
  }
}

function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
}
