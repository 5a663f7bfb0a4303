import { glob, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { letters } from '../exact/weights/byteVocabulary.ts'
import { encodeGguf } from '../exact/weights/encodeGguf.ts'
import { BaseError } from '../runtime/Errors.ts'
import * as Hex from '../protocol/Hex.ts'
import {
  alphabetLimit,
  byteStatistics,
  contextAfter,
  type ByteStatistics,
} from './internal/byteStatistics.ts'

/** A model computed on the spot, so that a fresh network has something real and checkable to serve. */
export type FirstModel = {
  /** The GGUF file. */
  readonly bytes: Uint8Array
  /** SHA-256 of the file. */
  readonly weights: Hex.Hex
  /** What the model's logits are: natural logarithms by token id, after a text (its start included). */
  readonly logits: (text: string) => Float64Array
}

/**
 * Computes a model of texts: for each of the 256 bytes, how often it follows the one to three bytes
 * before it. The counts become the weights of a one-layer Llama, so that any GGUF runtime serves it:
 *
 * - the embedding says which byte a token is, and holds a constant;
 * - two attention heads with fixed weights look exactly one and two places back;
 * - one hidden unit per chosen context of two or three bytes answers 1 when it applies, else 0, and
 *   adds what that context knows better than the last byte alone;
 * - the output matrix holds the logarithms of the probabilities after the last byte.
 *
 * A spare dimension keeps the length of the vector constant, so that the normalisations divide by
 * known numbers and the logits are the logarithms of the probabilities. The same texts and options
 * give the same file. It is statistics, not a language model, and its metadata says so.
 *
 * @throws {TextError} when there is too little text.
 */
export function firstModel(options: firstModel.Options): FirstModel {
  const { texts, smoothing = 1, contexts = 768 } = options
  const paragraphs = texts.flatMap(paragraphsOf)
  const size = paragraphs.reduce((total, bytes) => total + bytes.length, 0)
  if (size < 1000) throw new TextError({ size })
  const statistics = byteStatistics(paragraphs, { smoothing, contexts })
  const bytes = encodeGguf({
    metadata: metadataOf(statistics, size),
    tensors: tensorsOf(statistics, contexts),
  })
  return {
    bytes,
    weights: Hex.sha256(bytes),
    logits: (text) => logitsAfter(statistics, text),
  }
}

export declare namespace firstModel {
  type Options = {
    /** Markdown pages, whose prose is counted. */
    texts: readonly string[]
    /** Weight of the shorter context; another value gives another model. @default 1 */
    smoothing?: number | undefined
    /** How many contexts of two and three bytes to keep; four kilobytes each. @default 768 */
    contexts?: number | undefined
  }
}

/** The project's own documents, in order of their names: every Markdown page at the root and in `docs/`. */
export async function projectTexts(root: string): Promise<readonly string[]> {
  const pages = await Array.fromAsync(glob(['*.md', 'docs/**/*.md'], { cwd: root }))
  return Promise.all(pages.toSorted().map(async (page) => await readFile(join(root, page), 'utf8')))
}

/** Computes the model and puts it at `path` at once, whole; returns the SHA-256 of the file. */
export async function writeFirstModel(path: string, options: firstModel.Options): Promise<Hex.Hex> {
  const { bytes, weights } = firstModel(options)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.part`, bytes)
  await rename(`${path}.part`, path)
  return weights
}

/** Symbols in each of the four parts of the vector: last byte, the one before, the one before that, output. */
const part = alphabetLimit + 2
const width = 4 * part
const heads = 2
const epsilon = 1e-5
const ropeBase = 10
/** Slots: the constant stands in the first part, what keeps the length constant in the last. */
const constant = part - 1
const ballast = width - 1
const startToken = 256
const endToken = 257
const vocabulary = 258
/** The logarithm of the probability of what never occurs. */
const never = -30
/** Attention scores differ by more than 40 between the place looked at and any other of 4096. */
const attentionScale = 12
/** Hidden units saturate: silu(gate / 2) * 2 / gate is 1 to the last bit, silu(-gate / 2) is nothing. */
const gate = 80

/** The prose of a Markdown page: one text a paragraph, heading or list item; no tables, no code, no marks. */
function paragraphsOf(page: string): Uint8Array[] {
  return page
    .replaceAll('\r', '')
    .replaceAll(/^```[^]*?^```/gm, '\n')
    .replaceAll(/^\s*\|.*$/gm, '\n')
    .replaceAll(/^\s*([-*]|\d+\.|#+) /gm, '\n\n')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*`]/g, '')
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll(/[^\s\u0020-\u007e]/g, '').replaceAll(/\s+/g, ' '))
    .map((paragraph) => new TextEncoder().encode(paragraph.trim()))
    .filter((bytes) => bytes.length > 0)
}

function symbolOfToken({ alphabet, start }: ByteStatistics, token: number): number {
  const symbol = alphabet.indexOf(token)
  return symbol < 0 ? start : symbol
}

function tokenOfSymbol({ alphabet, end }: ByteStatistics, symbol: number): number | undefined {
  return symbol === end ? endToken : alphabet[symbol]
}

function logitsAfter(statistics: ByteStatistics, text: string): Float64Array {
  const bytes = [...new TextEncoder().encode(text)]
  const symbols = [0, 1, 2].map((back) =>
    symbolOfToken(statistics, bytes.at(-1 - back) ?? startToken),
  )
  const context = contextAfter(statistics, symbols)
  const values = context?.logProbabilities ?? statistics.logAfter(symbols[0]!)
  const logits = new Float64Array(vocabulary).fill(never)
  values.forEach((value, symbol) => {
    const token = tokenOfSymbol(statistics, symbol)
    if (token !== undefined) logits[token] = value
  })
  return logits
}

/** A matrix as ggml stores it: one row per output, the inputs of a row together. */
function matrix(name: string, inputs: number, outputs: number) {
  const data = new Float32Array(inputs * outputs)
  return {
    tensor: { name, shape: [inputs, outputs], data },
    set: (output: number, input: number, value: number) => {
      data[output * inputs + input] = value
    },
  }
}

/** A normalisation whose input always has this squared length gives its input back. */
function norm(name: string, squaredLength: number): encodeGguf.Tensor {
  const value = Math.sqrt(squaredLength / width + epsilon)
  return { name, shape: [width], data: new Float32Array(width).fill(value) }
}

function tensorsOf(statistics: ByteStatistics, contextLimit: number): encodeGguf.Tensor[] {
  const units = unitsOf(statistics)
  // Behind the hidden units the vector is: three bytes, the constant, the corrections, the rest.
  const length = 4 + units.reduce((most, unit) => Math.max(most, unit.squaredTotal), 0)
  const rest = (squaredTotal: number) => Math.sqrt(length - 4 - squaredTotal)

  const embedding = matrix('token_embd.weight', width, vocabulary)
  for (let token = 0; token < vocabulary; token++) {
    embedding.set(token, symbolOfToken(statistics, token), 1)
    embedding.set(token, constant, 1)
    embedding.set(token, ballast, rest(0))
  }
  const hidden = Math.max(32, Math.ceil(Math.min(contextLimit, units.length) / 32) * 32)
  const open = matrix('blk.0.ffn_gate.weight', width, hidden)
  const up = matrix('blk.0.ffn_up.weight', width, hidden)
  const down = matrix('blk.0.ffn_down.weight', hidden, width)
  units.forEach((unit, index) => {
    unit.symbols.forEach((symbol, back) => open.set(index, back * part + symbol, gate))
    open.set(index, constant, -gate * (unit.symbols.length - 0.5))
    up.set(index, constant, 2 / gate)
    unit.correction.forEach((value, symbol) => down.set(3 * part + symbol, index, value))
    down.set(ballast, index, rest(unit.squaredTotal) - rest(unit.parent?.squaredTotal ?? 0))
  })
  return [
    embedding.tensor,
    norm('blk.0.attn_norm.weight', 2 + rest(0) ** 2),
    ...attention(),
    norm('blk.0.ffn_norm.weight', 4 + rest(0) ** 2),
    open.tensor,
    up.tensor,
    down.tensor,
    norm('output_norm.weight', length),
    output(statistics),
  ]
}

type Unit = {
  readonly symbols: readonly number[]
  /** What this unit adds to what its parent and the output matrix say already. */
  readonly correction: Float64Array
  /** Squared length of all corrections when it applies. */
  readonly squaredTotal: number
  readonly parent: Unit | undefined
}

function unitsOf(statistics: ByteStatistics): readonly Unit[] {
  const units = new Map<unknown, Unit>()
  for (const context of statistics.contexts) {
    const base = statistics.logAfter(context.symbols[0]!)
    const before = context.parent?.logProbabilities ?? base
    const after = context.logProbabilities
    // Outside the alphabet both are the logarithm of zero, and there is nothing to correct.
    const difference = (a: Float64Array, b: Float64Array) =>
      a.map((value, i) => (Number.isFinite(value) ? value - b[i]! : 0))
    units.set(context, {
      symbols: context.symbols,
      correction: difference(after, before),
      squaredTotal: difference(after, base).reduce((sum, value) => sum + value * value, 0),
      parent: units.get(context.parent),
    })
  }
  return [...units.values()]
}

/**
 * Keys are the same everywhere before the rotary embedding turns them by their place; the query of
 * a head is turned back by its distance, so that the score is largest there (RoFormer, section 3.2).
 */
function attention(): encodeGguf.Tensor[] {
  const query = matrix('blk.0.attn_q.weight', width, heads * part)
  const key = matrix('blk.0.attn_k.weight', width, part)
  const value = matrix('blk.0.attn_v.weight', width, part)
  const result = matrix('blk.0.attn_output.weight', heads * part, width)
  for (let pair = 0; pair < part / 2; pair++) {
    const frequency = ropeBase ** ((-2 * pair) / part)
    key.set(2 * pair, constant, attentionScale)
    for (let head = 0; head < heads; head++) {
      const angle = -(head + 1) * frequency
      query.set(head * part + 2 * pair, constant, attentionScale * Math.cos(angle))
      query.set(head * part + 2 * pair + 1, constant, attentionScale * Math.sin(angle))
    }
  }
  for (let symbol = 0; symbol < constant; symbol++) {
    value.set(symbol, symbol, 1)
    for (let head = 0; head < heads; head++)
      result.set((head + 1) * part + symbol, head * part + symbol, 1)
  }
  return [query.tensor, key.tensor, value.tensor, result.tensor]
}

function output(statistics: ByteStatistics): encodeGguf.Tensor {
  const { tensor, set } = matrix('output.weight', width, vocabulary)
  const symbols = Array.from({ length: part - 1 }, (_, symbol) => symbol)
  const known = new Set(symbols.map((symbol) => tokenOfSymbol(statistics, symbol)))
  for (let token = 0; token < vocabulary; token++)
    if (!known.has(token)) set(token, constant, never)
  for (const symbol of symbols) {
    const token = tokenOfSymbol(statistics, symbol)
    if (token === undefined) continue
    set(token, 3 * part + symbol, 1)
    for (const last of [...statistics.alphabet.keys(), statistics.start])
      set(token, last, statistics.logAfter(last)[symbol]!)
  }
  return tensor
}

function metadataOf(statistics: ByteStatistics, size: number): encodeGguf.Entry[] {
  return [
    ['general.architecture', 'string', 'llama'],
    ['general.name', 'string', "Byte statistics of Weft's documents"],
    [
      'general.description',
      'string',
      `Not a language model: how often each byte follows the one to three bytes before it in ${size} ` +
        `bytes of prose of this project's documents, written as the weights of a one-layer Llama ` +
        `(${statistics.contexts.length} contexts of two and three bytes).`,
    ],
    ['general.license', 'string', 'apache-2.0'],
    ['general.file_type', 'u32', 0],
    ['llama.context_length', 'u32', 4096],
    ['llama.embedding_length', 'u32', width],
    ['llama.block_count', 'u32', 1],
    [
      'llama.feed_forward_length',
      'u32',
      Math.max(32, Math.ceil(statistics.contexts.length / 32) * 32),
    ],
    ['llama.attention.head_count', 'u32', heads],
    ['llama.attention.head_count_kv', 'u32', 1],
    ['llama.attention.key_length', 'u32', part],
    ['llama.attention.value_length', 'u32', part],
    ['llama.attention.layer_norm_rms_epsilon', 'f32', epsilon],
    ['llama.rope.dimension_count', 'u32', part],
    ['llama.rope.freq_base', 'f32', ropeBase],
    ['llama.vocab_size', 'u32', vocabulary],
    ['tokenizer.ggml.model', 'string', 'gpt2'],
    ['tokenizer.ggml.pre', 'string', 'gpt-2'],
    ['tokenizer.ggml.tokens', 'strings', [...letters, '<s>', '</s>']],
    ['tokenizer.ggml.token_type', 'i32s', [...letters.map(() => 1), 3, 3]],
    ['tokenizer.ggml.merges', 'strings', []],
    ['tokenizer.ggml.bos_token_id', 'u32', startToken],
    ['tokenizer.ggml.eos_token_id', 'u32', endToken],
    ['tokenizer.ggml.add_bos_token', 'bool', true],
    [
      'tokenizer.chat_template',
      'string',
      "{% for message in messages %}{{ message['content'] }} {% endfor %}",
    ],
  ]
}

/** Thrown when there is not enough text to count in. */
export class TextError extends BaseError {
  override readonly code = 'FirstModel.TextError'

  constructor({ size }: { size: number }) {
    super('There is too little text to compute a model from.', {
      metaMessages: [
        `Text: ${size} bytes`,
        'Fix: run it in a clone of the repository with its documents, or name a model with --model FILE.gguf.',
      ],
    })
  }
}
