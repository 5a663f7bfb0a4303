import { describe, expect, test } from 'vitest'
import { gossipLimitBytes } from '../Network.ts'
import { bodiesLimit, pack, unpack } from './gossipBatch.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

describe('pack', () => {
  test('puts the length before each body', () => {
    expect(pack([bytes(7, 8), bytes()])).toEqual(bytes(0, 0, 0, 2, 7, 8, 0, 0, 0, 0))
  })
})

describe('unpack', () => {
  test('gives back what was packed, in order', () => {
    const bodies = [bytes(1), bytes(), new Uint8Array(gossipLimitBytes).fill(3)]
    expect(unpack(pack(bodies))).toEqual(bodies)
  })

  test('copies, so that a body does not keep its batch alive', () => {
    const [body] = unpack(pack([bytes(1, 2)]))!
    expect(body!.buffer.byteLength).toBe(2)
  })

  test.each([
    ['nothing', bytes()],
    ['half a header', bytes(0, 0, 0)],
    ['a body that is cut short', bytes(0, 0, 0, 3, 1, 2)],
    ['a length beyond everything', bytes(255, 255, 255, 255, 1)],
    ['a body over the limit', pack([new Uint8Array(gossipLimitBytes + 1)])],
    ['bytes after the last body', bytes(0, 0, 0, 1, 9, 0)],
    ['too many bodies', pack(Array.from({ length: bodiesLimit + 1 }, () => bytes(1)))],
  ])('refuses %s', (_, packed) => {
    expect(unpack(packed)).toBeUndefined()
  })
})
