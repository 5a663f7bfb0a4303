import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { diskSync } from './diskSync.ts'

const path = () => join(mkdtempSync(join(tmpdir(), 'weft-sync-')), 'file')

describe('diskSync', () => {
  test('brings a file to the disk, again and again', async () => {
    const file = path()
    writeFileSync(file, 'a')
    using disk = diskSync(file)
    await disk.sync()
    appendFileSync(file, 'b')
    await disk.sync()
  })

  test('shares one trip among calls that meet, but not one that is under way', async () => {
    const file = path()
    writeFileSync(file, 'a')
    using disk = diskSync(file)
    const first = disk.sync()
    const second = disk.sync()
    const third = disk.sync()
    expect(third).toBe(second)
    await Promise.all([first, second])
    const later = disk.sync()
    expect(later).not.toBe(first)
    await later
  })

  test('fails for ever once it has failed', async () => {
    const file = path()
    using disk = diskSync(file)
    await expect(disk.sync()).rejects.toMatchObject({ code: 'ENOENT' })
    writeFileSync(file, 'a')
    await expect(disk.sync()).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(Promise.all([disk.sync(), disk.sync()])).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
