import { startReader, startWriter } from './BitStream.ts'
import { PayloadError } from './PayloadError.ts'
import { limits } from './SparseUpdate.ts'

/**
 * A pseudo-gradient, or one fragment of it, of which every entry is sent as an integer of a few bits
 * times a power of two of its block: what DiLoCo (arXiv 2311.08105) sends in binary32 and Streaming
 * DiLoCo (arXiv 2501.18512) in four bits, in a form whose sums are sums of integers.
 */
export type DenseUpdate = DenseForm & {
  /** Of each block of 4,096 from `begin` on, e where the integer q stands for q * 2^e. */
  readonly exponents: Int8Array
  /** The integers, of magnitude below 2^(bits - 1). */
  readonly values: Int16Array
}

/** Which entries of a vector of `length` are sent, and in how many bits, 2 to 16 with the sign. */
export type DenseForm = {
  readonly length: number
  readonly begin: number
  readonly end: number
  readonly bits: number
}

/**
 * The nearest integers, halves up. A block's power of two is the least by which its greatest magnitude
 * fits, and at most 2^(2 - bits), so that no entry reaches 2. NaN and infinities count as zero.
 */
export function quantise(vector: Float32Array, form: DenseForm): DenseUpdate {
  const { begin, end, bits } = form
  const most = 2 ** (bits - 1) - 1
  const values = new Int16Array(end - begin)
  const exponents = Int8Array.from({ length: blocksOf(form) }, (_, block) => {
    const from = begin + block * limits.block
    const part = vector.subarray(from, Math.min(end, from + limits.block))
    const exponent = exponentFor(greatestOf(part), bits)
    const scale = 2 ** exponent
    part.forEach((each, at) => {
      const nearest = Number.isFinite(each) ? Math.round(each / scale) : 0
      values[from - begin + at] = Math.max(-most, Math.min(most, nearest))
    })
    return exponent
  })
  return { ...form, exponents, values }
}

/** Calls back for each entry that is not zero with what it stands for. */
export function forEach(
  { begin, exponents, values }: DenseUpdate,
  visit: (index: number, value: number) => void,
): void {
  exponents.forEach((exponent, block) => {
    const scale = 2 ** exponent
    const from = block * limits.block
    const to = Math.min(values.length, from + limits.block)
    for (let at = from; at < to; at++) if (values[at]) visit(begin + at, values[at]! * scale)
  })
}

/** Bytes for the wire: one for each block's exponent, then the integers in two's complement, bit by bit. */
export function encode({ exponents, values, bits }: DenseUpdate): Uint8Array {
  const writer = startWriter(exponents.length + Math.ceil((values.length * bits) / 8))
  exponents.forEach((each) => writer.write(each & 0xff, 8))
  values.forEach((each) => writer.write(each, bits))
  return writer.bytes()
}

/**
 * Reads what `encode` wrote.
 *
 * @throws {PayloadError} when it is anything else.
 */
export function decode(bytes: Uint8Array, form: DenseForm): DenseUpdate {
  const { begin, end, bits } = form
  if (bytes.byteLength !== bytesOf(form))
    throw new PayloadError(
      `The payload has ${bytes.byteLength} bytes; one of this round has ${bytesOf(form)}.`,
    )
  const reader = startReader(bytes)
  const signed = (count: number) => (reader.read(count) << (32 - count)) >> (32 - count)
  const exponents = Int8Array.from({ length: blocksOf(form) }, () => {
    const exponent = signed(8)
    if (exponent < limits.exponent.least || exponent > 2 - bits)
      throw new PayloadError(`A block of the payload has the scale 2^${exponent}.`)
    return exponent
  })
  const values = Int16Array.from({ length: end - begin }, () => {
    const value = signed(bits)
    if (value === -(2 ** (bits - 1)))
      throw new PayloadError(`An entry of the payload is ${value}, which stands for nothing.`)
    return value
  })
  reader.end()
  return { ...form, exponents, values }
}

/** How many bytes every update of a form takes. */
export function bytesOf(form: DenseForm): number {
  return blocksOf(form) + Math.ceil(((form.end - form.begin) * form.bits) / 8)
}

function blocksOf({ begin, end }: DenseForm): number {
  return Math.ceil((end - begin) / limits.block)
}

function greatestOf(part: Float32Array): number {
  return part.reduce(
    (most, each) => (Math.abs(each) < Infinity ? Math.max(most, Math.abs(each)) : most),
    0,
  )
}

/** The least exponent by which a magnitude fits into so many bits. */
function exponentFor(magnitude: number, bits: number): number {
  const most = 2 ** (bits - 1) - 1
  let exponent: number = limits.exponent.least
  while (exponent < 2 - bits && most * 2 ** exponent < magnitude) exponent++
  return exponent
}
