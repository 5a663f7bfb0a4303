import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { sqliteStore } from '../../runtime/sqliteStore.ts'
import { type Log, openLog } from '../../training/log/openLog.ts'
import * as RunFile from './RunFile.ts'
import { journalName } from './startNode.ts'

/** A run as the folder of one of its nodes holds it. */
export type OpenedRun = { readonly file: RunFile.RunFile; readonly log: Log }

/**
 * Reads the log in the folder of a node, which may be at work, and checks it from its first batch on:
 * signatures, order, and who wrote in turn.
 *
 * @throws {RunFileError} when the folder is none of a node.
 * @throws {LogError} when a batch cannot stand.
 */
export async function openRun(folder: string): Promise<OpenedRun> {
  const file = RunFile.read(join(folder, 'run.json'))
  const { domain, order } = file
  const log = await openLog({ domain, store: memoryStore() }, { order })
  const journal = join(folder, journalName)
  if (!existsSync(journal)) return { file, log }
  await using store = sqliteStore(journal)
  const stored = await openLog({ domain, store }, { order })
  await log.take(stored.from(0, Infinity), stored.head().now)
  return { file, log }
}
