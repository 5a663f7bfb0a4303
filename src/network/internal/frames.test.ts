import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BaseError } from '../../runtime/Errors.ts'
import { limitBytes } from '../Network.ts'
import {
  decodeError,
  describe as describeError,
  encode,
  encodeError,
  frameReader,
} from './frames.ts'
import type { Frame } from './frames.ts'

class KettleError extends BaseError {
  override readonly code = 'Test.KettleError'
}

describe('encode', () => {
  test('writes length, type and payload', () => {
    expect(encode('message', Uint8Array.of(7, 8))).toEqual(Uint8Array.of(0, 0, 0, 2, 0, 7, 8))
    expect(encode('end')).toEqual(Uint8Array.of(0, 0, 0, 0, 1))
  })
})

describe('frameReader', () => {
  test('reads what was written, however the bytes are cut', () => {
    const frame = fc.record({
      type: fc.constantFrom('message' as const, 'error' as const),
      payload: fc.uint8Array({ maxLength: 600 }),
    })
    fc.assert(
      fc.property(
        fc.array(frame),
        fc.infiniteStream(fc.integer({ min: 1, max: 700 })),
        (frames, cuts) => {
          const bytes = Buffer.concat(frames.map(({ type, payload }) => encode(type, payload)))
          const reader = frameReader()
          const read: Frame[] = []
          for (let at = 0; at < bytes.length;) {
            const cut = cuts.next().value
            read.push(...reader.push(bytes.subarray(at, at + cut)))
            at += cut
          }
          expect(read).toEqual(frames)
          expect(reader.bufferedBytes).toBe(0)
        },
      ),
    )
  })

  test('never fails in another way than by saying that these are no frames', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (pieces) => {
        const reader = frameReader()
        try {
          for (const piece of pieces) reader.push(piece)
        } catch (error) {
          expect(error).toHaveProperty('code', 'Network.FrameError')
        }
        expect(reader.bufferedBytes).toBeLessThanOrEqual(64 * pieces.length)
      }),
    )
  })

  test('gives payloads that are not views of what arrived', () => {
    const bytes = Buffer.from(encode('message', Uint8Array.of(1, 2, 3)))
    const [frame] = frameReader().push(bytes)
    bytes.fill(0)

    expect(frame?.payload).toEqual(Uint8Array.of(1, 2, 3))
  })

  test.each([
    ['an unknown type', [0, 0, 0, 0, 9]],
    ['a message over the limit', [0, 0x40, 0, 1, 0]],
    ['an end that carries something', [0, 0, 0, 1, 1]],
    ['an error of 8193 bytes', [0, 0, 0x20, 1, 2]],
    ['text', [...Buffer.from('GET / HTTP/1.1\r\n')]],
  ])('refuses %s at its header', (_, bytes) => {
    expect(() => frameReader().push(Uint8Array.from(bytes))).toThrowError('does not speak')
  })

  test('grows with what arrives, not with what a header claims', () => {
    const reader = frameReader()
    const header = new Uint8Array(5)
    new DataView(header.buffer).setUint32(0, limitBytes)

    expect(reader.push(header)).toEqual([])
    expect(reader.bufferedBytes).toBe(5)
  })
})

describe('encodeError', () => {
  test('carries the code and the sentence of our errors', () => {
    const error = new KettleError('It is cold.', { metaMessages: ['/home/alice'] })
    const [frame] = frameReader().push(encodeError(error))

    expect(decodeError(frame!.payload)).toMatchObject({
      code: 'Test.KettleError',
      message: 'It is cold.',
    })
  })

  test('says nothing of others', () => {
    expect(describeError(new TypeError('/home/alice'))).toEqual({
      code: 'Internal.UnknownError',
      message: 'The peer failed for a reason of its own.',
    })
  })

  test('fits a frame whatever an error says', () => {
    const error = new KettleError('\u{1F4A5}'.repeat(100_000))

    expect(frameReader().push(encodeError(error))).toHaveLength(1)
  })
})

describe('decodeError', () => {
  test.each(['', '{', '[]', '{"code":1}', 'null'])('makes an error of %j too', (text) => {
    expect(decodeError(Buffer.from(text))).toMatchObject({ code: 'Internal.UnknownError' })
  })
})
