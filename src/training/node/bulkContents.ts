import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Bulk, UnavailableError, WriteError } from '../../network/Bulk.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Contents } from './Contents.ts'

/** Contents as files in a folder, each named by its hash and offered to others. */
export type BulkContents = Contents & {
  /** What is in the folder. */
  held(): readonly Hex.Hex[]
}

/**
 * Keeps contents in a folder, and moves them over a bulk port: files appear whole or not at all, and what is
 * there when it opens is offered again.
 *
 * @throws {WriteError} when the folder cannot be made.
 */
export async function bulkContents(
  { bulk }: { bulk: Bulk },
  { folder }: bulkContents.Options,
): Promise<BulkContents> {
  const held = new Set<Hex.Hex>()
  const pathOf = (hash: Hex.Hex) => join(folder, hash.slice(2))

  await onDisk(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    // What a crash left half written, but not what a fetch can go on from.
    if (name.endsWith('.new')) await rm(path)
    if (!/^[0-9a-f]{64}$/.test(name)) continue
    if ((await bulk.share(path)) === `0x${name}`) held.add(`0x${name}`)
    else await drop(`0x${name}`)
  }

  async function drop(hash: Hex.Hex): Promise<void> {
    held.delete(hash)
    await bulk.unshare(hash)
    await rm(pathOf(hash), { force: true })
  }

  async function offer(hash: Hex.Hex): Promise<void> {
    await bulk.share(pathOf(hash))
    held.add(hash)
  }

  /** Undefined when it is not there, or not what it should be. */
  async function read(hash: Hex.Hex): Promise<Uint8Array | undefined> {
    const bytes = await readFile(pathOf(hash)).catch(() => undefined)
    if (bytes === undefined || hashOf(bytes) === hash) return bytes
    await drop(hash)
    return undefined
  }

  return {
    held: () => [...held],
    async put(bytes) {
      const hash = hashOf(bytes)
      if (held.has(hash)) return hash
      await onDisk(pathOf(hash), () => writeWhole(pathOf(hash), bytes))
      await offer(hash)
      return hash
    },
    async get(hash, sources, { maxBytes, signal }) {
      const own = await read(hash)
      if (own) return own
      if (sources.length === 0)
        throw new UnavailableError({ hash, reasons: ['It is not in the folder.'] })
      await bulk.fetch(hash, pathOf(hash), sources, { maxBytes, signal })
      await offer(hash)
      return await readFile(pathOf(hash))
    },
    remove: drop,
  }
}

export declare namespace bulkContents {
  type Options = { folder: string }
}

function hashOf(bytes: Uint8Array): Hex.Hex {
  return Hex.from(createHash('sha256').update(bytes).digest())
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`
  try {
    await using file = await open(temporary, 'w', 0o600)
    await file.writeFile(bytes)
    await file.sync()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await rename(temporary, path)
}

async function onDisk<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (cause) {
    throw new WriteError({ path, cause })
  }
}
