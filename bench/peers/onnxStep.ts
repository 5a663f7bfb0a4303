import { batchOf } from '../../src/exact/data.ts'
import { count } from '../../src/exact/Tensor.ts'
import { drawParameters } from '../../src/exact/train/startRun.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'
import {
  length,
  type ModelName,
  modelOf,
  rowsOf,
  seed,
  trainingGraphOf,
  trainingText,
} from '../exact/models.ts'
import * as Onnx from '../exact/Onnx.ts'
import { onnxOfGraph } from '../exact/onnxOfGraph.ts'
import { type Data, type Ort, type OrtTensor, startSession } from './loadOnnx.ts'

/** The training step of a decoder, the graph of this repository as an ONNX model; gives the loss. */
export async function prepareOnnxStep(
  { ort, threads }: { readonly ort: Ort; readonly threads: number },
  { name }: { readonly name: ModelName },
): Promise<() => Promise<void>> {
  await using backend = await startWasm()
  const model = modelOf(name)
  const graph = trainingGraphOf(name, model)
  const onnx = await onnxOfGraph(graph, backend)
  const session = await startSession(ort, Onnx.serialize(onnx), threads)
  const drawn = await drawParameters({ backend }, { parameters: model.parameters, seed })
  const tensor = (data: Data, shape: readonly number[]) =>
    new ort.Tensor(data instanceof Float32Array ? 'float32' : 'int32', data, shape)
  const state: OrtTensor[] = graph.state.map(({ dtype, shape }, slot) => {
    const buffer = drawn[slot]?.slice().buffer ?? new ArrayBuffer(4 * count(shape))
    return tensor(dtype === 'f32' ? new Float32Array(buffer) : new Int32Array(buffer), shape)
  })
  const wanted = new Set(onnx.inputs.map((input) => input.name))
  const data = trainingText()
  let step = 0
  return async () => {
    const options = { seed, step: step++, rows: rowsOf(name), length: length + 1 }
    const tokens = Int32Array.from(batchOf(data, options))
    const feeds: Record<string, OrtTensor> = { b0: tensor(tokens, [rowsOf(name), length + 1]) }
    state.forEach((each, slot) => {
      if (wanted.has(`s${slot}`)) feeds[`s${slot}`] = each
    })
    const results = await session.run(feeds)
    state.forEach((each, slot) => (state[slot] = results[`n${slot}`] ?? each))
    if (process.env['BENCH_LOSS']) console.error(`loss ${results['r0']!.data[0]}`)
  }
}
