import { startReader, startWriter } from './BitStream.ts'
import { PayloadError } from './PayloadError.ts'

/**
 * A pseudo-gradient of which each block keeps its greatest entries, as signs times one power of two: what
 * a worker sends after a round (the form of SparseLoCo, arXiv 2508.15706, with power-of-two scales, so
 * that a sum over workers is a sum of integers and does not depend on their order).
 */
export type SparseUpdate = {
  /** Entries of the whole vector. */
  readonly length: number
  /** How many of each full block were kept; of a shorter last block a share of that, at least one. */
  readonly kept: number
  /** Of each block, e where an entry stands for plus or minus 2^e. */
  readonly exponents: Int8Array
  /** Where the kept entries are, ascending. */
  readonly indices: Uint32Array
  /** For each kept entry 1 where it is negative. */
  readonly negative: Uint8Array
}

/** Entries of a block, and the range of exponents: sums over workers stay exact in 64-bit floats. */
export const limits = { block: 4096, exponent: { least: -40, greatest: 0 } } as const

/**
 * Keeps the `kept` entries of greatest magnitude of each block of 4,096, the first of equal ones. A block's
 * power of two is the nearest, by ratio, to the mean magnitude of what it keeps. NaN and infinities
 * count as zero.
 *
 * Every operation is exact or rounds as IEEE-754 says, so all machines choose the same.
 */
export function choose(vector: Float32Array, kept: number): SparseUpdate {
  checkKept(kept)
  const { length } = vector
  const blocks = Math.ceil(length / limits.block)
  const total = keptIn(length, kept)
  const exponents = new Int8Array(blocks)
  const indices = new Uint32Array(total)
  const negative = new Uint8Array(total)
  const magnitudes = magnitudesOf(vector)
  let filled = 0
  for (let block = 0; block < blocks; block++) {
    const begin = block * limits.block
    const end = Math.min(begin + limits.block, length)
    const want = keptOf(end - begin, kept)
    const { threshold, ties } = selectGreatest(magnitudes.subarray(begin, end), want)
    let left = ties
    let sum = 0
    for (let index = begin; index < end; index++) {
      const bits = magnitudes[index]!
      if (bits < threshold || (bits === threshold && left-- <= 0)) continue
      sum += Math.abs(vector[index]!) < Infinity ? Math.abs(vector[index]!) : 0
      indices[filled] = index
      negative[filled++] = vector[index]! < 0 ? 1 : 0
    }
    exponents[block] = nearestExponent(sum / want)
  }
  return { length, kept, exponents, indices, negative }
}

/** Calls back for each kept entry with what it stands for. */
export function forEach(
  { length, kept, exponents, indices, negative }: SparseUpdate,
  visit: (index: number, value: number) => void,
): void {
  let at = 0
  exponents.forEach((exponent, block) => {
    const size = Math.min(limits.block, length - block * limits.block)
    const scale = 2 ** exponent
    for (const end = at + keptOf(size, kept); at < end; at++)
      visit(indices[at]!, negative[at] ? -scale : scale)
  })
}

/** The square of its Euclidean norm. */
export function squaredNorm({ length, kept, exponents }: SparseUpdate): number {
  return exponents.reduce((sum, exponent, block) => {
    const size = Math.min(limits.block, length - block * limits.block)
    return sum + keptOf(size, kept) * 4 ** exponent
  }, 0)
}

/**
 * Bytes for the wire: a byte for the Rice parameter, one for each block's exponent, then for each kept
 * entry its distance from the one before, Rice-coded, and its sign. There is one encoding of an update.
 */
export function encode({ length, kept, exponents, indices, negative }: SparseUpdate): Uint8Array {
  const parameter = riceParameter(kept)
  const writer = startWriter(exponents.length + Math.ceil(indices.length * 1.2) + 16)
  writer.write(parameter, 8)
  exponents.forEach((exponent) => writer.write(exponent & 0xff, 8))
  let at = 0
  for (let block = 0; block < exponents.length; block++) {
    const begin = block * limits.block
    let next = begin
    for (const end = at + keptOf(Math.min(limits.block, length - begin), kept); at < end; at++) {
      writer.writeRice(indices[at]! - next, parameter)
      writer.write(negative[at]!, 1)
      next = indices[at]! + 1
    }
  }
  return writer.bytes()
}

/**
 * Reads what `encode` wrote, for a vector whose length and number of kept entries the run fixes.
 *
 * @throws {PayloadError} when it is anything else.
 */
export function decode(
  bytes: Uint8Array,
  { length, kept }: { length: number; kept: number },
): SparseUpdate {
  checkKept(kept)
  const blocks = Math.ceil(length / limits.block)
  const total = keptIn(length, kept)
  if (bytes.byteLength > greatestBytes(length, kept))
    throw new PayloadError(`The payload has ${bytes.byteLength} bytes, more than any of this run.`)
  const reader = startReader(bytes)
  const parameter = reader.read(8)
  if (parameter !== riceParameter(kept))
    throw new PayloadError(`The payload is written for another number of kept entries.`)
  const exponents = Int8Array.from({ length: blocks }, () => exponentOf(reader.read(8)))
  const indices = new Uint32Array(total)
  const negative = new Uint8Array(total)
  let at = 0
  for (let block = 0; block < blocks; block++) {
    const begin = block * limits.block
    const size = Math.min(limits.block, length - begin)
    let next = 0
    for (let left = keptOf(size, kept); left > 0; left--, at++) {
      next += reader.readRice(parameter, size - left - next)
      indices[at] = begin + next++
      negative[at] = reader.read(1)
    }
  }
  reader.end()
  return { length, kept, exponents, indices, negative }
}

/** The most bytes that an update of this form can take. */
export function greatestBytes(length: number, kept: number): number {
  const blocks = Math.ceil(length / limits.block)
  const perBlock = limits.block >>> riceParameter(kept)
  const bits = keptIn(length, kept) * (2 + riceParameter(kept)) + blocks * perBlock
  return 1 + blocks + Math.ceil(bits / 8)
}

function checkKept(kept: number): void {
  if (!Number.isInteger(kept) || kept < 1 || kept > limits.block)
    throw new PayloadError(`A block keeps 1 to ${limits.block} entries, not ${kept}.`)
}

/** How many entries a block of some size keeps. */
function keptOf(size: number, kept: number): number {
  return Math.max(1, Math.floor((size * kept) / limits.block))
}

function keptIn(length: number, kept: number): number {
  const full = Math.floor(length / limits.block)
  const rest = length % limits.block
  return full * keptOf(limits.block, kept) + (rest > 0 ? keptOf(rest, kept) : 0)
}

/** The parameter that suits gaps of mean (4096 - kept) / kept, by the usual rule for geometric gaps. */
function riceParameter(kept: number): number {
  const mean = (limits.block - kept) / kept
  let parameter = 0
  while (2 ** (parameter + 1) <= mean * Math.LN2 + 1) parameter++
  return parameter
}

/** Bit patterns of the magnitudes, which order as the magnitudes do; what is not finite is zero. */
function magnitudesOf(vector: Float32Array): Uint32Array {
  const bits = new Uint32Array(vector.buffer, vector.byteOffset, vector.length)
  return bits.map((each) => {
    const magnitude = each & 0x7fffffff
    return magnitude < 0x7f800000 ? magnitude : 0
  })
}

/**
 * The pattern that the `want`-th greatest has, and how many of those equal to it belong to the greatest.
 * Counts by the upper eleven bits first, so that only one bin is sorted.
 */
function selectGreatest(
  magnitudes: Uint32Array,
  want: number,
): { threshold: number; ties: number } {
  histogram.fill(0)
  for (const bits of magnitudes) histogram[bits >>> 20]!++
  let bin = 2047
  let above = 0
  while (above + histogram[bin]! < want) above += histogram[bin--]!
  const within = magnitudes.filter((bits) => bits >>> 20 === bin).sort()
  const threshold = within[within.length - (want - above)]!
  let greater = 0
  for (let at = within.length - 1; at >= 0 && within[at]! > threshold; at--) greater++
  return { threshold, ties: want - above - greater }
}

const histogram = new Uint32Array(2048)

/** e for which 2^e is nearest to a magnitude by ratio. */
function nearestExponent(magnitude: number): number {
  const { least, greatest } = limits.exponent
  let exponent: number = least
  while (exponent < greatest && magnitude >= 2 ** exponent * Math.SQRT2) exponent++
  return exponent
}

function exponentOf(byte: number): number {
  const exponent = (byte << 24) >> 24
  const { least, greatest } = limits.exponent
  if (exponent < least || exponent > greatest)
    throw new PayloadError(`A block of the payload has the scale 2^${exponent}.`)
  return exponent
}
