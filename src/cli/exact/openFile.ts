import { open } from 'node:fs/promises'
import type { ByteSource } from '../../exact/weights/ByteSource.ts'
import { FileError } from '../readBytes.ts'

/**
 * Opens a file that is too large to read as a whole.
 *
 * @throws {FileError} when it cannot be opened, or ends before what is read.
 */
export async function openFile(path: string): Promise<ByteSource & AsyncDisposable> {
  const file = await open(path).catch((cause: unknown) => {
    throw new FileError({ path, cause })
  })
  const { size } = await file.stat()
  return {
    byteLength: size,
    async read(begin, end) {
      const bytes = new Uint8Array(end - begin)
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, begin + at)
        if (bytesRead === 0) throw new FileError({ path, cause: 'It ends sooner than it should.' })
        at += bytesRead
      }
      return bytes
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}
