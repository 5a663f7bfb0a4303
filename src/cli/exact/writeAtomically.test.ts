import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { writeAtomically } from './writeAtomically.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-write-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('writeAtomically', () => {
  test('replaces a file whole and leaves nothing else', () => {
    const path = join(folder, 'a')
    writeAtomically(path, 'one')
    writeAtomically(path, Uint8Array.of(0x74, 0x77, 0x6f))
    expect(readFileSync(path, 'utf8')).toBe('two')
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('where it cannot write, the old file stays and the reason is told', () => {
    expect(() => writeAtomically(join(folder, 'missing', 'b'), 'x')).toThrow('ENOENT')
    expect(() => writeAtomically(folder, 'x')).toThrow()
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test.runIf(existsSync('/dev/full'))('on a full disk the old file stays', () => {
    const path = join(folder, 'a')
    writeAtomically(path, 'two')
    symlinkSync('/dev/full', `${path}.new`)
    expect(() => writeAtomically(path, 'three')).toThrow('ENOSPC')
    expect(readFileSync(path, 'utf8')).toBe('two')
    expect(readdirSync(folder)).toEqual(['a'])
  })
})
