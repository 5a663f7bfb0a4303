import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Identity from '../../protocol/Identity.ts'
import { gossipLimitBytes } from '../Network.ts'
import { bodiesLimit, isSigned, open, seal } from './gossipEnvelope.ts'

const author = Identity.from(new Uint8Array(32).fill(1))
const stranger = Identity.from(new Uint8Array(32).fill(2))
const at = 1_700_000_000_123
const bytes = (...values: number[]) => Uint8Array.from(values)

describe('open', () => {
  test('gives back what was sealed, in order', () => {
    const bodies = [bytes(1), bytes(), new Uint8Array(gossipLimitBytes).fill(3)]

    expect(open(seal(author, 't', { at, bodies }))).toEqual({ from: author.peerId, at, bodies })
  })

  test('copies, so that a body does not keep its message alive', () => {
    const { bodies } = open(seal(author, 't', { at, bodies: [bytes(1, 2)] }))!

    expect(bodies[0]!.buffer.byteLength).toBe(2)
  })

  test.each([
    ['nothing', bytes()],
    ['no body', seal(author, 't', { at, bodies: [] })],
    ['half a length', Buffer.concat([seal(author, 't', { at, bodies: [] }), bytes(0, 0)])],
    ['a body that is cut short', seal(author, 't', { at, bodies: [bytes(1, 2)] }).subarray(0, -1)],
    [
      'bytes after the last body',
      Buffer.concat([seal(author, 't', { at, bodies: [bytes(1)] }), bytes(0)]),
    ],
    ['too large a body', seal(author, 't', { at, bodies: [new Uint8Array(gossipLimitBytes + 1)] })],
    [
      'too many bodies',
      seal(author, 't', { at, bodies: Array.from({ length: bodiesLimit + 1 }, () => bytes(1)) }),
    ],
  ])('refuses %s', (_, sealed) => {
    expect(open(sealed)).toBeUndefined()
  })

  test('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (sealed) => {
        const opened = open(sealed)
        if (opened) expect(isSigned('t', sealed, opened.from)).toBe(false)
      }),
    )
  })
})

describe('isSigned', () => {
  const sealed = seal(author, 't', { at, bodies: [bytes(1, 2, 3)] })

  test('is true for the author and the topic, and nothing else', () => {
    expect(isSigned('t', sealed, author.peerId)).toBe(true)
    expect(isSigned('u', sealed, author.peerId)).toBe(false)
    expect(isSigned('t', sealed, stranger.peerId)).toBe(false)
    expect(isSigned('t', sealed, 'nobody')).toBe(false)
  })

  test('is false when any byte was changed', () => {
    for (let i = 0; i < sealed.byteLength; i++) {
      const forged = Uint8Array.from(sealed)
      forged[i]! ^= 1
      const opened = open(forged)
      expect(opened !== undefined && isSigned('t', forged, opened.from)).toBe(false)
    }
  })
})
