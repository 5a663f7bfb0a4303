/**
 * The exact engine: tensor programs whose every output bit is defined by `SPEC.md`, so that anyone can
 * repeat any part of them and get the same bytes, on any machine, with any number of threads. This
 * folder owns graphs and their ops, autodiff and optimisers, the back ends, random numbers and data order,
 * models that build graphs, training and generation, commitments, and files of weights. It knows no
 * network, no chain and no clock; it reads and writes no files; who is paid for a run is not its business.
 *
 * @example
 * ```ts
 * import { build, Claim, DataRoot, decoderOf, startRun, startStateRoots, startWasm, train } from 'weft/exact'
 *
 * // A model, the whole training step of it as one graph, and a back end.
 * const { model, graph } = build({
 *   model: decoderOf({ layers: 1, width: 16, heads: 2, positions: 32 }),
 *   rows: 2,
 *   length: 16,
 *   optimiser: { kind: 'adamw' },
 *   schedule: { rate: 0.01 },
 * })
 * await using backend = await startWasm({ threads: 2 })
 * const seed = [1, 0] as const
 * await using run = await startRun({ backend }, { graph, ...model, seed })
 *
 * // What the run follows from, and what it comes to: the same on every machine.
 * const data = new TextEncoder().encode('the cat sat on the mat; '.repeat(20))
 * const stateRoot = startStateRoots(run)
 * const dataRoot = DataRoot.from(data).root
 * const origin = Claim.originOf(graph, { startRoot: stateRoot(), dataRoot, seed })
 * await train(run, { data, seed, steps: 5 })
 * console.log(origin.graphCid, Claim.hashOf(stateRoot()))
 * ```
 */

// Graphs: values, ops, programs of one element, gradients, optimisers.
export * as Graph from './Graph.ts'
export * as Ops from './ops.ts'
export * as Program from './Program.ts'
export * as Tensor from './Tensor.ts'
export * as Transcendentals from './transcendentals.ts'
export { gradients } from './autodiff.ts'
export { optimise, type Optimiser, type Schedule } from './optimise.ts'
export { cidOf, decode, encode } from './encode.ts'
export { partConstants } from './partConstants.ts'
export { print } from './print.ts'

// Back ends: the same bits from each, and the suite that says so.
export * from './Backend.ts'
export * as Compliance from './compliance.ts'
export { reference } from './reference.ts'
export { startWasm, type Wasm } from './wasm/startWasm.ts'

// Models.
export * as Parameter from './models/Parameter.ts'
export { type Decoder, decoder, type Model } from './models/decoder.ts'
export { decoderOf } from './models/decoderOf.ts'
export { mlp } from './models/mlp.ts'

// Training, generation, data.
export { batchOf, textOf, tokensOf } from './data.ts'
export * as Tokenizer from './Tokenizer.ts'
export { philox, philoxWord } from './philox.ts'
export { build, type Recipe } from './train/Recipe.ts'
export { drawParameters, type Run, startRun, type StepReport } from './train/startRun.ts'
export { train } from './train/train.ts'
export { decoderTrainingGraph, nextTokenLoss, trainingGraph } from './train/trainingGraph.ts'
export { decodingGraph } from './generate/decodingGraph.ts'
export {
  drawToken,
  generationGraph,
  generationState,
  tokensIn,
} from './generate/generationGraph.ts'
export { type Generator, type GenerateOptions, startGenerator } from './generate/startGenerator.ts'

// Runs and commitments: what a run claims, and how parts of it are proved.
export * as Claim from './run/Claim.ts'
export * as Checkpoint from './run/Checkpoint.ts'
export * as StepLog from './run/StepLog.ts'
export { replay } from './run/replay.ts'
export { startStateRoots } from './run/startStateRoots.ts'
export * as DataRoot from './commit/DataRoot.ts'
export * as GraphNames from './GraphNames.ts'
export * as GraphRoot from './judgeable.ts'
export { type Leaf, readLeaf, writeLeaf } from './readLeaf.ts'
export * as Merkle from './commit/merkle.ts'
export * as RunRoot from './commit/RunRoot.ts'
export * as StateRoot from './commit/StateRoot.ts'

// Files of weights.
export { type DecoderWeights, type LoadOptions } from './weights/assembleDecoder.ts'
export { type ByteSource, fromBytes } from './weights/ByteSource.ts'
export * as DecoderGguf from './weights/DecoderGguf.ts'
export * as DecoderSafetensors from './weights/DecoderSafetensors.ts'
export { encodeGguf, encodeGgufChunks } from './weights/encodeGguf.ts'
export * as Gguf from './weights/Gguf.ts'
export { ggufTokenizer } from './weights/ggufTokenizer.ts'
export { loadDecoder } from './weights/loadDecoder.ts'
export * as Safetensors from './weights/Safetensors.ts'
