import { sha256 as noble } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test, vi } from 'vitest'
import { hashRows, sha256 } from './sha256.ts'

const bytes = Uint8Array.from({ length: 700 }, (_, index) => index & 255)

describe('sha256', () => {
  test('gives the known hash of abc', () => {
    expect(bytesToHex(sha256(utf8ToBytes('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })
})

describe('hashRows', () => {
  const expected = [0, 256, 512].map((at) => noble(Uint8Array.of(5, ...bytes.slice(at, at + 256))))

  test('hashes each row after the prefix, the last one shorter', () => {
    const out = new Uint8Array(100)
    expect(hashRows(5, bytes, { rowBytes: 256, out })).toBe(3)
    expect(out).toEqual(Uint8Array.of(...expected.flatMap((hash) => [...hash]), 0, 0, 0, 0))
  })

  test('writes over its input and into the middle of a buffer', () => {
    const memory = new Uint8Array(64 + 700)
    memory.set(bytes, 64)
    const rows = memory.subarray(64)
    hashRows(5, rows, { rowBytes: 256, out: rows })
    expect(memory.subarray(0, 64)).toEqual(new Uint8Array(64))
    expect(rows.slice(64, 96)).toEqual(expected[2])
  })

  test('gives the same for any number of rows, over its input too', () => {
    for (let count = 0; count <= 9; count++) {
      const rows = Uint8Array.from({ length: count * 64 }, (_, at) => (at * 3 + (at >> 6)) & 255)
      const each = Array.from({ length: count }, (_, row) =>
        noble(Uint8Array.of(1, ...rows.subarray(row * 64, row * 64 + 64))),
      )
      expect(hashRows(1, rows, { rowBytes: 64, out: rows })).toBe(count)
      expect(rows.slice(0, count * 32)).toEqual(Uint8Array.from(each.flatMap((hash) => [...hash])))
    }
  })

  test('gives the same without node:crypto', async () => {
    const builtin = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never)
    vi.resetModules()
    const pure = await import('./sha256.ts')
    builtin.mockRestore()
    const [a, b] = [new Uint8Array(96), new Uint8Array(96)]
    expect(pure.sha256).toBe(noble)
    pure.hashRows(5, bytes, { rowBytes: 256, out: a })
    hashRows(5, bytes, { rowBytes: 256, out: b })
    expect(a).toEqual(b)
  })
})
