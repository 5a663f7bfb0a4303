import { open, rename, type FileHandle } from 'node:fs/promises'
import type * as Hex from '../../protocol/Hex.ts'
import { type Clock, joinSignals } from '../../runtime/Clock.ts'
import { messageOf } from '../../runtime/Errors.ts'
import { UnavailableError, WriteError, type FetchOptions } from '../Bulk.ts'
import { type BulkSource, LiarError, RefusalError, StrangerError } from './bulkSource.ts'
import { chunkQueue } from './chunkQueue.ts'
import { type Claim, claimsOf } from './claims.ts'
import { firstOf } from './firstOf.ts'
import * as Manifest from './manifest.ts'
import { wholeHash, type WholeHash } from './wholeHash.ts'

/** Chunks fetched at once: from one source, and from all, since each is held in memory. */
const perSource = 3
const atOnce = 24
/** Failures in a row after which a source is given up. */
const failuresLimit = 4
/** How long a source of small content is asked alone, and how long one looks whether there is more to fetch. */
const staggerMs = 1_000
const idleMs = 20

/**
 * Fetches content into `path` from sources that nobody trusts. Every source claims how the content is cut; those that
 * claim the same are used together, each chunk checked as it comes. When all chunks fit and the whole does not,
 * exactly those that made the claim have lied, and the next claim is tried. Chunks that fit it too are kept.
 */
export async function fetchContent(
  ports: fetchContent.Ports,
  hash: Hex.Hex,
  path: string,
  sources: readonly BulkSource[],
  options: FetchOptions = {},
): Promise<void> {
  const { signal = new AbortController().signal, onProgress, maxBytes = 256 * 1024 ** 3 } = options
  const reasons = new Map<BulkSource, string>()
  const drop: Drop = (source, error) => {
    reasons.set(source, `${source.url}: ${messageOf(error)}`)
    if (error instanceof LiarError) ports.onLiar?.(source, messageOf(error))
  }
  const patient = { ...ports, signal, maxBytes, drop }
  const partial = `${path}.partial`
  if (maxBytes <= Manifest.chunkBytes) {
    const bytes = await fetchSmall(patient, hash, sources)
    if (!bytes) throw new UnavailableError({ hash, reasons: [...reasons.values()] })
    await using file = await openPartial(partial)
    await write(file, bytes, 0)
    const disk = flusher(file)
    onProgress?.({ bytes: bytes.byteLength, totalBytes: bytes.byteLength })
    return await putInPlace(file, { partial, path, disk, bytes: bytes.byteLength })
  }
  const ask = (source: BulkSource, stop: AbortSignal) =>
    patiently(ports, stop, () => source.manifest(hash, { signal: stop, maxBytes }))
  await using claims = claimsOf(ports, sources, { ask, drop, signal })
  for (let claim = await claims.next(); claim; claim = await claims.next()) {
    signal.throwIfAborted()
    await using file = await openPartial(partial)
    const whole = wholeHash(file, claim.manifest)
    const disk = flusher(file)
    const transfer = { hash, claim, file, disk, whole, signal, onProgress, drop }
    if (!(await fetchAll(ports, transfer))) continue
    if ((await whole.finish({ signal })) === hash)
      return await putInPlace(file, { partial, path, disk, bytes: claim.manifest.bytes })
    for (const source of claim.sources())
      drop(source, new LiarError({ reason: 'Its list of chunks is not of this content.' }))
  }
  signal.throwIfAborted()
  throw new UnavailableError({ hash, reasons: [...reasons.values()] })
}

export declare namespace fetchContent {
  type Ports = {
    clock: Clock
    /** Told of a source that has sent what cannot be right. */
    onLiar?: ((source: BulkSource, reason: string) => void) | undefined
  }
}

type Drop = (source: BulkSource, error: unknown) => void

/** Content of one chunk at most: its name says what its only chunk must be, so no list is asked for. */
async function fetchSmall(
  options: { clock: Clock; signal: AbortSignal; maxBytes: number; drop: Drop },
  hash: Hex.Hex,
  sources: readonly BulkSource[],
): Promise<Uint8Array | undefined> {
  const { clock, signal, maxBytes, drop } = options
  const attempt = async (source: BulkSource, stop: AbortSignal) => {
    try {
      const once = () => source.whole(hash, { signal: stop, maxBytes })
      return await patiently({ clock }, stop, once)
    } catch (error) {
      if (!stop.aborted) drop(source, error)
      throw error
    }
  }
  return (await firstOf(clock, sources, attempt, { staggerMs, signal }))?.value
}

type Transfer = {
  readonly hash: Hex.Hex
  readonly claim: Claim
  readonly file: FileHandle
  readonly disk: Flusher
  readonly whole: WholeHash
  readonly signal: AbortSignal
  readonly onProgress: FetchOptions['onProgress']
  readonly drop: Drop
}

/** Fetches the chunks that are missing. Returns whether all of them are there. */
async function fetchAll({ clock }: { clock: Clock }, transfer: Transfer): Promise<boolean> {
  const { hash, claim, file, disk, whole, onProgress, drop } = transfer
  const { manifest } = claim
  const failed = new AbortController()
  using joined = joinSignals(transfer.signal, failed.signal)
  const { signal } = joined
  const missing = await findMissing(transfer, signal)
  const queue = chunkQueue<BulkSource>(missing)
  const totalBytes = manifest.bytes
  let bytes = totalBytes - missing.reduce((sum, i) => sum + Manifest.chunkLength(manifest, i), 0)
  onProgress?.({ bytes, totalBytes })

  /** One of the chunks that a source sends at a time, one after the other. */
  async function lane(source: BulkSource, life: { isOver: boolean }): Promise<void> {
    for (let failures = 0; !life.isOver && queue.left() > 0;) {
      const task = queue.take(source, clock.now())
      if (!task) {
        await clock.sleep(idleMs, { signal })
        continue
      }
      using stop = joinSignals(signal, task.signal)
      try {
        const chunk = await source.chunk(hash, manifest, task.index, stop)
        failures = 0
        if (!queue.finish(task, clock.now())) continue
        await write(file, chunk, task.index * Manifest.chunkBytes)
        disk.wrote(chunk.byteLength)
        whole.add(task.index, chunk)
        bytes += chunk.byteLength
        onProgress?.({ bytes, totalBytes })
      } catch (error) {
        queue.giveBack(task)
        signal.throwIfAborted()
        if (task.signal.aborted) continue
        if (error instanceof WriteError) throw error
        life.isOver ||= isFinal(error) || ++failures === failuresLimit
        if (life.isOver) drop(source, error)
        else await clock.sleep(pauseMs(failures), { signal })
      }
    }
  }

  const running = new Set<Promise<void>>()
  claim.onSource((source) => {
    const life = { isOver: false }
    const lanes = Math.max(1, Math.min(perSource, Math.floor(atOnce / claim.sources().length)))
    for (let count = 0; count < lanes; count++) {
      const task = lane(source, life)
        .catch((error: unknown) => failed.abort(error))
        .finally(() => running.delete(task))
      running.add(task)
    }
  })
  do {
    while (running.size > 0) await Promise.all(running)
    transfer.signal.throwIfAborted()
    if (failed.signal.aborted) throw failed.signal.reason
  } while (queue.left() > 0 && (await claim.more()))
  return queue.left() === 0
}

/** Which chunks an earlier call has not left: those whose hash is wrong. Cuts what is beyond the end. */
async function findMissing(transfer: Transfer, signal: AbortSignal): Promise<number[]> {
  const { file, whole } = transfer
  const { manifest } = transfer.claim
  const { size } = await file.stat()
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

/** Tries again after passing failures; never after what asking again would not change. */
async function patiently<type>(
  { clock }: { clock: Clock },
  signal: AbortSignal,
  attempt: () => Promise<type>,
): Promise<type> {
  for (let failures = 1; ; failures++)
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (isFinal(error) || failures === failuresLimit) throw error
      await clock.sleep(pauseMs(failures), { signal })
    }
}

function isFinal(error: unknown): boolean {
  return [LiarError, RefusalError, StrangerError].some((kind) => error instanceof kind)
}

function pauseMs(failures: number): number {
  return 100 * 2 ** failures
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
async function putInPlace(
  file: FileHandle,
  options: { partial: string; path: string; disk: Flusher; bytes: number },
): Promise<void> {
  const { partial, path, disk, bytes } = options
  try {
    // An earlier claim or call may have left more.
    await file.truncate(bytes)
    await disk.finish()
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

/** Has the disk take what was written while more comes, so that little is left to wait for at the end. */
function flusher(file: FileHandle) {
  let unflushed = 0
  let flushing: Promise<void> | undefined
  let failure: unknown
  return {
    wrote(bytes: number): void {
      unflushed += bytes
      if (flushing || unflushed < flushBytes) return
      unflushed = 0
      flushing = file
        .datasync()
        .catch((error: unknown) => void (failure = error))
        .finally(() => (flushing = undefined))
    },
    /** What failed on the way counts: the system says it once. */
    async finish(): Promise<void> {
      await flushing
      if (failure) throw failure
      await file.sync()
    },
  }
}

type Flusher = ReturnType<typeof flusher>

const flushBytes = 16 * 1024 * 1024
