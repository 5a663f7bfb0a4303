/** Map programs compiled to SIMD: four elements at a time, the last ones too, so that all have the same bits. */
import { type Operator, type Program } from '../Program.ts'
import type { DType } from '../Tensor.ts'
import { atOutput, canonical, multiplyAdd, type MultiplyAdd } from './arithmetic.ts'
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  count,
  f32x4,
  i32,
  i32x4,
  repeat,
  v128,
  when,
  zero,
} from './instructions.ts'
import type { Loop } from './loops.ts'

export type MapSpec = {
  readonly program: Program
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
      (scope) => nest(compilation, spec, scope),
    ),
  )
}

/** Loops in loops: the pointers of each level start where the level above stands. */
function nest(compilation: Compilation, spec: MapSpec, { parameters, local }: Scope): Code {
  const { loops, program, dtype } = spec
  const [out, ...rest] = parameters as [Local, ...Local[]]
  const inputs = rest.slice(0, program.inputs)
  const [begin, end] = rest.slice(program.inputs) as [Local, Local]
  const width = dtype === 'i8' ? 1 : 4
  const innerSizes = loops.map((_, level) =>
    loops.slice(level + 1).reduce((product, { size }) => product * size, 1),
  )
  const hoisted = hoist(compilation, program, local)
  const row = rowOf(compilation, spec, hoisted, local)

  const level = (depth: number, from: readonly Local[]): Code => {
    const loop = loops[depth]!
    if (depth === loops.length - 1) {
      const length = local('i32')
      const isOnly = depth === 0
      return [
        length.set(isOnly ? i32.sub(end.get, begin.get) : i32.const(loop.size)),
        row(from, length, out),
      ]
    }
    const left = local('i32')
    const pointers = from.map(() => local('i32'))
    return [
      left.set(depth === 0 ? i32.sub(end.get, begin.get) : i32.const(loop.size)),
      pointers.map((pointer, i) => pointer.set(from[i]!.get)),
      repeat(
        [
          level(depth + 1, pointers),
          pointers.map((pointer, i) => move(pointer, loop.strides[i]! * 4)),
        ],
        left.tee(i32.sub(left.get, i32.const(1))),
      ),
    ]
  }
  const start = (pointer: Local, bytes: number) =>
    bytes === 0 ? [] : advance(pointer, i32.mul(begin.get, i32.const(bytes)))
  return [
    hoisted.code,
    when(i32.ltU(begin.get, end.get), [
      start(out, innerSizes[0]! * width),
      inputs.map((input, i) => start(input, loops[0]!.strides[i]! * 4)),
      level(0, inputs),
    ]),
  ]
}

function move(pointer: Local, bytes: number): Code {
  return bytes === 0 ? [] : advance(pointer, i32.const(bytes))
}

type Hoisted = { readonly code: Code; readonly constants: readonly Local[] }

/** Constants stand in variables: V8 would make a vector constant anew in every round. */
function hoist({ constantAt }: Compilation, program: Program, local: Scope['local']): Hoisted {
  const constants = program.constants.map(() => local('v128'))
  const code = constants.map((constant, i) =>
    constant.set(v128.load32Splat(i32.const(constantAt(program.constants[i]!)))),
  )
  return { code, constants }
}

/** The innermost loop; `out` ends behind the row. */
function rowOf(compilation: Compilation, spec: MapSpec, hoisted: Hoisted, local: Scope['local']) {
  const { loops, program, dtype } = spec
  const innermost = loops.at(-1)!
  const inputs = Array.from({ length: program.inputs }, () => local('v128'))
  const values = program.code.map(() => local('v128'))
  const registers = [...inputs, ...hoisted.constants, ...values]
  const [result, offset, address] = [local('v128'), local('i32'), local('i32')]
  const fma = multiplyAdd(compilation.module, compilation.fusion)
  const runs = (i: number) => innermost.strides[i] !== 0
  const width = dtype === 'i8' ? 1 : 4

  return (from: readonly Local[], length: Local, out: Local): Code => [
    inputs.map((input, i) => (runs(i) ? [] : input.set(v128.load32Splat(from[i]!.get)))),
    count(offset, { from: zero, to: length.get, step: i32.const(4) }, [
      inputs.map((input, i) =>
        runs(i) ? input.set(v128.load(i32.add(from[i]!.get, bytesOf(offset.get)))) : [],
      ),
      compute(program, dtype, registers, fma),
      result.set(registers[program.result]!.get),
      dtype === 'f32' ? result.set(atOutput(result)) : [],
      address.set(i32.add(out.get, i32.mul(offset.get, i32.const(width)))),
      storeLanes(dtype, result, address, i32.sub(length.get, offset.get)),
    ]),
    advance(out, i32.mul(length.get, i32.const(width))),
  ]
}

/** Stores four lanes, or as many as are left. An i8 takes the low byte of each. */
function storeLanes(dtype: DType, value: Local, address: Local, left: Code): Code {
  const lanes = [0, 1, 2]
  const some = (storeOne: (lane: number) => Code) =>
    lanes.map((lane) => when(i32.gtU(left, i32.const(lane)), storeOne(lane)))
  const isFull = i32.geU(left, i32.const(4))
  if (dtype !== 'i8')
    return when(
      isFull,
      v128.store(address.get, value.get),
      some((lane) => v128.store32(lane, address.get, value.get, lane * 4)),
    )
  const lowBytes = [0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12]
  return when(
    isFull,
    v128.store32(0, address.get, v128.shuffle(value.get, value.get, lowBytes)),
    some((lane) => i32.store8(address.get, i32x4.extract(value.get, lane), lane)),
  )
}

/** Instruction by instruction, each result in its register. */
function compute(
  program: Program,
  dtype: DType,
  registers: readonly Local[],
  fma: MultiplyAdd,
): Code {
  const first = program.inputs + program.constants.length
  const observed = observedBits(program, dtype)
  return program.code.map(([op, ...reads], index) => {
    const target = registers[first + index]!
    const operands = reads.map((register) => registers[register]!)
    const amount = program.constants[(reads[1] ?? 0) - program.inputs]
    const value = shifts[op]
      ? shift(shifts[op], operands, amount)
      : vectorOf(op, fma)(...operands.map(({ get }) => get))
    const mayBeNan = arithmetic.has(op) && observed.has(first + index)
    return [target.set(value), mayBeNan ? target.set(canonical(target)) : []]
  })
}

/** Operators with an f32 result that may be NaN, whose bits depend on the machine. */
const arithmetic: ReadonlySet<Operator> = new Set([
  'fma',
  'add',
  'sub',
  'mul',
  'div',
  'sqrt',
  'min',
  'max',
])

/** Registers whose bits are seen: read by an instruction on bits, or stored as they are. */
function observedBits({ inputs, constants, code, result }: Program, dtype: DType) {
  const observed = new Set<number>(dtype === 'f32' ? [] : [result])
  const first = inputs + constants.length
  for (const [index, [op, ...reads]] of [...code.entries()].toReversed()) {
    const isBits = !arithmetic.has(op) && !['lt', 'le', 'eq', 'nearest'].includes(op)
    const passesOn = op === 'select' && !observed.has(first + index)
    const seen = passesOn ? reads.slice(0, 1) : isBits ? reads : []
    for (const register of seen) observed.add(register)
  }
  return observed
}

const vectors: Readonly<Partial<Record<Operator, (...operands: readonly Code[]) => Code>>> = {
  add: f32x4.add,
  sub: f32x4.sub,
  mul: f32x4.mul,
  div: f32x4.div,
  sqrt: f32x4.sqrt,
  min: f32x4.min,
  max: f32x4.max,
  lt: f32x4.lt,
  le: f32x4.le,
  eq: f32x4.eq,
  select: (mask, a, b) => v128.bitselect(a!, b!, mask!),
  and: v128.and,
  or: v128.or,
  xor: v128.xor,
  iadd: i32x4.add,
  isub: i32x4.sub,
  float: f32x4.convertI32x4,
  nearest: (a) => i32x4.truncSatF32x4(f32x4.nearest(a!)),
}

function vectorOf(op: Operator, fma: MultiplyAdd) {
  return op === 'fma' ? (...[a, b, c]: readonly Code[]) => fma(a!, b!, c!) : vectors[op]!
}

const shifts: Readonly<Partial<Record<Operator, Shift>>> = {
  shl: { vector: i32x4.shl, scalar: i32.shl },
  shru: { vector: i32x4.shrU, scalar: i32.shrU },
  shrs: { vector: i32x4.shrS, scalar: i32.shrS },
}

type Shift = Readonly<Record<'vector' | 'scalar', (...operands: readonly Code[]) => Code>>

/** By the same amount in all lanes where it is a constant, else lane by lane. */
function shift(by: Shift, operands: readonly Local[], amount: number | undefined): Code {
  const [a, b] = operands as [Local, Local]
  if (amount !== undefined) return by.vector(a.get, i32.const(amount))
  return [0, 1, 2, 3].reduce<Code>(
    (value, lane) =>
      i32x4.replace(value, lane, by.scalar(i32x4.extract(a.get, lane), i32x4.extract(b.get, lane))),
    a.get,
  )
}
