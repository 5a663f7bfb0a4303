import { describe, expect, test } from 'vitest'
import { tokenPieces } from './tokenPieces.ts'

const textOf = (tokens: readonly number[]) => new TextDecoder().decode(Uint8Array.from(tokens))
const bytes = (text: string) => [...new TextEncoder().encode(text)]

describe('tokenPieces', () => {
  test('waits until characters are whole', () => {
    const pieces = tokenPieces(textOf, Uint32Array.from(bytes('Grüß')))
    const made = bytes('aé\u{1F9F6}').map((token) => pieces.push(token))
    expect(made.map((piece) => piece?.text)).toEqual([
      'a',
      undefined,
      'é',
      undefined,
      undefined,
      undefined,
      '\u{1F9F6}',
    ])
    expect(made.at(-1)?.tokenIds).toHaveLength(4)
    expect(pieces.end()).toBeUndefined()
  })

  test('lets through what becomes no character', () => {
    const pieces = tokenPieces(textOf, Uint32Array.of(97))
    const made = Array.from({ length: 20 }, () => pieces.push(0x80))
    expect(made.filter((piece) => piece !== undefined)).toHaveLength(1)
    const [first] = made.filter((piece) => piece !== undefined)
    expect(first).toMatchObject({ text: '\ufffd'.repeat(16) })
  })

  test('gives what is held at the end', () => {
    const pieces = tokenPieces(textOf, Uint32Array.of(97))
    pieces.push(0xc3)
    expect(pieces.end()).toMatchObject({ text: '\ufffd', tokenIds: [0xc3] })
    expect(pieces.end()).toBeUndefined()
  })

  test('leaves the text of a token to those before it', () => {
    const joined = (tokens: readonly number[]) => tokens.map((token) => `w${token}`).join(' ')
    const pieces = tokenPieces(joined, Uint32Array.of(1))
    expect([2, 3].map((token) => pieces.push(token)?.text)).toEqual([' w2', ' w3'])
  })
})
