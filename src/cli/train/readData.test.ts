import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readData } from './readData.ts'

describe('readData', () => {
  test('takes all text below a folder, in the order of the paths, and nothing else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-data-'))
    mkdirSync(join(folder, 'b'))
    mkdirSync(join(folder, '.git'))
    writeFileSync(join(folder, 'c.md'), 'three')
    writeFileSync(join(folder, 'b', 'two.txt'), 'two')
    writeFileSync(join(folder, 'a.txt'), 'one')
    writeFileSync(join(folder, 'picture.png'), Uint8Array.of(0x89, 0x50, 0))
    writeFileSync(join(folder, 'latin1.txt'), Uint8Array.of(0xe4, 0x20))
    writeFileSync(join(folder, '.git', 'config'), 'hidden')
    symlinkSync(join(folder, 'a.txt'), join(folder, 'link.txt'))
    expect(new TextDecoder().decode(readData(folder))).toBe('one\ntwo\nthree\n')
  })

  test('takes a file as it is', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'weft-data-')), 'file')
    writeFileSync(path, Uint8Array.of(0, 1, 255))
    expect([...readData(path)]).toEqual([0, 1, 255])
  })

  test('says what is wrong with a folder without text, and with none at all', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-data-'))
    expect(() => readData(folder)).toThrow(/no text/)
    expect(() => readData(join(folder, 'gone'))).toThrow(/cannot be read/)
  })
})
