import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as Hex from '../../protocol/Hex.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { sqliteStore } from '../../runtime/sqliteStore.ts'
import { savedStates } from '../../training/node/openReplicas.ts'
import { fromBytes } from '../../training/node/replicaBytes.ts'
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
  const saved = await savedStates(store, run)
  // The node may have removed an older state between the two looks.
  for (const { rounds, content } of saved.toReversed()) {
    const path = join(folder, 'contents', content.slice(2))
    const bytes = existsSync(path) ? readBytes(path) : undefined
    if (bytes && Hex.sha256(bytes) === content) return { rounds, ...fromBytes(layout, bytes) }
  }
  throw new NoStateError(folder)
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
