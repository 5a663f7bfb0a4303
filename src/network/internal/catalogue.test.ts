import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import { describeFile } from './catalogue.ts'

describe('describeFile', () => {
  test('remembers a file that has not changed', async () => {
    using world = temporary()
    const path = world.file('weights')
    utimesSync(path, 1000, 1000)
    const first = await describeFile(world.notes, path)

    // The same size and time with other bytes: only a hash that is remembered can be the old one.
    writeFileSync(path, 'WEIGHTS')
    utimesSync(path, 1000, 1000)

    expect(first.hash).toBe(Hex.sha256('weights'))
    expect(await describeFile(world.notes, path)).toEqual(first)
  })

  test('hashes a file again when its size or time has changed', async () => {
    using world = temporary()
    await describeFile(world.notes, world.file('weights'))

    expect((await describeFile(world.notes, world.file('other weights'))).hash).toBe(
      Hex.sha256('other weights'),
    )
    const path = world.file('OTHER weights')
    utimesSync(path, 1, 1)
    expect((await describeFile(world.notes, path)).hash).toBe(Hex.sha256('OTHER weights'))
  })

  test.each(['', '{', '{"path":"x"}', 'null'])('does without a note that says %j', async (text) => {
    using world = temporary()
    const path = world.file('weights')
    await describeFile(world.notes, path)
    for (const note of readdirSync(world.notes)) writeFileSync(join(world.notes, note), text)

    expect((await describeFile(world.notes, path)).hash).toBe(Hex.sha256('weights'))
  })

  test('keeps one note a file, however the path is written', async () => {
    using world = temporary()
    const path = world.file('weights')
    await describeFile(world.notes, path)
    await describeFile(world.notes, join(world.notes, '..', 'notes', '..', 'file'))

    expect(readdirSync(world.notes)).toHaveLength(1)
  })
})

function temporary() {
  const directory = mkdtempSync(join(tmpdir(), 'weft-catalogue-'))
  return {
    notes: join(directory, 'notes'),
    file(text: string) {
      writeFileSync(join(directory, 'file'), text)
      return join(directory, 'file')
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  }
}
