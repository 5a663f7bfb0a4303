import * as Tokenizer from '../Tokenizer.ts'
import { DecoderFileError } from './assembleDecoder.ts'
import type { encodeGguf } from './encodeGguf.ts'

/**
 * The entries of a GGUF file for a tokenizer as Hugging Face publishes it, for `DecoderGguf.write`, so
 * that llama.cpp makes the same tokens. Of the many sorts one is written: byte pairs over bytes with
 * GPT-2's splitting, no normaliser.
 *
 * @param file what `tokenizer.json` holds, parsed.
 * @param options.config what `tokenizer_config.json` holds: it names the start and the end.
 * @param options.vocabulary rows of the model's embedding; fillers are named where no token is.
 * @throws {DecoderFileError} for a tokenizer of another sort.
 */
export function ggufTokenizer(
  file: unknown,
  { config = {}, vocabulary }: ggufTokenizer.Options,
): encodeGguf.Entry[] {
  const tokenizer = Tokenizer.fromHuggingFace(file, config)
  const { model, added_tokens: added = [], pre_tokenizer: splitter, normalizer } = file as File
  const isGpt2 = splitter?.type === 'ByteLevel' && splitter.use_regex !== false
  const isPlain = (normalizer ?? null) === null && splitter?.add_prefix_space !== true
  if (model.type !== 'BPE' || !isGpt2 || !isPlain || !isRecord(model.vocab))
    throw new DecoderFileError('Its tokenizer is not one of byte pairs that splits as GPT-2 does.')
  if (tokenizer.vocabulary > vocabulary)
    throw new DecoderFileError(
      `Its tokenizer has ${tokenizer.vocabulary} tokens, its embedding ${vocabulary} rows.`,
    )
  const tokens = Array.from({ length: vocabulary }, (_, id) => `<unused-${id}>`)
  const kinds: number[] = tokens.map(() => kindNumbers.unused)
  for (const [name, id] of Object.entries(model.vocab)) {
    tokens[id] = name
    kinds[id] = kindNumbers.normal
  }
  for (const { id, content, special } of added) {
    tokens[id] = content
    kinds[id] = special ? kindNumbers.control : kindNumbers.chosen
  }
  const named = { bos_token_id: idOf(config, 'bos_token'), eos_token_id: idOf(config, 'eos_token') }
  const ids = Object.entries(named).filter(([, id]) => id !== undefined)
  const addsStart =
    named.bos_token_id !== undefined && tokenizer.encode('')[0] === named.bos_token_id
  return [
    ['tokenizer.ggml.model', 'string', 'gpt2'],
    ['tokenizer.ggml.pre', 'string', 'gpt-2'],
    ['tokenizer.ggml.tokens', 'strings', tokens],
    ['tokenizer.ggml.token_type', 'i32s', kinds],
    ['tokenizer.ggml.merges', 'strings', (model.merges ?? []).map(mergeOf)],
    ...ids.map(([key, id]) => [`tokenizer.ggml.${key}`, 'u32', id!] as const),
    ['tokenizer.ggml.add_bos_token', 'bool', addsStart],
  ]

  function idOf(fields: unknown, key: string): number | undefined {
    const given = isRecord(fields) ? fields[key] : undefined
    const name = isRecord(given) ? given['content'] : given
    return typeof name === 'string' ? tokenizer.special.get(name) : undefined
  }
}

export declare namespace ggufTokenizer {
  type Options = { config?: unknown; vocabulary: number }
}

/** llama.cpp's numbers. */
const kindNumbers = { normal: 1, control: 3, chosen: 4, unused: 5 } as const

/** What the library has accepted. */
type File = {
  readonly model: {
    readonly type?: string
    readonly vocab: Readonly<Record<string, number>>
    readonly merges?: readonly unknown[]
  }
  readonly added_tokens?: readonly { id: number; content: string; special: boolean }[]
  readonly pre_tokenizer?: {
    readonly type?: string
    readonly use_regex?: boolean
    readonly add_prefix_space?: boolean
  } | null
  readonly normalizer?: unknown
}

/** Newer files hold pairs, older ones a text with a space between. */
function mergeOf(merge: unknown): string {
  const text = Array.isArray(merge) ? merge.join(' ') : merge
  if (typeof text === 'string' && /^\S+ \S+$/.test(text)) return text
  throw new DecoderFileError('Its tokenizer merges something else than two tokens.')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
