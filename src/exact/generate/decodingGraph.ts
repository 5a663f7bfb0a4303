import * as Graph from '../Graph.ts'
import type { Model } from '../models/decoder.ts'
import * as Ops from '../ops.ts'
import { write } from '../Program.ts'
import { input, map, reshape, slice } from '../Tensor.ts'
import * as Transcendentals from '../transcendentals.ts'

/**
 * A step of generation as a graph: `tokens` (u32 [1, width]) at `position` (u32[]) with the cache in the
 * state. Its results are `logits` [width, vocabulary], and `weights` u32 [vocabulary]: of each token
 * after the last its chance, e^((logit - greatest) / temperature) as a whole number of 2^-30, by the
 * batch slot `temperature` (f32[]).
 *
 * Its state is the parameters in order, then keys and values of each layer, for all positions of the
 * model: what is not there yet is masked. Give each place a value before a later one reads it.
 */
export function decodingGraph(model: Model, { width = 1 }: { width?: number } = {}): Graph.Graph {
  const { layers, keyHeads, headSize, positions, vocabulary } = model.config
  const tokens = input('batch', 'tokens', 'u32', [1, width])
  const position = input('batch', 'position', 'u32', [])
  const temperature = input('batch', 'temperature', 'f32', [])
  const caches = Array.from({ length: layers }, (_, layer) => ({
    keys: input('state', `cache.${layer}.keys`, 'f32', [1, keyHeads, positions, headSize]),
    values: input('state', `cache.${layer}.values`, 'f32', [1, keyHeads, positions, headSize]),
  }))
  const decoded = model.decode(tokens, position, caches)
  const logits = reshape(decoded.logits, [width, vocabulary])
  const last = reshape(slice(logits, [width - 1, 0], [1, vocabulary]), [vocabulary])
  const weights = map(chance, [last, Ops.max(last), temperature], { dtype: 'u32' })
  return Graph.from({
    state: [
      ...model.parameters.map(({ slot }) => [slot, slot] as const),
      ...caches.flatMap(({ keys, values }, layer) => [
        [keys, decoded.caches[layer]!.keys] as const,
        [values, decoded.caches[layer]!.values] as const,
      ]),
    ],
    batch: [tokens, position, temperature],
    results: { logits, weights },
  })
}

const chance = write(3, (w, logit, greatest, temperature) => {
  const exponent = w.max(w.div(w.sub(logit, greatest), temperature), w.f32(-60))
  return w.nearest(w.mul(Transcendentals.exp(w, exponent), w.f32(2 ** 30)))
})
