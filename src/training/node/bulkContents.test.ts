import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Bulk } from '../../network/Bulk.ts'
import { httpsBulk } from '../../network/https.ts'
import * as Hex from '../../protocol/Hex.ts'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { systemClock } from '../../runtime/systemClock.ts'
import { bulkContents } from './bulkContents.ts'

const place = mkdtempSync(join(tmpdir(), 'weft-contents-'))
const clock = systemClock()
const bytes = new TextEncoder().encode('signs and powers of two')
const many = { maxBytes: 1 << 20 }

afterAll(() => rmSync(place, { recursive: true, force: true }))

describe('bulkContents', () => {
  test('keeps what is put under its hash, after a restart too', async () => {
    const folder = folderOf()
    await using bulk = await bulkOf()
    const contents = await bulkContents({ bulk }, { folder })
    const hash = await contents.put(bytes)
    expect(hash).toBe(Hex.sha256(bytes))
    expect(await contents.put(bytes)).toBe(hash)
    expect(readdirSync(folder)).toEqual([hash.slice(2)])
    const again = await bulkContents({ bulk }, { folder })
    expect(Buffer.compare(await again.get(hash, [], many), bytes)).toBe(0)
    expect(again.held()).toEqual([hash])
  })

  test('fetches from whichever source has it, and offers it from then on', async () => {
    await using giver = await bulkOf()
    await using taker = await bulkOf()
    await using third = await bulkOf()
    const given = await bulkContents({ bulk: giver }, { folder: folderOf() })
    const taken = await bulkContents({ bulk: taker }, { folder: folderOf() })
    const last = await bulkContents({ bulk: third }, { folder: folderOf() })
    const hash = await given.put(bytes)
    const sources = [third.source, giver.source]
    expect(Buffer.compare(await taken.get(hash, sources, many), bytes)).toBe(0)
    await given.remove(hash)
    expect(Buffer.compare(await last.get(hash, [taker.source], many), bytes)).toBe(0)
  })

  test('does not wait for a first source that is silent', async () => {
    await using giver = await bulkOf()
    await using taker = await bulkOf()
    const given = await bulkContents({ bulk: giver }, { folder: folderOf() })
    const hash = await given.put(bytes)
    const silent = { url: 'https://127.0.0.1:1', certificate: Hex.zero }
    const taken = await bulkContents({ bulk: taker }, { folder: folderOf() })
    const found = await taken.get(hash, [silent, giver.source], many)
    expect(Buffer.compare(found, bytes)).toBe(0)
  })

  test('says that nobody has it, and takes nothing that is too large', async () => {
    await using giver = await bulkOf()
    await using taker = await bulkOf()
    const given = await bulkContents({ bulk: giver }, { folder: folderOf() })
    const folder = folderOf()
    const taken = await bulkContents({ bulk: taker }, { folder })
    const hash = await given.put(bytes)
    const code = 'Bulk.UnavailableError'
    await expect(taken.get(Hex.sha256('other'), [giver.source], many)).rejects.toMatchObject({
      code,
    })
    await expect(taken.get(hash, [giver.source], { maxBytes: 4 })).rejects.toMatchObject({ code })
    await expect(taken.get(hash, [], many)).rejects.toMatchObject({ code })
    expect(taken.held()).toEqual([])
  })

  test('throws away what a crash or a bad disk left, and fetches it again', async () => {
    await using giver = await bulkOf()
    await using taker = await bulkOf()
    const given = await bulkContents({ bulk: giver }, { folder: folderOf() })
    const hash = await given.put(bytes)
    const folder = folderOf()
    mkdirSync(folder)
    writeFileSync(join(folder, hash.slice(2)), 'something else')
    writeFileSync(join(folder, `${hash.slice(2)}.new`), 'half')
    const taken = await bulkContents({ bulk: taker }, { folder })
    expect(readdirSync(folder)).toEqual([])
    expect(Buffer.compare(await taken.get(hash, [giver.source], many), bytes)).toBe(0)
    writeFileSync(join(folder, hash.slice(2)), 'changed while we ran')
    expect(Buffer.compare(await taken.get(hash, [giver.source], many), bytes)).toBe(0)
  })

  test('says that the disk is full, loses nothing, and goes on when there is room', async () => {
    await using bulk = await bulkOf()
    const folder = folderOf()
    const contents = await bulkContents({ bulk }, { folder })
    const kept = await contents.put(bytes)
    const more = new TextEncoder().encode('more than there is room for')
    const unfinished = join(folder, `${Hex.sha256(more).slice(2)}.new`)
    symlinkSync('/dev/full', unfinished)
    await expect(contents.put(more)).rejects.toMatchObject({
      code: 'Bulk.WriteError',
      message: expect.stringMatching(/ENOSPC[\s\S]*free some disk space/) as string,
    })
    expect(Buffer.compare(await contents.get(kept, [], many), bytes)).toBe(0)
    expect(await contents.put(more)).toBe(Hex.sha256(more))
    expect(Buffer.compare(readFileSync(join(folder, Hex.sha256(more).slice(2))), more)).toBe(0)
  })

  test('names the file when the disk does not take it', async () => {
    await using bulk = await bulkOf()
    const folder = folderOf()
    const contents = await bulkContents({ bulk }, { folder })
    rmSync(folder, { recursive: true })
    await expect(contents.put(bytes)).rejects.toMatchObject({ code: 'Bulk.WriteError' })
  })
})

let folders = 0

function folderOf(): string {
  return join(place, String(folders++))
}

function bulkOf(): Promise<Bulk> {
  return httpsBulk({ clock, logger: silentLogger() }, { directory: folderOf() })
}
