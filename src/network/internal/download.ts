import { open, rename, type FileHandle } from 'node:fs/promises'
import type * as Hex from '../../protocol/Hex.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { messageOf } from '../../runtime/Errors.ts'
import { UnavailableError, WriteError, type FetchOptions } from '../Bulk.ts'
import { LiarError, type BulkSource } from './bulkSource.ts'
import * as Manifest from './manifest.ts'
import { wholeHash, type WholeHash } from './wholeHash.ts'

/** Chunks fetched at once from one source, and failures in a row after which it is given up. */
const perSource = 3
const failuresLimit = 4

/**
 * Fetches content into `path` from sources that nobody trusts. Every source claims how the content is cut; those that
 * claim the same are used together, each chunk checked as it comes. When all chunks fit and the whole does not,
 * exactly those that made the claim have lied, and the next claim is tried. Chunks that fit it too are kept.
 */
export async function download(
  ports: { clock: Clock },
  hash: Hex.Hex,
  path: string,
  sources: readonly BulkSource[],
  options: FetchOptions = {},
): Promise<void> {
  const { signal = new AbortController().signal, onProgress, maxBytes = 256 * 1024 ** 3 } = options
  const reasons = new Map<BulkSource, string>()
  const drop: Drop = (source, error) =>
    void reasons.set(source, `${source.url}: ${messageOf(error)}`)
  const claims = await askAll(ports, hash, sources, { signal, maxBytes, drop })

  const partial = `${path}.partial`
  for (const { manifest, sources: group } of claims) {
    signal.throwIfAborted()
    await using file = await openPartial(partial)
    const whole = wholeHash(file, manifest)
    const transfer = { hash, manifest, file, whole, signal, onProgress, drop }
    if (!(await fetchAll(ports, transfer, group))) continue
    if ((await whole.finish({ signal })) === hash) return await putInPlace(file, partial, path)
    for (const source of group)
      drop(source, new Error('Its list of chunks is not of this content.'))
  }
  throw new UnavailableError({ hash, reasons: [...reasons.values()] })
}

type Drop = (source: BulkSource, error: unknown) => void

type Claim = { readonly manifest: Manifest.Manifest; readonly sources: readonly BulkSource[] }

/** What the sources claim, the claim of most sources first. */
async function askAll(
  { clock }: { clock: Clock },
  hash: Hex.Hex,
  sources: readonly BulkSource[],
  options: { signal: AbortSignal; maxBytes: number; drop: Drop },
): Promise<readonly Claim[]> {
  const { signal, drop } = options
  const claims = new Map<string, { manifest: Manifest.Manifest; sources: BulkSource[] }>()
  await Promise.all(
    sources.map(async (source) => {
      try {
        const manifest = await patiently(clock, signal, () => source.manifest(hash, options))
        const claim = claims.get(JSON.stringify(manifest))
        if (claim) claim.sources.push(source)
        else claims.set(JSON.stringify(manifest), { manifest, sources: [source] })
      } catch (error) {
        signal.throwIfAborted()
        drop(source, error)
      }
    }),
  )
  return [...claims.values()].toSorted((a, b) => b.sources.length - a.sources.length)
}

type Transfer = {
  readonly hash: Hex.Hex
  readonly manifest: Manifest.Manifest
  readonly file: FileHandle
  readonly whole: WholeHash
  readonly signal: AbortSignal
  readonly onProgress: FetchOptions['onProgress']
  readonly drop: Drop
}

/** Fetches the chunks that are missing. Returns whether all of them are there. */
async function fetchAll(
  { clock }: { clock: Clock },
  transfer: Transfer,
  sources: readonly BulkSource[],
): Promise<boolean> {
  const { hash, manifest, file, whole, onProgress, drop } = transfer
  const failed = new AbortController()
  const signal = AbortSignal.any([transfer.signal, failed.signal])
  const missing = await findMissing(transfer, signal)
  const totalBytes = manifest.bytes
  let bytes = totalBytes - missing.reduce((sum, i) => sum + Manifest.chunkLength(manifest, i), 0)
  let left = missing.length
  onProgress?.({ bytes, totalBytes })

  async function work(source: BulkSource, lane: { alive: boolean }): Promise<void> {
    while (lane.alive && left > 0) {
      const index = missing.shift()
      // Another source may give up on its chunk yet.
      if (index === undefined) await clock.sleep(20, { signal })
      else lane.alive = (await fetchOne(source, index)) && lane.alive
    }
  }

  async function fetchOne(source: BulkSource, index: number): Promise<boolean> {
    try {
      const attempt = async () => source.chunk(hash, manifest, index, { signal })
      const chunk = await patiently(clock, signal, attempt)
      await write(file, chunk, index * Manifest.chunkBytes)
      whole.add(index, chunk)
      bytes += chunk.byteLength
      left--
      onProgress?.({ bytes, totalBytes })
      return true
    } catch (error) {
      missing.unshift(index)
      signal.throwIfAborted()
      if (error instanceof WriteError) throw error
      drop(source, error)
      return false
    }
  }

  await Promise.allSettled(
    sources.flatMap((source) => {
      const lane = { alive: true }
      const lanes = Array.from({ length: perSource }, async () => work(source, lane))
      return lanes.map(async (running) => running.catch((error) => failed.abort(error)))
    }),
  )
  signal.throwIfAborted()
  return left === 0
}

/** Which chunks an earlier call has not left: those whose hash is wrong. Cuts what is beyond the end. */
async function findMissing(transfer: Transfer, signal: AbortSignal): Promise<number[]> {
  const { file, manifest, whole } = transfer
  const { size } = await file.stat()
  if (size > manifest.bytes) await file.truncate(manifest.bytes)
  const missing: number[] = []
  for (const [index, expected] of manifest.chunks.entries()) {
    signal.throwIfAborted()
    const start = index * Manifest.chunkBytes
    const length = Manifest.chunkLength(manifest, index)
    const there = start + length <= size
    const chunk = there ? await Manifest.readChunk(file, start, length) : undefined
    if (chunk && Manifest.hashChunk(chunk) === expected) whole.add(index, chunk)
    else missing.push(index)
  }
  return missing
}

/** Tries again after passing failures; never after a lie. */
async function patiently<type>(
  clock: Clock,
  signal: AbortSignal,
  attempt: () => Promise<type>,
): Promise<type> {
  for (let failures = 1; ; failures++)
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof LiarError || failures === failuresLimit) throw error
      await clock.sleep(100 * 2 ** failures, { signal })
    }
}

async function openPartial(path: string): Promise<FileHandle> {
  try {
    // Not 'a+': writes must go where they are sent. Not 'w+': what is there is kept.
    return await open(path, 'r+').catch(async () => await open(path, 'w+'))
  } catch (cause) {
    throw new WriteError({ path, cause })
  }
}

/** The name appears when the bytes are on disk, and not before. */
async function putInPlace(file: FileHandle, partial: string, path: string): Promise<void> {
  try {
    await file.sync()
    await rename(partial, path)
  } catch (cause) {
    throw new WriteError({ path, cause })
  }
}

async function write(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  try {
    for (let written = 0; written < chunk.byteLength;) {
      const rest = chunk.byteLength - written
      written += (await file.write(chunk, written, rest, position + written)).bytesWritten
    }
  } catch (cause) {
    throw new WriteError({ path: 'the partial file', cause })
  }
}
