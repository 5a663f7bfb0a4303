import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { smallTokenizer } from '../../test/smallTokenizer.ts'
import { bytes, fromHuggingFace, TokenizerError } from './Tokenizer.ts'

const file = smallTokenizer(20)
const tokenizer = fromHuggingFace(file)

describe('bytes', () => {
  test('are the UTF-8 of a text', () => {
    expect([...bytes.encode('aä')]).toEqual([97, 195, 164])
    expect(bytes.decode([97, 195, 164])).toBe('aä')
    expect(bytes.decode([195])).toBe('\u{fffd}')
    expect(bytes).toMatchObject({ vocabulary: 256, special: new Map() })
  })

  test('refuse what is no byte', () => {
    expect(() => bytes.decode([256])).toThrow('Token 256')
    expect(() => bytes.decode([0.5])).toThrow(TokenizerError)
  })

  test('give back every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(bytes.decode(bytes.encode(text))).toBe(text)
      }),
    )
  })
})

describe('fromHuggingFace', () => {
  test('knows its vocabulary and special tokens', () => {
    expect(tokenizer.vocabulary).toBe(278)
    expect([...tokenizer.special]).toEqual([
      ['<s>', 0],
      ['</s>', 1],
    ])
  })

  test('merges what is frequent and puts the start before', () => {
    const tokens = tokenizer.encode('to be or not to be')
    expect(tokens[0]).toBe(0)
    expect(tokens.length).toBeLessThan(10)
    expect(Math.max(...tokens)).toBeGreaterThan(258)
    expect(tokenizer.decode(tokens)).toBe('to be or not to be')
  })

  test('takes the name of a special token for the token', () => {
    const tokens = tokenizer.encode('be</s>')
    expect(tokens.at(-1)).toBe(1)
    expect(tokenizer.decode(tokens)).toBe('be')
  })

  test.each([
    '',
    " a  b . c , don 't\n\n",
    'Größe 漢字 🌍 🏳️‍🌈 e\u0301',
    '\u0000\u007f',
    'x'.repeat(2000),
  ])('gives back %j', (text) => {
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })

  test('gives back every text that names no special token', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
      { numRuns: 300 },
    )
  })

  test('gives a replacement for half a character', () => {
    const [, first] = tokenizer.encode('ä')
    expect(tokenizer.decode([first!])).toBe('\u{fffd}')
    expect(tokenizer.decode([])).toBe('')
  })

  test('refuses a token that is not its own', () => {
    expect(() => tokenizer.decode([5, 278])).toThrow('Token 278')
  })

  test.each([
    ['nothing', undefined],
    ['a list', []],
    ['no model', { version: '1.0' }],
    ['a model of no kind', { ...file, model: { type: 'Nope', vocab: { a: 1 } } }],
    ['an unknown decoder', { ...file, decoder: { type: 'Nope' } }],
    ['tokens that are no list', { ...file, added_tokens: 5 }],
    ['a token with half a number', { ...file, model: { ...file.model, vocab: { a: 0.5 } } }],
    ['an empty vocabulary', { ...file, added_tokens: [], model: { ...file.model, vocab: {} } }],
  ])('refuses %s', (_what, value) => {
    expect(() => fromHuggingFace(value)).toThrow(TokenizerError)
  })
})
