import { open } from 'node:fs/promises'
import type { ByteSource } from '../exact/weights/ByteSource.ts'
import { EngineError } from './Engine.ts'

/**
 * Opens a file of weights that is read piece by piece.
 *
 * @throws {EngineError} when it cannot be opened, or ends before what is read.
 */
export async function fileSource(path: string): Promise<ByteSource & AsyncDisposable> {
  const file = await open(path).catch((cause: unknown) => {
    throw new EngineError('A file of the model cannot be opened.', {
      cause,
      metaMessages: [`File: ${path}`, 'Fix: name a file that is there and can be read.'],
    })
  })
  const { size } = await file.stat()
  return {
    byteLength: size,
    async read(begin, end) {
      const bytes = new Uint8Array(end - begin)
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, begin + at)
        if (bytesRead === 0)
          throw new EngineError('A file of the model ends sooner than it should.', {
            metaMessages: [`File: ${path}`, 'Fix: start again when it is complete.'],
          })
        at += bytesRead
      }
      return bytes
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}
