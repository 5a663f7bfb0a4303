/** Map programs as SIMD code: four elements in each register. */
import { floatOf, type Operator } from '../Program.ts'
import type { DType } from '../Tensor.ts'
import { multiplyAdd, type MultiplyAdd } from './arithmetic.ts'
import type { Code, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import type { Constants } from './constants.ts'
import { f32x4, i32, i32x4, v128 } from './instructions.ts'
import { type OutputRules, outputRules } from './outputRules.ts'
import type { Fused, Step } from './Task.ts'

/** A program in variables: the caller sets the inputs, `compute` the result. */
export type Vectors = {
  readonly inputs: readonly Local[]
  readonly compute: Code
  readonly result: Local
}

/** What is done with a result: stored as f32 by the rules for that, or as it is; or it is only a number. */
export type Use = 'rules' | 'bits' | 'number'

/** Writes a program. An f32 result follows the output rules where it is used so. */
export function vectorsOf(
  compilation: Compilation,
  program: Fused,
  { use, constants, local }: { use: Use; constants: Constants; local: Scope['local'] },
): Vectors {
  const inputs = Array.from({ length: program.inputs }, () => local('v128'))
  const values = program.code.map(() => local('v128'))
  const result = local('v128')
  const rules = outputRules(constants)
  const registers = [
    ...inputs.map(({ get }) => get),
    ...program.constants.map((bits) => constants.of(bits)),
    ...values.map(({ get }) => get),
  ]
  const fma = multiplyAdd(compilation.module, compilation.fusion)
  const observed = observedBits(program, use)
  const writing = { program, registers, values, rules, constants, fma, observed }
  return {
    inputs,
    compute: [
      program.code.map((step, index) => writeStep(writing, step, index)),
      result.set(registers[program.result]!),
      use === 'rules' ? result.set(rules.stored(result)) : [],
    ],
    result,
  }
}

/** What a use of a result as this type asks for. */
export function useOf(dtype: DType): Use {
  return dtype === 'f32' ? 'rules' : 'bits'
}

type Writing = {
  readonly program: Fused
  /** What reads each register; the last ones are of `values`, which instructions set. */
  readonly registers: readonly Code[]
  readonly values: readonly Local[]
  readonly rules: OutputRules
  readonly constants: Constants
  readonly fma: MultiplyAdd
  readonly observed: ReadonlySet<number>
}

function writeStep(writing: Writing, [op, ...reads]: Step, index: number): Code {
  const { program, registers, values, rules, fma, observed } = writing
  const at = program.inputs + program.constants.length + index
  const target = values[index]!
  const operands = reads.map((register) => registers[register]!)
  const [a, b, c] = operands as [Code, Code, Code]
  const isObserved = observed.has(at)
  if (op === 'output')
    return [target.set(a), target.set(isObserved ? rules.stored(target) : rules.flushed(target))]
  const patterns = reads.map((register) => constantAt(program, register))
  const value = shifts[op]
    ? shift(shifts[op], [a, b], patterns[1])
    : op === 'fma'
      ? fma(a, b, c)
      : (plainer(writing, op, reads) ?? vectors[op]!(...operands))
  const mayBeNan = arithmetic.has(op) && isObserved
  return [target.set(value), mayBeNan ? target.set(rules.canonical(target)) : []]
}

function constantAt({ inputs, constants }: Fused, register: number): number | undefined {
  return constants[register - inputs]
}

/** Operators with an f32 result that may be NaN, whose bits depend on the machine. */
const arithmetic: ReadonlySet<Step[0]> = new Set([
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
function observedBits({ inputs, constants, code, result }: Fused, use: Use): ReadonlySet<number> {
  const observed = new Set<number>(use === 'bits' ? [result] : [])
  const first = inputs + constants.length
  for (const [index, [op, ...reads]] of [...code.entries()].toReversed()) {
    const isBits = !arithmetic.has(op) && !['lt', 'le', 'eq', 'nearest', 'output'].includes(op)
    const passesOn = op === 'select' && !observed.has(first + index)
    const seen = passesOn ? reads.slice(0, 1) : isBits ? reads : []
    for (const register of seen) observed.add(register)
  }
  return observed
}

/** Fewer instructions for the same bits, where constants allow it. */
function plainer(
  { program, registers, constants }: Writing,
  op: Step[0],
  reads: readonly number[],
) {
  const [a, b] = reads.map((register) => registers[register]!)
  const isPlain = (register: number | undefined) => {
    const bits = register === undefined ? undefined : constantAt(program, register)
    return bits !== undefined && (bits & 0x7fff_ffff) !== 0 && (bits & 0x7fff_ffff) <= 0x7f80_0000
  }
  // With a number that is neither zero nor NaN, only a NaN on the other side counts: it stays.
  if (op === 'max' && isPlain(reads[1])) return f32x4.pmax(a!, b!)
  if (op === 'min' && isPlain(reads[1])) return f32x4.pmin(a!, b!)
  if (op === 'nearest' && boundOf(program, reads[0]!) < 2 ** 22) {
    // The sum's unit is one, so that it is rounded to an integer, which stands in its low bits.
    const sum = i32x4.sub(f32x4.add(a!, constants.of(magic)), constants.of(magic))
    return v128.and(sum, f32x4.eq(a!, a!))
  }
  return undefined
}

const magic = 0x4b40_0000

/** How far from zero a register may be, NaN aside: when it is a min of a max, both with numbers. */
function boundOf(program: Fused, register: number): number {
  const first = program.inputs + program.constants.length
  const clampedBy = (op: Operator, at: number) => {
    const step = program.code[at - first]
    const bits = step?.[0] === op ? constantAt(program, step[2]!) : undefined
    return bits === undefined ? undefined : ([step![1]!, Math.abs(floatOf(bits))] as const)
  }
  const [inner, above] = clampedBy('min', register) ?? []
  const [, below] = inner === undefined ? [] : (clampedBy('max', inner) ?? [])
  return Math.max(above ?? Infinity, below ?? Infinity)
}

/** How far from zero the integers are that a program ends with; Infinity when it does not say. */
export function integerBound(program: Fused): number {
  const [op, from] = program.code[program.result - program.inputs - program.constants.length] ?? []
  return op === 'nearest' ? boundOf(program, from!) : Infinity
}

const vectors: Readonly<Partial<Record<Step[0], (...operands: readonly Code[]) => Code>>> = {
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

const shifts: Readonly<Partial<Record<Step[0], Shift>>> = {
  shl: { vector: i32x4.shl, scalar: i32.shl },
  shru: { vector: i32x4.shrU, scalar: i32.shrU },
  shrs: { vector: i32x4.shrS, scalar: i32.shrS },
}

type Shift = Readonly<Record<'vector' | 'scalar', (...operands: readonly Code[]) => Code>>

/** By the same amount in all lanes where it is a constant, else lane by lane. */
function shift(by: Shift, [a, b]: readonly [Code, Code], amount: number | undefined): Code {
  if (amount !== undefined) return by.vector(a, i32.const(amount))
  return [0, 1, 2, 3].reduce<Code>(
    (value, lane) =>
      i32x4.replace(value, lane, by.scalar(i32x4.extract(a, lane), i32x4.extract(b, lane))),
    a,
  )
}
