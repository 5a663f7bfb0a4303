import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startFourHashes } from './fourHashes.ts'

describe('startFourHashes', () => {
  const hash = startFourHashes()!

  test.each([1, 3, 54, 55, 63, 64, 65, 119, 256])('hashes rows of %i bytes', (rowBytes) => {
    const rows = Uint8Array.from({ length: rowBytes * 14 }, (_, at) => (at * 73 + (at >> 7)) & 255)
    const out = new Uint8Array(14 * 32)
    expect(hash(9, rows, { rowBytes, out })).toBe(12)
    for (let row = 0; row < 12; row++) {
      const message = Buffer.from([9, ...rows.subarray(row * rowBytes, (row + 1) * rowBytes)])
      const expected = createHash('sha256').update(message).digest('hex')
      expect(Buffer.from(out.subarray(row * 32, row * 32 + 32)).toString('hex')).toBe(expected)
    }
    expect(out.subarray(12 * 32)).toEqual(new Uint8Array(64))
  })

  test('takes more rows than it holds at once', () => {
    const rows = Uint8Array.from({ length: 256 * 1000 }, (_, at) => (at * 7 + (at >> 8)) & 255)
    const out = new Uint8Array(1000 * 32)
    expect(hash(0, rows, { rowBytes: 256, out })).toBe(1000)
    const last = Buffer.from([0, ...rows.subarray(999 * 256)])
    expect(Buffer.from(out.subarray(999 * 32)).toString('hex')).toBe(
      createHash('sha256').update(last).digest('hex'),
    )
  })
})
