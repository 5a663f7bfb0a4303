import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeGguf } from '../exact/weights/encodeGguf.ts'
import * as Gguf from '../exact/weights/Gguf.ts'
import { codeOf } from '../runtime/Errors.ts'
import { readGguf } from './readGguf.ts'

const folder = await mkdtemp(join(tmpdir(), 'weft-gguf-'))
const file: encodeGguf.File = {
  metadata: [
    ['general.architecture', 'string', 'llama'],
    ['tokens', 'strings', Array.from({ length: 200_000 }, (_, i) => `token number ${i}`)],
  ],
  tensors: [{ name: 'one', shape: [3], data: Float32Array.of(1, 2, 3) }],
}

describe('readGguf', () => {
  test('reads the header of a file, however long', async () => {
    const path = join(folder, 'long.gguf')
    await writeFile(path, encodeGguf(file))
    const gguf = await readGguf(path)
    expect(Gguf.text(gguf, 'general.architecture')).toBe('llama')
    expect(gguf.metadata.get('tokens')).toHaveLength(200_000)
    expect(gguf.tensors).toHaveLength(1)
  })

  test('says which file is wrong, and what to do', async () => {
    const cut = join(folder, 'cut.gguf')
    await writeFile(cut, encodeGguf(file).subarray(0, 5000))
    for (const [path, reason] of [
      ['/nowhere/model.gguf', 'cannot be opened'],
      [cut, 'ends inside its header'],
    ] as const) {
      const error = await readGguf(path).catch((cause: unknown) => cause)
      expect(codeOf(error)).toBe('Gguf.InvalidError')
      expect((error as Error).message).toContain(`File: ${path}`)
      expect((error as Error).message).toContain(reason)
      expect((error as Error).message).toContain('Fix: ')
    }
  })
})
