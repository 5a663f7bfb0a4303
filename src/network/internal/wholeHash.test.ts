import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chunkBytes, hashFile } from './manifest.ts'
import { wholeHash } from './wholeHash.ts'

const count = 20

describe('wholeHash', () => {
  test.each<readonly [string, readonly number[]]>([
    ['in order', range(count)],
    ['backwards, more than it keeps', range(count).toReversed()],
    ['in pairs', range(count).map((i) => i ^ 1)],
    ['not at all', []],
    ['twice', [0, 0, 1, 0, 2, 1]],
    ['with a gap', [0, 1, 5, 6, 7]],
  ])('is right when chunks come %s', async (_, order) => {
    await using stack = new AsyncDisposableStack()
    const directory = mkdtempSync(join(tmpdir(), 'weft-whole-'))
    stack.defer(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'file')
    const data = Buffer.alloc((count - 1) * chunkBytes + 10)
    for (let i = 0; i < count; i++) data.writeUInt32BE(i, i * chunkBytes)
    writeFileSync(path, data)
    const { hash, manifest } = await hashFile(path)
    const file = stack.use(await open(path, 'r'))
    const whole = wholeHash(file, manifest)

    for (const i of order) whole.add(i, data.subarray(i * chunkBytes, (i + 1) * chunkBytes))

    expect(await whole.finish({ signal: new AbortController().signal })).toBe(hash)
  })
})

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i)
}
