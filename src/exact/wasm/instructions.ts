/**
 * The instructions of WebAssembly that the kernels use, as functions from the code of their operands to
 * code. Opcodes are those of the core specification, threads and relaxed SIMD included.
 */
import { type Code, type Function, type Local, signed, unsigned } from './assemble.ts'

type Operation = (...operands: readonly Code[]) => Code
type Access = (address: Code, offset?: number) => Code
type Store = (address: Code, value: Code, offset?: number) => Code

const plain =
  (...opcode: number[]): Operation =>
  (...operands) => [operands, opcode]
const vector = (opcode: number): Operation => plain(0xfd, ...unsigned(opcode))
/** Natural alignment is promised only where it must be: atomics. */
const load =
  (...opcode: number[]): Access =>
  (address, offset = 0) => [address, opcode, 0, unsigned(offset)]
const store =
  (...opcode: number[]): Store =>
  (address, value, offset = 0) => [address, value, opcode, 0, unsigned(offset)]
const vectorLoad = (opcode: number) => load(0xfd, ...unsigned(opcode))
const lane =
  (opcode: number) =>
  (value: Code, index: number): Code => [value, 0xfd, unsigned(opcode), index]

export const i32 = {
  const: (value: number): Code => [0x41, signed(BigInt(value | 0))],
  load: load(0x28),
  load8u: load(0x2d),
  load8s: load(0x2c),
  store: store(0x36),
  store8: store(0x3a),
  eqz: plain(0x45),
  eq: plain(0x46),
  ne: plain(0x47),
  lt: plain(0x48),
  ltU: plain(0x49),
  gtU: plain(0x4b),
  leU: plain(0x4d),
  geU: plain(0x4f),
  add: plain(0x6a),
  sub: plain(0x6b),
  mul: plain(0x6c),
  divU: plain(0x6e),
  remU: plain(0x70),
  and: plain(0x71),
  or: plain(0x72),
  xor: plain(0x73),
  shl: plain(0x74),
  shrS: plain(0x75),
  shrU: plain(0x76),
  /** The lower half of an i64. */
  wrap: plain(0xa7),
} as const

export const i64 = {
  const: (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))],
  load: load(0x29),
  store: store(0x37),
  mul: plain(0x7e),
  shrU: plain(0x88),
  extendU: plain(0xad),
} as const

export const v128 = {
  load: vectorLoad(0x00),
  /** Eight signed bytes as i16. */
  load8x8S: vectorLoad(0x01),
  load32Splat: vectorLoad(0x09),
  load64Splat: vectorLoad(0x0a),
  load32Zero: vectorLoad(0x5c),
  load64Zero: vectorLoad(0x5d),
  store: store(0xfd, 0x0b),
  /** Stores one 32-bit lane. */
  store32: (index: number, address: Code, value: Code, offset = 0): Code => [
    [address, value, 0xfd, 0x5a, 0, unsigned(offset)],
    index,
  ],
  const: (words: readonly number[]): Code => [
    0xfd,
    0x0c,
    words.map((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff)),
  ],
  /** The same 32 bits in each lane. */
  splat: (word: number): Code => v128.const([word, word, word, word]),
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [a, b, 0xfd, 0x0d, lanes],
  not: vector(77),
  and: vector(78),
  /** a and not b. */
  andnot: vector(79),
  or: vector(80),
  xor: vector(81),
  /** Bits of a where the mask (last) is one, of b where it is zero. */
  bitselect: vector(82),
  anyTrue: vector(83),
} as const

export const f32x4 = {
  eq: vector(65),
  lt: vector(67),
  le: vector(69),
  nearest: vector(106),
  sqrt: vector(227),
  add: vector(228),
  sub: vector(229),
  mul: vector(230),
  div: vector(231),
  min: vector(232),
  max: vector(233),
  /** b < a ? b : a, and a < b ? b : a: a where one is NaN. */
  pmin: vector(234),
  pmax: vector(235),
  convertI32x4: vector(250),
  demoteF64x2Zero: vector(94),
  /** a * b + c, fused or not as the machine likes: only after the probe. */
  relaxedMadd: vector(0x105),
} as const

export const f64x2 = {
  lt: vector(73),
  gt: vector(74),
  abs: vector(236),
  add: vector(240),
  sub: vector(241),
  mul: vector(242),
  promoteLowF32x4: vector(95),
} as const

export const i32x4 = {
  splat: vector(17),
  extract: lane(27),
  replace: (value: Code, index: number, word: Code): Code => [value, word, 0xfd, 28, index],
  lt: vector(57),
  maxS: vector(184),
  mul: vector(181),
  shl: vector(171),
  shrS: vector(172),
  shrU: vector(173),
  add: vector(174),
  sub: vector(177),
  dotI16x8: vector(186),
  /** Sums of neighbours. */
  extaddPairwiseI16x8: vector(126),
  truncSatF32x4: vector(248),
  /** Sums of four products of i8 and seven-bit integers, and c: exact while the second stays within 0 to 127. */
  relaxedDotI8x16I7x16Add: vector(0x113),
} as const

export const i64x2 = {
  eq: vector(214),
  shl: vector(203),
  add: vector(206),
  sub: vector(209),
} as const

export const i16x8 = {
  add: vector(142),
  gtS: vector(49),
  /** Sums of neighbours, without signs. */
  extaddPairwiseI8x16U: vector(125),
  /** The lower eight bytes, with their signs. */
  extendLowI8x16: vector(135),
  /** Of two vectors' i32, saturated to 0 to 65535. */
  narrowI32x4U: vector(134),
  /** Sums of two products, exact under the same condition. */
  relaxedDotI8x16I7x16: vector(0x112),
} as const

export const i8x16 = {
  splat: vector(15),
  abs: vector(96),
  add: vector(110),
  /** Of two vectors' i16, saturated to 0 to 255. */
  narrowI16x8U: vector(102),
} as const

/** Atomic 32-bit access; the address is a multiple of four. */
export const atomic = {
  load: (address: Code, offset = 0): Code => [address, 0xfe, 0x10, 2, unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [
    [address, value],
    [0xfe, 0x17, 2, unsigned(offset)],
  ],
  /** Adds, and gives what was there before. */
  add: (address: Code, value: Code, offset = 0): Code => [
    [address, value],
    [0xfe, 0x1e, 2, unsigned(offset)],
  ],
  /** Waits while the word is `expected`: 0 woken, 1 it was not, 2 the time (ns) is over. */
  wait: (address: Code, expected: Code, timeoutNs: Code): Code => [
    [address, expected, timeoutNs],
    [0xfe, 0x01, 2, 0],
  ],
  notify: (address: Code, count: Code): Code => [address, count, 0xfe, 0x00, 2, 0],
} as const

export const memory = {
  copy: (to: Code, from: Code, bytes: Code): Code => [to, from, bytes, 0xfc, 0x0a, 0, 0],
  fill: (at: Code, value: Code, bytes: Code): Code => [at, value, bytes, 0xfc, 0x0b, 0],
} as const

export const drop = (value: Code): Code => [value, 0x1a]
export const trap: Code = [0x00]
export const call = ({ index }: Function, ...operands: readonly Code[]): Code => [
  operands,
  0x10,
  unsigned(index),
]

/** a where the condition is not zero, else b. */
export const choose = (condition: Code, a: Code, b: Code): Code => [a, b, condition, 0x1b]
/** The smaller of two unsigned numbers. */
export const least = (a: Code, b: Code): Code => choose(i32.ltU(a, b), a, b)

/** Does something when a condition is not zero, and something else when it is. */
export function when(condition: Code, then: Code, otherwise?: Code): Code {
  return [condition, 0x04, 0x40, then, otherwise ? [0x05, otherwise] : [], 0x0b]
}

/** Repeats while a condition, read at the end of each round, is not zero. */
export function repeat(body: Code, condition: Code): Code {
  return [0x03, 0x40, body, condition, 0x0d, 0, 0x0b]
}

/** Counts up from `from` in steps while below `to` (unsigned). */
export function count(
  counter: Local,
  { from, to, step }: { readonly from: Code; readonly to: Code; readonly step: Code },
  body: Code,
): Code {
  const isBelow = i32.ltU(counter.get, to)
  return [counter.set(from), when(isBelow, repeat([body, advance(counter, step)], isBelow))]
}

/** Adds to a variable. */
export const advance = (variable: Local, by: Code): Code => variable.set(i32.add(variable.get, by))
export const zero = i32.const(0)
export const one = i32.const(1)
/** Bytes of so many 32-bit words. */
export const bytesOf = (words: Code): Code => i32.shl(words, i32.const(2))
/** The sum of several codes. */
export const sum = (first: Code, ...rest: readonly Code[]): Code =>
  rest.reduce<Code>((total, next) => i32.add(total, next), first)
