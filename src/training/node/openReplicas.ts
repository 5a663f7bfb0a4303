import * as z from 'zod/mini'
import * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import type { Store } from '../../runtime/Store.ts'
import type { Decision } from '../coordinator/State.ts'
import type { Layout, Replica } from '../Replica.ts'
import type { Contents } from './Contents.ts'
import { fromBytes, toBytes } from './replicaBytes.ts'

/** The states that a node came to in the last rounds, on its disk, and what each of them came from. */
export type Replicas = {
  newest(): Replica
  /** That after so many rounds, if it is one of the last. */
  at(rounds: number): Replica | undefined
  /** Hash of the newest one's bytes, by which others fetch it. */
  content(): Hex.Hex
  /** Hashes of all that are kept. */
  contents(): readonly Hex.Hex[]
  /** Keeps a state; `basis` is of the close that it came from. */
  save(replica: Replica, basis: string): Promise<void>
  /**
   * Goes back to the newest state that came from what the log says now: a better branch of it may have
   * closed a round with other contributions.
   *
   * @param basisOf of the close after which there were so many rounds.
   * @returns whether there is such a state.
   */
  goBack(basisOf: (rounds: number) => string | undefined): Promise<boolean>
}

/** Opens the states of a run, or begins with the first. */
export async function openReplicas(
  { contents, store }: { contents: Contents; store: Store },
  { layout, start, run }: { layout: Layout; start: readonly Uint8Array[]; run: Hex.Hex },
): Promise<Replicas> {
  const table = tableOf(run)
  const kept = new Map<number, Kept>()
  for (const { rounds, content, basis } of await savedStates(store, run)) {
    const bytes = await contents.get(content, [], { maxBytes: Infinity }).catch(() => undefined)
    if (!bytes) continue
    kept.set(rounds, { content, basis, replica: { rounds, ...fromBytes(layout, bytes) } })
  }
  if (kept.size === 0) await save({ rounds: 0, parameters: start }, '')
  const newest = () => kept.get(Math.max(...kept.keys()))!

  async function save(replica: Replica, basis: string): Promise<void> {
    const { rounds } = replica
    const content = await contents.put(toBytes(replica))
    const value = Json.stringify({ rounds, content, basis })
    const old = [...kept.keys()].filter((each) => each < rounds - keptRounds || each > rounds)
    await store.write([
      { table, key: keyOf(rounds), value },
      ...old.map((each) => ({ table, key: keyOf(each), value: undefined })),
    ])
    await forget(old)
    kept.set(rounds, { content, basis, replica })
  }

  async function forget(old: readonly number[]): Promise<void> {
    const gone = old.flatMap((each) => kept.get(each)?.content ?? [])
    for (const each of old) kept.delete(each)
    const still = new Set(Array.from(kept.values(), ({ content }) => content))
    for (const content of gone) if (!still.has(content)) await contents.remove(content)
  }

  return {
    newest: () => newest().replica,
    at: (rounds) => kept.get(rounds)?.replica,
    content: () => newest().content,
    contents: () => Array.from(kept.values(), ({ content }) => content),
    save,
    async goBack(basisOf) {
      const ascending = [...kept.keys()].toSorted((a, b) => a - b)
      const isOn = (rounds: number) => rounds === 0 || kept.get(rounds)!.basis === basisOf(rounds)
      const wrong = ascending.findIndex((rounds) => !isOn(rounds))
      if (wrong < 0) return true
      if (wrong === 0) return false
      const { replica, basis } = kept.get(ascending[wrong - 1]!)!
      await save(replica, basis)
      return true
    },
  }
}

/** Which states of a run a node has saved, the oldest first; the bytes of each are a content of its own. */
export async function savedStates(store: Store, run: Hex.Hex): Promise<readonly Saved[]> {
  const rows = await store.list(tableOf(run))
  return rows.map(({ value }) => Json.parse(record, JSON.parse(value), { what: 'saved state' }))
}

/** What a state came from: who counted in the round before it, with which payload and weight. */
export function basisOf({ accepted }: Extract<Decision, { kind: 'round-close' }>): string {
  const words = accepted.map(({ worker, weight, payload }) => `${worker} ${weight} ${payload}`)
  return Hex.sha256(words.join('\n'))
}

type Kept = { readonly replica: Replica; readonly content: Hex.Hex; readonly basis: string }

/** Rounds back whose beginnings are kept, for audits. */
const keptRounds = 4
const record = z.strictObject({
  rounds: z.int().check(z.minimum(0)),
  content: z.custom<Hex.Hex>(
    (value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value),
  ),
  basis: z.string().check(z.maxLength(66)),
})

type Saved = z.infer<typeof record>

function tableOf(run: Hex.Hex): string {
  return `trainingWorker/${run}`
}

function keyOf(rounds: number): string {
  return rounds.toString().padStart(10, '0')
}
