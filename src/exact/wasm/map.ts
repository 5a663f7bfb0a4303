/** Map programs over tensors: four elements at a time, the last ones too, so that all have the same bits. */
import type { DType } from '../Tensor.ts'
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { advance, i8x16, i16x8, i32, i32x4, repeat, v128, when } from './instructions.ts'
import type { Loop } from './loops.ts'
import { type Constants, startConstants } from './constants.ts'
import { nest, start } from './nest.ts'
import { useOf, type Vectors, vectorsOf } from './program.ts'
import type { Fused } from './Task.ts'

export type MapSpec = {
  readonly program: Fused
  readonly dtype: DType
  /** Loops over the output; one operand for each input of the program. */
  readonly loops: readonly Loop[]
}

/** A function (out, inputs..., begin, end) that computes rounds `begin` to `end` of the outermost loop. */
export function mapFunction(compilation: Compilation, spec: MapSpec): Function {
  const { module } = compilation
  return module.once(`map ${JSON.stringify(spec)}`, () =>
    module.define(
      { parameters: Array.from({ length: spec.program.inputs + 3 }, () => 'i32' as const) },
      (scope) => mapBody(compilation, spec, scope),
    ),
  )
}

function mapBody(compilation: Compilation, spec: MapSpec, { parameters, local }: Scope): Code {
  const { loops, program, dtype } = spec
  const [out, ...rest] = parameters as [Local, ...Local[]]
  const inputs = rest.slice(0, program.inputs)
  const [begin, end] = rest.slice(program.inputs) as [Local, Local]
  const constants = startConstants(local)
  const vectors = vectorsOf(compilation, program, { use: useOf(dtype), constants, local })
  const inner = loops.at(-1)!
  const length = local('i32')
  const row = (from: readonly Local[]) =>
    rowOf({ vectors, dtype, strides: inner.strides, atOnce: unrolled(spec), constants }, local)(
      from,
      length,
      out,
    )
  const width = dtype === 'i8' ? 1 : 4
  const rowsOf = loops.slice(1).reduce((product, { size }) => product * size, 1)
  const body =
    loops.length === 1
      ? when(i32.ltU(begin.get, end.get), [
          start(out, begin, width),
          inputs.map((input, i) => start(input, begin, inner.strides[i]! * 4)),
          length.set(i32.sub(end.get, begin.get)),
          row(inputs),
        ])
      : [
          start(out, begin, rowsOf * width),
          nest({ loops: loops.slice(0, -1), pointers: inputs, begin, end }, local, (from) => [
            length.set(i32.const(inner.size)),
            row(from),
          ]),
        ]
  return [constants.prepare(), body]
}

/** Vectors in a round: short programs are mostly pointers and tests; bytes are stored by sixteens. */
function unrolled({ program, dtype }: MapSpec): 1 | 4 {
  return dtype === 'i8' || program.code.length <= 12 ? 4 : 1
}

type Row = {
  readonly vectors: Vectors
  readonly dtype: DType
  readonly strides: readonly number[]
  readonly atOnce: 1 | 4
  readonly constants: Constants
}

/** A row of elements; `out` ends behind it. */
function rowOf({ vectors, dtype, strides, atOnce, constants }: Row, local: Scope['local']) {
  const { inputs, compute, result } = vectors
  const pointers = inputs.map(() => local('i32'))
  const [left, quads] = [local('i32'), [1, 2, 3, 4].map(() => local('v128'))]
  const runs = (i: number) => strides[i] !== 0
  const width = dtype === 'i8' ? 1 : 4
  const lowByte = (words: Code) => v128.and(words, constants.of(0xff))
  const vector = (index: number): Code => [
    inputs.map((input, i) => (runs(i) ? input.set(v128.load(pointers[i]!.get, index * 16)) : [])),
    compute,
  ]
  const forward = (out: Local, count: number): Code => [
    pointers.map((pointer, i) => (runs(i) ? advance(pointer, i32.const(count * 16)) : [])),
    advance(out, i32.const(count * 4 * width)),
    advance(left, i32.const(count * -4)),
  ]
  const whileLeft = (count: number, body: Code) => {
    const isLeft = i32.geU(left.get, i32.const(count * 4))
    return when(isLeft, repeat(body, isLeft))
  }
  const four = (out: Local): Code =>
    dtype === 'i8'
      ? [
          quads.map((quad, index) => [vector(index), quad.set(lowByte(result.get))]),
          v128.store(out.get, packed(quads.map(({ get }) => get))),
        ]
      : [0, 1, 2, 3].map((index) => [vector(index), v128.store(out.get, result.get, index * 16)])
  const one = (out: Local): Code => [
    vector(0),
    dtype === 'i8'
      ? v128.store32(0, out.get, packed([lowByte(result.get), ...zeros]))
      : v128.store(out.get, result.get),
  ]
  return (from: readonly Local[], length: Local, out: Local): Code => [
    pointers.map((pointer, i) => pointer.set(from[i]!.get)),
    inputs.map((input, i) => (runs(i) ? [] : input.set(v128.load32Splat(from[i]!.get)))),
    left.set(length.get),
    atOnce === 4 ? whileLeft(4, [four(out), forward(out, 4)]) : [],
    whileLeft(1, [one(out), forward(out, 1)]),
    when(left.get, [
      vector(0),
      someLanes(dtype, { value: result, address: out, left: left.get }),
      advance(out, i32.mul(left.get, i32.const(width))),
    ]),
  ]
}

const zeros = [v128.splat(0), v128.splat(0), v128.splat(0)]

/** Sixteen words of a byte each as sixteen bytes. */
function packed([a, b, c, d]: readonly Code[]): Code {
  return i8x16.narrowI16x8U(i16x8.narrowI32x4U(a!, b!), i16x8.narrowI32x4U(c!, d!))
}

/** Stores the first one to three lanes. An i8 takes the low byte of each. */
function someLanes(
  dtype: DType,
  { value, address, left }: { value: Local; address: Local; left: Code },
): Code {
  const store = (lane: number) =>
    dtype === 'i8'
      ? i32.store8(address.get, i32x4.extract(value.get, lane), lane)
      : v128.store32(lane, address.get, value.get, lane * 4)
  return [store(0), [1, 2].map((lane) => when(i32.gtU(left, i32.const(lane)), store(lane)))]
}
