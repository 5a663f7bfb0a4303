import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { onDisk } from '../exact/DiskError.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'

/** What a node noted after a round. */
export type Round = z.output<typeof schema>

const count = z.int().check(z.minimum(0))
const schema = z.object({
  /** How many rounds are in the model. */
  round: count,
  /** Mean loss on the data that is held out, nats a token. */
  loss: z.nullable(z.number()),
  /** Mean of our own last steps; null for a node that has taken none. */
  workerLoss: z.nullable(z.number()),
  workers: count,
  /** Accepted steps of all workers. */
  steps: count,
  /** Of the whole run so far, over the wire of payloads, error vectors and states. */
  sentBytes: count,
  receivedBytes: count,
  replica: z.string(),
  at: z.number(),
})

/** `rounds.jsonl`: a line for each round that the node came to. */
export type RoundsFile = {
  readonly rounds: readonly Round[]
  /** Notes a round; what stands there of it and of later ones is of a branch of the log that was given up. */
  append(round: Round): void
}

/** Opens the file of a folder; a line that a crash cut off is left out. */
export function open(folder: string): RoundsFile {
  const path = join(folder, name)
  const rounds = [...read(folder)]
  const save = (body: () => void) => onDisk(folder, `${name} cannot be written`, body)
  const rewrite = () => save(() => writeAtomically(path, rounds.map(lineOf).join('')))
  if (existsSync(path)) rewrite()
  return {
    rounds,
    append(round) {
      const at = rounds.findIndex((each) => each.round >= round.round)
      if (at >= 0) {
        rounds.splice(at)
        rewrite()
      }
      save(() => appendFileSync(path, lineOf(round)))
      rounds.push(round)
    },
  }
}

/** The rounds in a folder, none if there is no such file. */
export function read(folder: string): readonly Round[] {
  const path = join(folder, name)
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        const { success, data } = z.safeParse(schema, JSON.parse(line))
        return success ? [data] : []
      } catch {
        return []
      }
    })
}

const name = 'rounds.jsonl'

function lineOf(round: Round): string {
  return `${JSON.stringify(round)}\n`
}
