import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'
import type { SharedFile } from './bulkServer.ts'
import * as Manifest from './manifest.ts'

const entrySchema = z.strictObject({
  path: z.string(),
  mtimeMs: z.number(),
  hash: z.string().check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Hex.Hex>,
  manifest: Manifest.schema,
})

/**
 * Hashes a file, or remembers its hashes: a model of 40 GB takes a minute to hash, and its provider restarts in one second.
 * What is remembered holds while size and time of change are the same; who fetches checks the bytes anyway.
 */
export async function describeFile(
  directory: string,
  path: string,
): Promise<SharedFile & { readonly hash: Hex.Hex }> {
  const absolute = resolve(path)
  const { mtimeMs, size } = await stat(absolute)
  const note = noteOf(directory, absolute)
  const known = await readNote(note)
  if (known?.path === absolute && known.mtimeMs === mtimeMs && known.manifest.bytes === size)
    return known
  const described = { path: absolute, mtimeMs, ...(await Manifest.hashFile(absolute)) }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeFile(`${note}.new`, JSON.stringify(described))
  await rename(`${note}.new`, note)
  return described
}

/** Forgets the hashes of a file. */
export async function forgetFile(directory: string, path: string): Promise<void> {
  await rm(noteOf(directory, resolve(path)), { force: true })
}

function noteOf(directory: string, absolute: string): string {
  return join(directory, `${createHash('sha256').update(absolute).digest('hex')}.json`)
}

async function readNote(note: string) {
  try {
    const { success, data } = z.safeParse(entrySchema, JSON.parse(await readFile(note, 'utf8')))
    return success && data.manifest.chunks.length === Manifest.chunkCount(data.manifest.bytes)
      ? data
      : undefined
  } catch {
    return undefined
  }
}
