import * as Tokenizer from '../../exact/Tokenizer.ts'
import * as Gguf from '../../exact/weights/Gguf.ts'
import type * as Completion from '../../protocol/Completion.ts'
import { EngineError } from '../Engine.ts'
import { chatPrompt } from './chatPrompt.ts'

/** How a model reads and writes. */
export type ModelTexts = {
  /**
   * The tokens of what a request gives it to read. Only a template may write control tokens; a prompt's
   * text stays text.
   *
   * @throws {EngineError} when there is nothing to read.
   */
  readonly prompt: (input: Completion.Request['input']) => Uint32Array
  /** The text of tokens; what is no whole character becomes U+FFFD. */
  readonly text: (tokens: readonly number[]) => string
  /** Whether a token ends an answer. */
  readonly isEnd: (token: number) => boolean
}

/** A tokenizer as Hugging Face publishes it, and what else decides how texts become tokens. */
export type TextFacts = {
  /** What `tokenizer.json` holds, parsed. */
  readonly file: Readonly<Record<string, unknown>>
  /** The token that begins a text, by name and number; `addsStart` says whether every text begins with it. */
  readonly start?: { readonly name: string; readonly token: number } | undefined
  readonly addsStart: boolean
  readonly endName: string
  readonly ends: readonly number[]
  readonly template: string | undefined
}

/** @throws {Tokenizer.TokenizerError} when the tokenizer is of a sort that is not known here. */
export function modelTexts(facts: TextFacts): ModelTexts {
  const { file, start, addsStart, endName, template } = facts
  const ends = new Set(facts.ends)
  const bare = { ...file, post_processor: null }
  const controlled = Tokenizer.fromHuggingFace(bare)
  const plain = Tokenizer.fromHuggingFace({ ...bare, added_tokens: [] })
  return {
    prompt(input) {
      const isTemplated = input.kind === 'chat' && template !== undefined
      const names = { template, bos: start?.name ?? '', eos: endName }
      const text = input.kind === 'text' ? input.prompt : chatPrompt(input.messages, names)
      const tokens = text === '' ? [] : (isTemplated ? controlled : plain).encode(text)
      const lacksStart = addsStart && start !== undefined && tokens[0] !== start.token
      const all = lacksStart ? [start.token, ...tokens] : tokens
      if (all.length > 0) return Uint32Array.from(all)
      throw new EngineError('The prompt is empty, and this model needs a token to start from.')
    },
    text: (tokens) => controlled.decode(tokens.filter((token) => token < controlled.vocabulary)),
    isEnd: (token) => ends.has(token),
  }
}

/**
 * What a GGUF file says of its tokenizer: byte pairs over bytes, split as GPT-2 or SmolLM does.
 *
 * @throws {EngineError} when it is of another sort.
 */
export function ggufTexts(gguf: Gguf.Gguf): TextFacts {
  const entry = (name: string) => gguf.metadata.get(`tokenizer.ggml.${name}`)
  const list = (name: string): readonly Gguf.Value[] => {
    const value = entry(name)
    return Array.isArray(value) ? (value as readonly Gguf.Value[]) : []
  }
  const names = list('tokens').map(String)
  const merges = list('merges').map(String)
  const splitter = splitters[merges.length === 0 ? 'gpt-2' : String(entry('pre'))]
  if (entry('model') !== 'gpt2' || names.length === 0 || !splitter)
    throw new EngineError('The exact engine does not know the tokenizer of this file.', {
      metaMessages: [
        `Tokenizer: ${String(entry('model'))}, ${String(entry('pre'))}`.slice(0, 200),
        `It knows: gpt2, split as ${Object.keys(splitters).join(' or ')}`,
        'Fix: serve the folder with safetensors, config.json and tokenizer.json that the file was made from.',
      ],
    })
  const kinds = list('token_type')
  const idOf = (name: string) => {
    const id = entry(`${name}_token_id`)
    return typeof id === 'number' && id < names.length ? id : undefined
  }
  const [bos, eos] = [idOf('bos'), idOf('eos')]
  return {
    file: {
      added_tokens: names.flatMap((content, id) =>
        kinds[id] === controlKind ? [{ id, content, special: true, ...plainly }] : [],
      ),
      normalizer: null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: splitter },
      decoder: byteLevel,
      model: {
        type: 'BPE',
        unk_token: null,
        vocab: Object.fromEntries(names.map((name, id) => [name, id])),
        merges: merges.map((merge) => merge.split(' ')),
      },
    },
    start: bos === undefined ? undefined : { name: names[bos]!, token: bos },
    addsStart: entry('add_bos_token') === true,
    endName: eos === undefined ? '' : names[eos]!,
    ends: [eos, idOf('eot'), idOf('eom')].filter((id) => id !== undefined),
    template: Gguf.text(gguf, 'tokenizer.chat_template'),
  }
}

/** llama.cpp's number for tokens that stand for no text. */
const controlKind = 3
const plainly = { single_word: false, lstrip: false, rstrip: false, normalized: false }
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: true } as const
/** By llama.cpp's names. */
const splitters: Readonly<Record<string, readonly object[]>> = {
  'gpt-2': [byteLevel],
  smollm: [{ type: 'Digits', individual_digits: true }, byteLevel],
}

/**
 * The same from the files beside safetensors.
 *
 * @param files what `tokenizer.json`, `tokenizer_config.json` and `config.json` hold, parsed.
 */
export function publishedTexts(files: {
  readonly tokenizer: Readonly<Record<string, unknown>>
  readonly settings: Readonly<Record<string, unknown>>
  readonly config: Readonly<Record<string, unknown>>
}): TextFacts {
  const { tokenizer, settings, config } = files
  const library = Tokenizer.fromHuggingFace(tokenizer, settings)
  const { special } = library
  const name = (key: string) => {
    const value = settings[key]
    const content = isRecord(value) ? value['content'] : value
    return typeof content === 'string' ? content : undefined
  }
  const [bos, eos] = [name('bos_token'), name('eos_token')]
  const token = bos === undefined ? undefined : special.get(bos)
  const named = [config['eos_token_id']].flat().filter((id) => Number.isInteger(id)) as number[]
  const end = eos === undefined ? undefined : special.get(eos)
  const template = settings['chat_template']
  return {
    file: tokenizer,
    start: token === undefined ? undefined : { name: bos!, token },
    addsStart: token !== undefined && library.encode('')[0] === token,
    endName: eos ?? '',
    ends: [...named, ...(end === undefined ? [] : [end])],
    template: typeof template === 'string' ? template : undefined,
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
