import type { Source } from '../../network/Bulk.ts'
import type * as Hex from '../../protocol/Hex.ts'

/**
 * Bytes by their SHA-256, ours and others', as a port: payloads, error vectors and checkpoints move by
 * it. What is put survives a crash and can be fetched by others until it is removed.
 */
export type Contents = {
  put(bytes: Uint8Array): Promise<Hex.Hex>
  /**
   * Gives what we have, or fetches it from whichever of the sources has it, and keeps it.
   *
   * @throws {Bulk.UnavailableError} when nobody delivered it, or it is larger than `maxBytes`.
   */
  get(
    hash: Hex.Hex,
    sources: readonly Source[],
    options: { maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array>
  remove(hash: Hex.Hex): Promise<void>
}
