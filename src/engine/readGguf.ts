import { open } from 'node:fs/promises'
import * as Gguf from '../exact/weights/Gguf.ts'

/**
 * Reads and checks the header of a GGUF file.
 *
 * @throws {Gguf.InvalidError} naming the file, when it is not a whole GGUF model.
 */
export async function readGguf(path: string): Promise<Gguf.Gguf> {
  await using file = await open(path, 'r').catch((cause: unknown) => {
    throw new Gguf.InvalidError({ path, reason: 'the file cannot be opened', cause })
  })
  const { size } = await file.stat()
  const read = async (begin: number, end: number) => {
    const bytes = new Uint8Array(end - begin)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, begin)
    if (bytesRead < bytes.length)
      throw new Gguf.InvalidError({ path, reason: 'it shrinks while read' })
    return bytes
  }
  try {
    return await Gguf.read({ byteLength: size, read })
  } catch (error) {
    if (!(error instanceof Gguf.InvalidError)) throw error
    throw new Gguf.InvalidError({ path, reason: error.reason, cause: error.cause })
  }
}
