import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import * as Manifest from './manifest.ts'

const { chunkBytes } = Manifest

describe('hashFile', () => {
  test.each([
    [0, 0],
    [1, 1],
    [chunkBytes, 1],
    [chunkBytes + 1, 2],
  ])('cuts %i bytes into %i chunks', async (size, count) => {
    const directory = mkdtempSync(join(tmpdir(), 'weft-manifest-'))
    const data = new Uint8Array(size).fill(size & 255)
    writeFileSync(join(directory, 'file'), data)

    const { hash, manifest } = await Manifest.hashFile(join(directory, 'file'))
    rmSync(directory, { recursive: true })

    expect(hash).toBe(Hex.sha256(data))
    expect(manifest.bytes).toBe(size)
    expect(manifest.chunks).toHaveLength(count)
    expect(Manifest.parse(JSON.stringify(manifest))).toEqual(manifest)
    if (count === 2) {
      expect(manifest.chunks[1]).toBe(Hex.sha256(data.subarray(chunkBytes)))
      expect(Manifest.chunkLength(manifest, 0)).toBe(chunkBytes)
      expect(Manifest.chunkLength(manifest, 1)).toBe(1)
    }
  })

  test('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))

    await expect(Manifest.hashFile(import.meta.filename, { signal })).rejects.toThrowError('enough')
  })
})

describe('parse', () => {
  test.each([
    '',
    '[]',
    '{"bytes":0}',
    '{"bytes":-1,"chunks":[]}',
    '{"bytes":0.5,"chunks":[]}',
    '{"bytes":1,"chunks":[]}',
    '{"bytes":1,"chunks":["0x00"]}',
    `{"bytes":0,"chunks":["${Hex.zero}"]}`,
    '{"bytes":0,"chunks":[],"more":1}',
    '{"bytes":1e300,"chunks":[]}',
  ])('takes %j for no manifest', (text) => {
    expect(Manifest.parse(text)).toBeUndefined()
  })
})
