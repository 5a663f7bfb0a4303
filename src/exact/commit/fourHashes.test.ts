import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startFourHashes, subtreeBytes } from './fourHashes.ts'

describe('startFourHashes', () => {
  const { rows: hash, subtree } = startFourHashes()!

  test.each([1, 3, 54, 55, 63, 64, 65, 119, 256])('hashes rows of %i bytes', (rowBytes) => {
    const rows = Uint8Array.from({ length: rowBytes * 14 }, (_, at) => (at * 73 + (at >> 7)) & 255)
    const out = new Uint8Array(14 * 32)
    expect(hash(9, rows, { rowBytes, out })).toBe(14)
    for (let row = 0; row < 14; row++) {
      const message = Buffer.from([9, ...rows.subarray(row * rowBytes, (row + 1) * rowBytes)])
      const expected = createHash('sha256').update(message).digest('hex')
      expect(Buffer.from(out.subarray(row * 32, row * 32 + 32)).toString('hex')).toBe(expected)
    }
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

  test.each([1, 255, 256, 257, 1000, 1024, 5 * 256 + 3, 999 * 256, subtreeBytes - 1, subtreeBytes])(
    'gives the root of a tree over %i bytes',
    (length) => {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 255)
      expect(Buffer.from(subtree(bytes))).toEqual(rootOf(leavesOf(bytes)))
    },
  )
})

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function leavesOf(bytes: Uint8Array): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.byteLength / 256) }, (_, leaf) =>
    sha256(Uint8Array.of(0), bytes.subarray(leaf * 256, leaf * 256 + 256)),
  )
}

function rootOf(level: readonly Buffer[]): Buffer {
  if (level.length === 1) return level[0]!
  const above = Array.from({ length: Math.ceil(level.length / 2) }, (_, index) => {
    const [left, right] = level.slice(index * 2, index * 2 + 2)
    return right ? sha256(Uint8Array.of(1), left!, right) : left!
  })
  return rootOf(above)
}
