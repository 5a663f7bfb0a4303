import { describe, expect, test } from 'vitest'
import { smallTokenizer } from '../../../test/smallTokenizer.ts'
import { TokenizerError } from '../Tokenizer.ts'
import { DecoderFileError } from './assembleDecoder.ts'
import { ggufTokenizer } from './ggufTokenizer.ts'

const file = smallTokenizer(20)
const config = { bos_token: '<s>', eos_token: { content: '</s>' } }

function entriesOf(of: unknown, options: Partial<ggufTokenizer.Options> = {}) {
  const entries = ggufTokenizer(of, { config, vocabulary: 280, ...options })
  return Object.fromEntries(entries.map(([key, , value]) => [key, value]))
}

describe('ggufTokenizer', () => {
  test('names every token in the order of its number', () => {
    const entries = entriesOf(file)
    const tokens = entries['tokenizer.ggml.tokens'] as readonly string[]
    expect(tokens).toHaveLength(280)
    expect(tokens.slice(0, 3)).toEqual(['<s>', '</s>', 'Ā'])
    expect(tokens.slice(-3)).toEqual([
      file.model.merges.at(-1)!.join(''),
      '<unused-278>',
      '<unused-279>',
    ])
    const kinds = entries['tokenizer.ggml.token_type'] as readonly number[]
    expect(kinds.slice(0, 3)).toEqual([3, 3, 1])
    expect(kinds.slice(-3)).toEqual([1, 5, 5])
  })

  test('gives merges as texts, whichever way the file has them', () => {
    const merges = entriesOf(file)['tokenizer.ggml.merges'] as readonly string[]
    expect(merges).toHaveLength(20)
    expect(merges[0]).toBe(file.model.merges[0]!.join(' '))
    const old = { ...file, model: { ...file.model, merges } }
    expect(entriesOf(old)['tokenizer.ggml.merges']).toEqual(merges)
  })

  test('knows the start and the end, and whether a text begins with the start', () => {
    const known = {
      'tokenizer.ggml.bos_token_id': 0,
      'tokenizer.ggml.eos_token_id': 1,
      'tokenizer.ggml.add_bos_token': true,
    }
    expect(entriesOf(file)).toMatchObject(known)
    const bare = entriesOf({ ...file, post_processor: null })
    expect(bare).toMatchObject({ ...known, 'tokenizer.ggml.add_bos_token': false })
    expect(entriesOf(file, { config: {} })).not.toHaveProperty(['tokenizer.ggml.bos_token_id'])
  })

  test.each([
    ['another splitter', { ...file, pre_tokenizer: { type: 'Whitespace' } }],
    ['no splitter', { ...file, pre_tokenizer: null }],
    [
      'a space before each text',
      { ...file, pre_tokenizer: { ...file.pre_tokenizer, add_prefix_space: true } },
    ],
    ['a normaliser', { ...file, normalizer: { type: 'Lowercase' } }],
  ])('refuses %s', (_what, of) => {
    expect(() => entriesOf(of)).toThrow(DecoderFileError)
  })

  test('refuses more tokens than the model has, and what is no tokenizer', () => {
    expect(() => entriesOf(file, { vocabulary: 277 })).toThrow('278 tokens, its embedding 277 rows')
    expect(() => entriesOf({})).toThrow(TokenizerError)
  })
})
