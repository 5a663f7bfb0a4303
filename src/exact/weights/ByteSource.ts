/** A file that is read piece by piece, wherever it is. */
export type ByteSource = {
  readonly byteLength: number
  /** The bytes from `begin` up to `end`, all of them. */
  read(begin: number, end: number): Promise<Uint8Array>
}

/** Bytes in memory as a file. */
export function fromBytes(bytes: Uint8Array): ByteSource {
  return {
    byteLength: bytes.byteLength,
    read: (begin, end) => Promise.resolve(bytes.subarray(begin, end)),
  }
}
