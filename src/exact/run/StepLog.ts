import { type Hash, isHash } from './Claim.ts'

/** What is written down of a step: from the roots of all of them a run root is built again. */
export type Entry = {
  /** From 0. */
  readonly step: number
  /** Missing when the step had none that is a number. */
  readonly loss?: number | undefined
  /** Of the state that the step left. */
  readonly root: Hash
}

/** A step as a line of JSON. */
export function line({ step, loss, root }: Entry): string {
  const shown = loss === undefined || !Number.isFinite(loss) ? {} : { loss }
  return `${JSON.stringify({ step, ...shown, root })}\n`
}

/**
 * Reads lines from the first on, as far as they are whole and in order: a line that a crash tore, and
 * whatever follows one, is left out.
 *
 * @returns the steps and where each line ends, in bytes.
 */
export function parse(log: Uint8Array): Parsed {
  const entries: Entry[] = []
  const ends: number[] = []
  for (let begin = 0; begin < log.length;) {
    const end = log.indexOf(newline, begin)
    const entry = end < 0 ? undefined : entryOf(log.subarray(begin, end), entries.length)
    if (!entry) return { entries, ends, isWhole: false }
    entries.push(entry)
    ends.push(end + 1)
    begin = end + 1
  }
  return { entries, ends, isWhole: true }
}

export type Parsed = {
  readonly entries: readonly Entry[]
  readonly ends: readonly number[]
  /** Whether nothing was left out. */
  readonly isWhole: boolean
}

function entryOf(bytes: Uint8Array, expected: number): Entry | undefined {
  if (bytes.length > longestLine) return undefined
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { step, loss, root } = value as Partial<Record<string, unknown>>
  if (step !== expected || !isHash(root)) return undefined
  if (loss === undefined) return { step, root }
  return typeof loss === 'number' ? { step, loss, root } : undefined
}

const newline = 0x0a
const longestLine = 1000
