/** What llama.cpp says after each token of a text, to compare the exact engine with. */
import { startLlama } from '../src/engine/llamaCpp.ts'

/**
 * The scores of every token of the vocabulary after each of some tokens, computed by llama.cpp on one
 * thread.
 *
 * @param path a GGUF file.
 */
export async function llamaLogits(
  path: string,
  { tokens, vocabulary }: { tokens: Uint32Array; vocabulary: number },
): Promise<readonly Float64Array[]> {
  await using llama = await startLlama({ gpu: false })
  await using model = await llama.loadModel({
    modelPath: path,
    defaultContextFlashAttention: false,
  })
  await using context = await model.createContext({
    contextSize: tokens.length + 1,
    batchSize: 512,
    sequences: 1,
    flashAttention: false,
    threads: 1,
    // Its cache is binary16 by default, which would be the whole of the difference.
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  })
  const wanted = { generateNext: { logits: true, options: { temperature: 1, topK: 0, topP: 1 } } }
  const output = await context
    .getSequence()
    .controlledEvaluate(Array.from(tokens, (token) => [token as never, wanted]))
  return output.map((each) => {
    const logits = each?.next.logits
    if (logits?.size !== vocabulary) throw new Error(`llama.cpp gave ${logits?.size} scores.`)
    return Float64Array.from({ length: vocabulary }, (_, token) => logits.get(token as never)!)
  })
}

/** The tokens that llama.cpp makes of texts, without looking for special ones within them. */
export async function llamaTokens(
  path: string,
  texts: readonly string[],
): Promise<readonly (readonly number[])[]> {
  await using llama = await startLlama({ gpu: false })
  await using model = await llama.loadModel({ modelPath: path, vocabOnly: true })
  return texts.map((text) => model.tokenize(text, false))
}
