/**
 * A small Llama of random weights: it says nothing, but its scores have all the noise of real ones.
 * The first dimension of its vectors is always large, so that its output row can rule out the token
 * that ends an answer.
 */
import { letters } from '../src/exact/weights/byteVocabulary.ts'
import { encodeGguf } from '../src/exact/weights/encodeGguf.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'

export type Shape = {
  seed?: number
  layers?: number
  width?: number
  hidden?: number
  /** Tokens beyond the 256 bytes, to make the vocabulary large. */
  extraTokens?: number
  chatTemplate?: string
}

/** Encodes the model; equal shapes give equal bytes. */
export function randomLlama(shape: Shape = {}): Uint8Array {
  const { seed = 1, layers = 2, width = 128, hidden = 256, extraTokens = 0 } = shape
  const random = seededRandom(seed)
  const heads = 4
  const size = width / heads
  const extra = Array.from({ length: extraTokens }, (_, i) => `<word-${i}>`)
  const tokens = [...letters, '<s>', '</s>', ...extra]
  const matrix = (name: string, inputs: number, outputs: number): encodeGguf.Floats => ({
    name,
    shape: [inputs, outputs],
    data: Float32Array.from(
      { length: inputs * outputs },
      () => ((random.next() - 0.5) * 4) / Math.sqrt(inputs),
    ),
  })
  const norm = (name: string): encodeGguf.Floats => ({
    name,
    shape: [width],
    data: new Float32Array(width).fill(1),
  })
  const block = (index: number): encodeGguf.Floats[] => {
    const name = (part: string) => `blk.${index}.${part}.weight`
    return [
      norm(name('attn_norm')),
      matrix(name('attn_q'), width, width),
      matrix(name('attn_k'), width, width),
      matrix(name('attn_v'), width, width),
      matrix(name('attn_output'), width, width),
      norm(name('ffn_norm')),
      matrix(name('ffn_gate'), width, hidden),
      matrix(name('ffn_up'), width, hidden),
      matrix(name('ffn_down'), hidden, width),
    ]
  }
  const embedding = matrix('token_embd.weight', width, tokens.length)
  for (let token = 0; token < tokens.length; token++) embedding.data[token * width] = 8
  const output = matrix('output.weight', width, tokens.length)
  output.data.fill(0, 257 * width, 258 * width)
  output.data[257 * width] = -100
  return encodeGguf({
    metadata: [
      ['general.architecture', 'string', 'llama'],
      ['general.name', 'string', 'Random weights for tests'],
      ['llama.context_length', 'u32', 8192],
      ['llama.embedding_length', 'u32', width],
      ['llama.block_count', 'u32', layers],
      ['llama.feed_forward_length', 'u32', hidden],
      ['llama.attention.head_count', 'u32', heads],
      ['llama.attention.head_count_kv', 'u32', heads],
      ['llama.attention.layer_norm_rms_epsilon', 'f32', 1e-5],
      ['llama.rope.dimension_count', 'u32', size],
      ['llama.vocab_size', 'u32', tokens.length],
      ['tokenizer.ggml.model', 'string', 'gpt2'],
      ['tokenizer.ggml.pre', 'string', 'gpt-2'],
      ['tokenizer.ggml.tokens', 'strings', tokens],
      ['tokenizer.ggml.token_type', 'i32s', tokens.map((_, i) => (i === 256 || i === 257 ? 3 : 1))],
      ['tokenizer.ggml.merges', 'strings', []],
      ['tokenizer.ggml.bos_token_id', 'u32', 256],
      ['tokenizer.ggml.eos_token_id', 'u32', 257],
      ['tokenizer.ggml.add_bos_token', 'bool', true],
      ...(shape.chatTemplate === undefined
        ? []
        : [['tokenizer.chat_template', 'string', shape.chatTemplate] as const]),
    ],
    tensors: [
      embedding,
      ...Array.from({ length: layers }, (_, index) => block(index)).flat(),
      norm('output_norm.weight'),
      output,
    ],
  })
}
