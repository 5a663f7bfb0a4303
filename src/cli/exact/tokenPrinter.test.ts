import { describe, expect, test } from 'vitest'
import * as Tokenizer from '../../exact/Tokenizer.ts'
import { tokenPrinter } from './tokenPrinter.ts'

/** Byte-level as GPT-2's: words begin with their space, é is two tokens. */
const words = Tokenizer.fromHuggingFace({
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: { Ġa: 0, b: 1, Ã: 2, '©': 3, Ġ: 4, a: 5 }, merges: ['Ġ a'] },
})

describe('tokenPrinter', () => {
  const shown = (
    tokens: readonly number[],
    { tokenizer = Tokenizer.bytes, isTerminal = false, prompt = new Uint32Array() } = {},
  ) => {
    const printer = tokenPrinter({ tokenizer }, { isTerminal, prompt })
    return [...tokens.map((token) => printer.text(token)), printer.rest()]
  }

  test('waits until a character is whole', () => {
    expect(shown([0x61, 0xc3, 0xa9, 0x62])).toEqual(['a', '', 'é', 'b', ''])
    expect(shown([1, 2, 3, 0], { tokenizer: words })).toEqual(['b', '', 'é', ' a', ''])
  })

  test('goes on from the prompt', () => {
    const prompt = Uint32Array.of(1, 2)
    expect(shown([3, 0], { tokenizer: words, prompt })).toEqual(['', ' a', ''])
  })

  test('gives the whole text, however long', () => {
    const tokens = Array.from({ length: 60 }, (_, at) => at % 4)
    expect(shown(tokens, { tokenizer: words }).join('')).toBe(words.decode(tokens))
  })

  test('shows what is no character as such, at the latest in the end', () => {
    expect(shown([0xff, 0xe2, 0x82]).join('')).toBe('\ufffd\ufffd')
    expect(shown([2], { tokenizer: words }).join('')).toBe('\ufffd')
  })

  test('leaves out tokens that fill a vocabulary up', () => {
    expect(shown([0x61, 300, 0x62]).join('')).toBe('ab')
  })

  test('lets no control character reach a terminal', () => {
    const text = [0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0x09, 0x07, 0xc2, 0x9b]
    expect(shown(text, { isTerminal: true }).join('')).toBe('\ufffd[2J\n\t\ufffd\ufffd')
    expect(shown(text).join('')).toContain('\u001b')
  })
})
