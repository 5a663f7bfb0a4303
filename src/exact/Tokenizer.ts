import { Tokenizer as HuggingFace } from '@huggingface/tokenizers'
import { BaseError } from '../runtime/Errors.ts'
import { textOf, tokensOf } from './data.ts'

/** What makes tokens of a text and a text of tokens. */
export type Tokenizer = {
  /** All tokens are below. A model's vocabulary may be larger, filled up to a round number. */
  readonly vocabulary: number
  /** Tokens that stand for no text, by name: the start, the end. */
  readonly special: ReadonlyMap<string, number>
  /**
   * The tokens of a text, with the special ones around it that the model wants. The name of a special
   * token within the text gives that token, as everywhere in Hugging Face's libraries: take such names
   * out of text that is not trusted.
   */
  encode(text: string): Uint32Array
  /**
   * The text of tokens, without the special ones. What is no whole character becomes U+FFFD.
   *
   * @throws {TokenizerError} for a token that is not in the vocabulary.
   */
  decode(tokens: ArrayLike<number>): string
}

/** The UTF-8 bytes of a text. */
export const bytes: Tokenizer = {
  vocabulary: 256,
  special: new Map(),
  encode: tokensOf,
  decode(tokens) {
    expectKnown(tokens, (token) => Number.isInteger(token) && token >= 0 && token < 256)
    return textOf(tokens)
  },
}

/**
 * A tokenizer as Hugging Face publishes it. The file decides which regular expressions run over a text:
 * take it from where the weights come from, and no more trusted than they are.
 *
 * @param file what `tokenizer.json` holds, parsed.
 * @param config what `tokenizer_config.json` holds, parsed, where there is one.
 * @throws {TokenizerError} when it is not such a file, or uses a part that the library does not know.
 *
 * @example
 * ```ts
 * const tokenizer = Tokenizer.fromHuggingFace(JSON.parse(await readFile('tokenizer.json', 'utf8')))
 * const tokens = tokenizer.encode('To be or not to be')
 * ```
 */
export function fromHuggingFace(file: unknown, config: unknown = {}): Tokenizer {
  if (!isRecord(file) || !isRecord(file['model']) || !isRecord(config))
    throw new TokenizerError('This is no tokenizer.json: it has no model.')
  checkModel(file['model'])
  const library = attempt(() => new HuggingFace(file, config))
  const known = attempt(() => [...library.get_vocab(true).values()])
  if (known.length === 0 || known.length > limits.tokens || !known.every(isNumber))
    throw new TokenizerError('Its vocabulary is empty, too large, or a token has no whole number.')
  const ids = new Set(known)
  const special = [...library.get_added_tokens_decoder()].filter(([, token]) => token.special)
  return {
    vocabulary: known.reduce((most, id) => Math.max(most, id), 0) + 1,
    special: new Map(special.map(([id, token]) => [token.content, id])),
    encode: (text) => attempt(() => Uint32Array.from(library.encode(text).ids)),
    decode(tokens) {
      expectKnown(tokens, (token) => ids.has(token))
      // The library does not take an empty list.
      if (tokens.length === 0) return ''
      return attempt(() => library.decode(Array.from(tokens), decoding))
    },
  }
}

/** The most tokens of a vocabulary, and the greatest number of one. */
export const limits = { tokens: 2 ** 22 } as const

/** What the library would take for something else without a word. */
function checkModel({ type, vocab }: Record<string, unknown>): void {
  if (type !== undefined && !kinds.some((kind) => kind === type))
    throw new TokenizerError(`Its model is none of ${kinds.join(', ')}.`)
  if (isRecord(vocab) && !Object.values(vocab).every(isNumber))
    throw new TokenizerError('A token has a number that is none.')
}

const kinds = ['BPE', 'Unigram', 'WordPiece']

function isNumber(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < limits.tokens
}

/** Spaces before full stops stay: a text must come back as it went in. */
const decoding = { skip_special_tokens: true, clean_up_tokenization_spaces: false }

function expectKnown(tokens: ArrayLike<number>, isKnown: (token: number) => boolean): void {
  const unknown = Array.from(tokens).find((token) => !isKnown(token))
  if (unknown !== undefined)
    throw new TokenizerError(`Token ${unknown} is not in the vocabulary of this tokenizer.`)
}

function attempt<result>(run: () => result): result {
  try {
    return run()
  } catch (cause) {
    throw new TokenizerError('The library cannot use this tokenizer.', { cause })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Thrown when a tokenizer's file is not usable, or a token is not its own. */
export class TokenizerError extends BaseError {
  override readonly code = 'Exact.TokenizerError'

  constructor(shortMessage: string, options: BaseError.Options = {}) {
    super(shortMessage, {
      ...options,
      metaMessages: ['Use the tokenizer.json and tokenizer_config.json that came with the model.'],
    })
  }
}
