import { BaseError, messageOf } from '../runtime/Errors.ts'
import type * as Hex from '../protocol/Hex.ts'

/**
 * How large things move (weights, checkpoints, images), as a port: content named by its SHA-256,
 * fetched in hash-checked chunks from any number of peers. `https.ts` is the real one.
 */
export type Bulk = AsyncDisposable & {
  /** Where others fetch from us. */
  readonly source: Source
  /** Offers a file for as long as it does not change; returns the SHA-256 of its bytes. */
  share(path: string): Promise<Hex.Hex>
  /** Offers content no longer; requests under way are served to their end. */
  unshare(hash: Hex.Hex): Promise<void>
  /**
   * Fetches content into `path`, resuming what an earlier call left, and checks every chunk.
   *
   * @throws {UnavailableError} when no source has it whole and right; what was right is kept for the next call.
   * @throws {WriteError} when the disk does not take it.
   */
  fetch(
    hash: Hex.Hex,
    path: string,
    sources: readonly Source[],
    options?: FetchOptions,
  ): Promise<void>
  /** What has gone over the wire since the start, both as a server and as a client. */
  traffic(): Traffic
}

/** Bytes of TCP streams: contents, and the headers and the encryption around them; contents alone where they were relayed. */
export type Traffic = { readonly sentBytes: number; readonly receivedBytes: number }

/** A bulk server: base URL, and the SHA-256 of its TLS certificate (DER), which is how it is known. */
export type Source = {
  readonly url: string
  readonly certificate: Hex.Hex
  /** Its peer id, by which it is asked over the network when the URL cannot be reached, as behind NAT. */
  readonly peer?: string | undefined
}

export type FetchOptions = {
  signal?: AbortSignal | undefined
  onProgress?:
    | ((progress: { readonly bytes: number; readonly totalBytes: number }) => void)
    | undefined
  /** Refuse content larger than this. @default 256 GiB */
  maxBytes?: number | undefined
}

/** Thrown when none of the sources delivered the content. */
export class UnavailableError extends BaseError {
  override readonly code = 'Bulk.UnavailableError'

  constructor({ hash, reasons }: { hash: Hex.Hex; reasons: readonly string[] }) {
    super('No source delivered the content.', {
      metaMessages: [`SHA-256: ${hash}`, ...reasons],
    })
  }
}

/** Thrown when content cannot be written to disk, for instance because it is full. */
export class WriteError extends BaseError {
  override readonly code = 'Bulk.WriteError'

  constructor({ path, cause }: { path: string; cause: unknown }) {
    super('The content could not be written.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${messageOf(cause)}`,
        'Fix: free some disk space and try again; what has arrived is kept.',
      ],
    })
  }
}
