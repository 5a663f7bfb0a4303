/** A small tokenizer for tests, trained on the spot. */
import { letters } from '../src/exact/weights/byteVocabulary.ts'

const corpus = 'to be or not to be, that is the question: whether it is nobler to be or not '

/** A tokenizer.json as Hugging Face's library writes it: byte pairs, merged where they are frequent. */
export function smallTokenizer(merges: number) {
  const pairs: (readonly [string, string])[] = []
  const words = [...corpus.matchAll(/ ?\w+/g)].map(([word]) =>
    [...new TextEncoder().encode(word)].map((byte) => letters[byte]!),
  )
  for (let round = 0; round < merges; round++) {
    const counts = new Map<string, number>()
    for (const word of words)
      word.slice(1).forEach((letter, at) => {
        const pair = `${word[at]} ${letter}`
        counts.set(pair, (counts.get(pair) ?? 0) + 1)
      })
    const [best] = [...counts].toSorted((a, b) => b[1] - a[1])
    const [left, right] = best![0].split(' ') as [string, string]
    pairs.push([left, right])
    for (const word of words)
      for (let at = 0; at + 1 < word.length; at++)
        if (word[at] === left && word[at + 1] === right) word.splice(at, 2, left + right)
  }
  const names = ['<s>', '</s>', ...letters, ...pairs.map((pair) => pair.join(''))]
  const added = { special: true, single_word: false, lstrip: false, rstrip: false }
  return {
    version: '1.0',
    added_tokens: [0, 1].map((id) => ({ id, content: names[id]!, normalized: false, ...added })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, use_regex: true },
    model: {
      type: 'BPE',
      unk_token: null,
      vocab: Object.fromEntries(names.map((name, id) => [name, id])),
      merges: pairs,
    },
  }
}
