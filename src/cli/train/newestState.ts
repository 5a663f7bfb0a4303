import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { byteLength } from '../../exact/Tensor.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { sqliteStore } from '../../runtime/sqliteStore.ts'
import type { Layout, Replica } from '../../training/Replica.ts'
import { readBytes } from '../readBytes.ts'
import { journalName } from './startNode.ts'

/**
 * The newest state in the folder of a node, which may be at work.
 *
 * @throws {NoStateError} when there is none yet, or its file is gone.
 */
export async function newestState(
  folder: string,
  { run, layout }: { run: Hex.Hex; layout: Layout },
): Promise<Replica> {
  const journal = join(folder, journalName)
  if (!existsSync(journal)) throw new NoStateError(folder)
  await using store = sqliteStore(journal)
  const rows = await store.list(`trainingWorker/${run}`)
  // The node may have removed an older state between the two looks.
  for (const { value } of rows.toReversed()) {
    const { rounds, content } = Json.parse(kept, JSON.parse(value), { what: 'saved state' })
    const path = join(folder, 'contents', content.slice(2))
    const bytes = existsSync(path) ? readBytes(path) : undefined
    if (bytes && Hex.sha256(bytes) === content)
      return { rounds, parameters: parametersIn(layout, bytes) }
  }
  throw new NoStateError(folder)
}

const kept = z.object({
  rounds: z.int().check(z.minimum(0)),
  content: z.string().check(z.regex(/^0x[0-9a-f]{64}$/)),
})

/** The parameters stand first, in the graph's order. */
function parametersIn({ slots }: Layout, bytes: Uint8Array): readonly Uint8Array[] {
  let at = 0
  return slots.map((slot) => {
    at += byteLength(slot)
    return bytes.slice(at - byteLength(slot), at)
  })
}

/** Thrown when a node has no state of its run. */
export class NoStateError extends BaseError {
  override readonly code = 'Cli.NoTrainingStateError'

  constructor(folder: string) {
    super(`${folder} holds no state of its run yet.`, {
      metaMessages: ['Fix: let the node run until it has joined, and try again.'],
    })
  }
}
