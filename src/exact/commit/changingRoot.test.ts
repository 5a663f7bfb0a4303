import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { startChangingRoot } from './changingRoot.ts'
import { rootOfBytes } from './merkle.ts'

describe('startChangingRoot', () => {
  test.each([1, 255, 256, 257, 1000, 4096, 5 * 256, 70_001, 300_000])(
    'gives the root of %i bytes, whatever changes',
    (byteLength) => {
      const random = seededRandom(byteLength)
      const bytes = random.bytes(byteLength)
      const root = startChangingRoot()
      expect(root(bytes)).toEqual(rootOfBytes(bytes))
      for (const changes of [0, 1, 2, 7, 40]) {
        for (let change = 0; change < changes; change++)
          bytes[Math.floor(random.next() * byteLength)]! ^= 1 + Math.floor(random.next() * 255)
        expect(root(bytes)).toEqual(rootOfBytes(bytes))
      }
    },
  )

  test('sees each single bit of a leaf, at its ends too', () => {
    const bytes = new Uint8Array(3 * 256 + 10)
    const root = startChangingRoot()
    root(bytes)
    for (const at of [0, 255, 256, 511, 512, 767, 768, 777]) {
      bytes[at]! ^= 128
      expect(root(bytes)).toEqual(rootOfBytes(bytes))
    }
  })

  test('takes bytes that begin at an odd place', () => {
    const bytes = new Uint8Array(1_003).subarray(3)
    const root = startChangingRoot()
    root(bytes)
    bytes[999] = 1
    expect(root(bytes)).toEqual(rootOfBytes(bytes))
  })

  test('takes bytes of another length', () => {
    const root = startChangingRoot()
    root(new Uint8Array(600))
    expect(root(new Uint8Array(900))).toEqual(rootOfBytes(new Uint8Array(900)))
    expect(root(new Uint8Array(0))).toEqual(rootOfBytes(new Uint8Array(0)))
  })

  test('gives roots that stay as they are', () => {
    const bytes = new Uint8Array(512)
    const root = startChangingRoot()
    const first = root(bytes)
    const copy = first.slice()
    bytes[0] = 1
    root(bytes)
    expect(first).toEqual(copy)
  })
})
