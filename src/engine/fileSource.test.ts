import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fileSource } from './fileSource.ts'

const home = mkdtempSync(join(tmpdir(), 'weft-source-'))
afterAll(() => rmSync(home, { recursive: true }))

describe('fileSource', () => {
  const path = join(home, 'weights')

  test('reads any piece of a file', async () => {
    writeFileSync(path, Uint8Array.of(0, 1, 2, 3, 4, 5))
    await using source = await fileSource(path)
    expect(source.byteLength).toBe(6)
    expect(await source.read(2, 5)).toEqual(Uint8Array.of(2, 3, 4))
    expect(await source.read(6, 6)).toEqual(new Uint8Array())
  })

  test('says which file is missing, or ends while it is read', async () => {
    await expect(fileSource(join(home, 'none'))).rejects.toThrow('cannot be opened')
    writeFileSync(path, new Uint8Array(6))
    await using source = await fileSource(path)
    truncateSync(path, 4)
    await expect(source.read(2, 6)).rejects.toThrow('ends sooner than it should')
  })
})
