import { BaseError } from '../runtime/Errors.ts'

/**
 * What a `map` op computes for one element: a straight-line program on 32-bit registers. The first
 * registers are the inputs, the next the constants, then one for each instruction.
 *
 * Every instruction is exact by definition (SPEC.md): IEEE-754 binary32, nearest even, no flush inside
 * a program. An instruction with an f32 result (fma to max, float) that is NaN gives 0x7fc00000, so
 * that an instruction on bits never sees a machine's own NaN. `min` and `max` are WebAssembly's: NaN
 * when either is NaN, -0 below +0. Comparisons give all ones or all zeros, zeros when either is NaN;
 * -0 equals +0. Integer instructions wrap modulo 2^32; shifts count modulo 32.
 */
export type Program = {
  /** How many inputs it reads, 0 to 4. */
  readonly inputs: number
  /** Bit patterns. */
  readonly constants: readonly number[]
  readonly code: readonly Instruction[]
  /** The register that is the result. */
  readonly result: number
}

/** An operator and the registers it reads. */
export type Instruction = readonly [op: Operator, ...registers: number[]]

/** Operators and how many registers each reads. Their order is their number in commitments: append only. */
export const arity = {
  fma: 3,
  add: 2,
  sub: 2,
  mul: 2,
  div: 2,
  sqrt: 1,
  min: 2,
  max: 2,
  lt: 2,
  le: 2,
  eq: 2,
  /** `select(mask, a, b)`: bits of a where the mask is one, of b where it is zero. */
  select: 3,
  and: 2,
  or: 2,
  xor: 2,
  iadd: 2,
  isub: 2,
  /** Shift by the amount in a register: left, right with zeros, right with the sign. */
  shl: 2,
  shru: 2,
  shrs: 2,
  /** Signed 32-bit integer to f32, nearest even. */
  float: 1,
  /** f32 to signed 32-bit integer, nearest even; NaN gives 0, out of range saturates. */
  nearest: 1,
} as const

export type Operator = keyof typeof arity

export const operators = Object.keys(arity) as readonly Operator[]

/** The most inputs, constants and instructions a program may have. */
export const limits = { inputs: 4, constants: 64, code: 512 } as const

/** A register while a program is being written. */
export type Register = { readonly [register]: number }
declare const register: unique symbol

/** What the body of a program writes with: one method per operator, and constants. */
export type Writer = { readonly [op in Operator]: (...args: readonly Register[]) => Register } & {
  /** The f32 nearest to a number. */
  f32(value: number): Register
  /** A bit pattern. */
  bits(pattern: number): Register
}

/**
 * Writes a program. Equal constants and equal instructions are written once.
 *
 * @throws {ProgramError} when it breaks a limit.
 *
 * @example
 * ```ts
 * const square = Program.write(1, (w, x) => w.mul(x, x))
 * ```
 */
export function write(
  inputs: number,
  body: (writer: Writer, ...inputs: readonly Register[]) => Register,
): Program {
  const constants: number[] = []
  const code: (readonly [Operator, ...Symbolic[]])[] = []
  const seen = new Map<string, Symbolic>()
  const once = (key: string, create: () => Symbolic): Symbolic => {
    const found = seen.get(key) ?? create()
    seen.set(key, found)
    return found
  }
  const bits = (pattern: number) => {
    const value = pattern >>> 0
    return once(`#${value}`, () => ({ kind: 'constant', index: constants.push(value) - 1 }))
  }
  const emit = (op: Operator, args: readonly Symbolic[]) => {
    if (args.length !== arity[op])
      throw new ProgramError(`${op} reads ${arity[op]} registers, not ${args.length}.`)
    return once(`${op}(${args.map((arg) => `${arg.kind}${arg.index}`).join(',')})`, () => ({
      kind: 'code',
      index: code.push([op, ...args]) - 1,
    }))
  }
  const writer = Object.fromEntries(
    operators.map((op) => [op, (...args: Symbolic[]) => emit(op, args)]),
  )
  const all = { ...writer, bits, f32: (value: number) => bits(bitsOf(value)) }
  const parameters = Array.from({ length: inputs }, (_, index) => ({ kind: 'input', index }))
  const result = body(
    all as unknown as Writer,
    ...(parameters as unknown as Register[]),
  ) as unknown as Symbolic

  const place = ({ kind, index }: Symbolic) => {
    if (kind === 'input') return index
    return kind === 'constant' ? inputs + index : inputs + constants.length + index
  }
  const program: Program = {
    inputs,
    constants,
    code: code.map(([op, ...args]) => [op, ...args.map(place)]),
    result: place(result),
  }
  check(program)
  return program
}

/**
 * Checks a program that came from outside: every register is written before it is read.
 *
 * @throws {ProgramError} when it is not well formed.
 */
export function check({ inputs, constants, code, result }: Program): void {
  if (!Number.isInteger(inputs) || inputs < 0 || inputs > limits.inputs)
    throw new ProgramError(`A program reads 0 to ${limits.inputs} inputs, not ${inputs}.`)
  if (constants.length > limits.constants || code.length > limits.code)
    throw new ProgramError(`A program has at most ${limits.code} instructions.`)
  if (constants.some((value) => !Number.isInteger(value) || value < 0 || value > 0xffffffff))
    throw new ProgramError('A constant is not a 32-bit pattern.')
  const first = inputs + constants.length
  code.forEach(([op, ...registers], index) => {
    if (!(op in arity)) throw new ProgramError(`No instruction is named ${String(op)}.`)
    if (registers.length !== arity[op])
      throw new ProgramError(`${op} reads ${arity[op]} registers, not ${registers.length}.`)
    if (registers.some((at) => !Number.isInteger(at) || at < 0 || at >= first + index))
      throw new ProgramError(`Instruction ${index} (${op}) reads a register before it is written.`)
  })
  if (!Number.isInteger(result) || result < 0 || result >= first + code.length)
    throw new ProgramError('The result is a register that is never written.')
}

/** The bits of the f32 nearest to a number, as an unsigned integer. */
export function bitsOf(value: number): number {
  view.setFloat32(0, value)
  return view.getUint32(0)
}

/** The f32 with these bits. */
export function floatOf(bits: number): number {
  view.setUint32(0, bits)
  return view.getFloat32(0)
}

const view = new DataView(new ArrayBuffer(4))

type Symbolic = { readonly kind: string; readonly index: number }

/** Thrown when a map program is not well formed. */
export class ProgramError extends BaseError {
  override readonly code = 'Exact.ProgramError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
