import { fma32 } from '../fma32.ts'
import type { Operator, Program } from '../Program.ts'

/**
 * Runs a map program on bit patterns, one element: what every back end must give, before the rules for
 * the output of an op are applied.
 *
 * @example
 * ```ts
 * const square = Program.write(1, (w, x) => w.mul(x, x))
 * runProgram(square, [Program.bitsOf(3)]) // Program.bitsOf(9)
 * ```
 */
export function runProgram(program: Program, inputs: readonly number[]): number {
  const registers = [...inputs, ...program.constants]
  for (const [op, ...reads] of program.code) {
    const [a = 0, b = 0, c = 0] = reads.map((register) => registers[register]!)
    registers.push(instructions[op](a, b, c))
  }
  return registers[program.result]!
}

/**
 * Runs a map program on many elements, an instruction at a time: the same bits as `runProgram`, sooner.
 *
 * @param inputs one list of bit patterns for each input, all of the same length.
 */
export function runProgramOnMany(
  program: Program,
  inputs: readonly Uint32Array[],
  length: number,
): Uint32Array {
  const registers = [
    ...inputs,
    ...program.constants.map((bits) => new Uint32Array(length).fill(bits)),
  ]
  for (const [op, ...reads] of program.code) {
    const [a, b = a, c = a] = reads.map((register) => registers[register]!)
    const instruction = instructions[op]
    const result = new Uint32Array(length)
    for (let i = 0; i < length; i++) result[i] = instruction(a![i]!, b![i]!, c![i]!)
    registers.push(result)
  }
  return registers[program.result]!
}

type Instruction = (a: number, b: number, c: number) => number

/** Bits to bits. */
const instructions: Readonly<Record<Operator, Instruction>> = {
  fma: (a, b, c) => bits(fma32(float(a), float(b), float(c))),
  add: (a, b) => bits(float(a) + float(b)),
  sub: (a, b) => bits(float(a) - float(b)),
  mul: (a, b) => bits(float(a) * float(b)),
  // A quotient or a root rounded to 53 bits, then to 24, is the one rounded once (Figueroa, 1995).
  div: (a, b) => bits(float(a) / float(b)),
  sqrt: (a) => bits(Math.sqrt(float(a))),
  min: (a, b) => bits(Math.min(float(a), float(b))),
  max: (a, b) => bits(Math.max(float(a), float(b))),
  lt: (a, b) => mask(float(a) < float(b)),
  le: (a, b) => mask(float(a) <= float(b)),
  eq: (a, b) => mask(float(a) === float(b)),
  select: (condition, a, b) => ((condition & a) | (~condition & b)) >>> 0,
  and: (a, b) => (a & b) >>> 0,
  or: (a, b) => (a | b) >>> 0,
  xor: (a, b) => (a ^ b) >>> 0,
  iadd: (a, b) => (a + b) >>> 0,
  isub: (a, b) => (a - b) >>> 0,
  shl: (a, b) => (a << (b & 31)) >>> 0,
  shru: (a, b) => a >>> (b & 31),
  shrs: (a, b) => (a >> (b & 31)) >>> 0,
  float: (a) => bits(a | 0),
  nearest: (a) => saturate(nearestEven(float(a))) >>> 0,
}

/** NaN that arithmetic gives. */
const canonicalNaN = 0x7fc0_0000
const floats = new Float32Array(1)
const patterns = new Uint32Array(floats.buffer)

function float(pattern: number): number {
  patterns[0] = pattern
  return floats[0]!
}

/** The bits of the f32 nearest to a number. */
function bits(value: number): number {
  if (Number.isNaN(value)) return canonicalNaN
  floats[0] = value
  return patterns[0]!
}

function mask(truth: boolean): number {
  return truth ? 0xffff_ffff : 0
}

function nearestEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1
  return rest < 0.5 ? below : below + 1
}

function saturate(value: number): number {
  if (Number.isNaN(value)) return 0
  return Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1)
}
