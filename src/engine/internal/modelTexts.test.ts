import { describe, expect, test } from 'vitest'
import { randomLlama } from '../../../test/randomLlama.ts'
import { smallTokenizer } from '../../../test/smallTokenizer.ts'
import * as Tokenizer from '../../exact/Tokenizer.ts'
import { encodeGguf } from '../../exact/weights/encodeGguf.ts'
import * as Gguf from '../../exact/weights/Gguf.ts'
import { ggufTokenizer } from '../../exact/weights/ggufTokenizer.ts'
import { ggufTexts, modelTexts, publishedTexts } from './modelTexts.ts'

const file = smallTokenizer(30)
const settings = { bos_token: '<s>', eos_token: '</s>' }
const texts = ['to be or not to be', ' that  is\n the question: 42!', 'Grüße, 織物 \u{1F9F6}', 'x']

function written(template?: string) {
  const entries = ggufTokenizer(file, { config: settings, vocabulary: 400 })
  const more =
    template === undefined ? [] : [['tokenizer.chat_template', 'string', template] as const]
  return Gguf.parse(encodeGguf({ metadata: [...entries, ...more], tensors: [] }))
}

describe('ggufTexts', () => {
  const { prompt, text, isEnd } = modelTexts(ggufTexts(written()))
  const library = Tokenizer.fromHuggingFace(file, settings)

  test.each(texts)('makes the tokens of the tokenizer that was written: %j', (each) => {
    const tokens = prompt({ kind: 'text', prompt: each })
    expect([...tokens]).toEqual([...library.encode(each)])
    expect(text([...tokens])).toBe(each)
  })

  test('knows the end, and shows no control token', () => {
    expect([0, 1, 2].map(isEnd)).toEqual([false, true, false])
    expect(text([0, 1])).toBe('')
    expect(text([4_000])).toBe('')
  })

  test('keeps the names of control tokens in a text as text', () => {
    const tokens = prompt({ kind: 'text', prompt: '</s>' })
    expect(tokens).not.toContain(1)
    expect(text([...tokens])).toBe('</s>')
  })

  test('lets a template write control tokens', () => {
    const template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}</s>{% endfor %}"
    const templated = modelTexts(ggufTexts(written(template)))
    const messages = [{ role: 'user' as const, content: 'to be' }]
    const tokens = templated.prompt({ kind: 'chat', messages })
    expect([tokens[0], tokens.at(-1)]).toEqual([0, 1])
    expect([...tokens].filter((token) => token === 0)).toHaveLength(1)
  })

  test('reads a model over bytes', () => {
    const bytes = modelTexts(ggufTexts(Gguf.parse(randomLlama({ layers: 1, width: 8, hidden: 8 }))))
    const tokens = [...bytes.prompt({ kind: 'text', prompt: 'Grüße' })]
    expect(tokens).toEqual([256, ...new TextEncoder().encode('Grüße')])
    expect(bytes.text(tokens)).toBe('Grüße')
    expect(bytes.text(tokens.slice(0, 4))).toBe('Gr\ufffd')
    expect(bytes.isEnd(257)).toBe(true)
    expect([...bytes.prompt({ kind: 'text', prompt: '' })]).toEqual([256])
  })

  test('refuses a tokenizer that it does not know', () => {
    const gguf = written()
    const other = (key: string, value: string) =>
      ggufTexts({
        ...gguf,
        metadata: new Map([...gguf.metadata, [`tokenizer.ggml.${key}`, value]]),
      })
    expect(() => other('model', 'llama')).toThrow('Tokenizer: llama')
    expect(() => other('pre', 'qwen2')).toThrow('gpt2, split as gpt-2 or smollm')
  })
})

describe('publishedTexts', () => {
  test('reads what stands beside the weights', () => {
    const facts = publishedTexts({ tokenizer: file, settings, config: { eos_token_id: [1, 5] } })
    const { prompt, isEnd } = modelTexts(facts)
    expect([...prompt({ kind: 'text', prompt: 'to be' })]).toEqual([
      ...Tokenizer.fromHuggingFace(file, settings).encode('to be'),
    ])
    expect([1, 5, 6].map(isEnd)).toEqual([true, true, false])
  })

  test('does without settings', () => {
    const facts = publishedTexts({ tokenizer: file, settings: {}, config: {} })
    expect(facts).toMatchObject({ addsStart: false, ends: [], template: undefined })
    const { prompt } = modelTexts(facts)
    expect(() => prompt({ kind: 'text', prompt: '' })).toThrow('The prompt is empty')
  })
})
