/** Triples of f32 for tests of multiply-adds, of ten kinds, each made to meet a way in which one goes wrong. */
import { edges } from '../src/exact/compliance/Case.ts'

/** Writes random triples into `floats`: the function it gives fills place `i`, three numbers. */
export function startTriples(floats: Float32Array, seed: number): (i: number) => void {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length)
  const next = generator(seed)
  return (i) => triple(i, { floats, words, next })
}

type Target = { floats: Float32Array; words: Uint32Array; next: () => number }

function triple(i: number, { floats, words, next }: Target): void {
  const kind = next() % 10
  let [a, b, c] = [next(), next(), next()]
  const exponents = (x: number, from: number, count: number) =>
    ((x & 0x807f_ffff) | ((from + (((x >>> 23) & 0xff) % count)) << 23)) >>> 0
  const pick = () => edges[next() % edges.length]!
  if (kind === 1) [a, b, c] = [exponents(a, 117, 20), exponents(b, 117, 20), exponents(c, 107, 40)]
  if (kind === 2) {
    // Nearly the opposite of the product.
    ;[a, b] = [exponents(a, 100, 50), exponents(b, 100, 50)]
    floats.set([fromBits(a), fromBits(b)], 3 * i)
    floats[3 * i + 2] = -(floats[3 * i]! * floats[3 * i + 1]!)
    c = words[3 * i + 2]! + (next() % 5) - 2
  }
  if (kind === 3) {
    // Results around the least normal number.
    const left = 1 + ((a >>> 23) % 99)
    a = ((a & 0x807f_ffff) | (left << 23)) >>> 0
    b = exponents(b, 100 - left, 30)
    c &= c & 1 ? 0x80ff_ffff : 0x8000_0007
  }
  if (kind === 4) {
    const left = 127 + ((a >>> 23) % 127)
    a = ((a & 0x807f_ffff) | (left << 23)) >>> 0
    b = exponents(b, Math.min(379 - left, 251), 4)
    c = exponents(c, 250, 5)
  }
  if (kind === 5) {
    // Fractions of few bits: ties.
    a = exponents(a & 0x8070_0001, 110 + (a >>> 28), 1)
    b = exponents(b & 0x8070_0001, 110 + (b >>> 28), 1)
    c = exponents(c & 0x8060_0001, 80 + ((c >>> 8) % 100), 1)
  }
  if (kind === 6) {
    // A product of 25 bits, so a tie, with something far smaller.
    a = ((a & 0x807f_ffff) | 0x3f80_0000) >>> 0
    b = ((b & 0x8000_0000) | toBits(1 + 2 * ((b >>> 5) & 63))) >>> 0
    c = exponents(c, 0, 100)
  }
  if (kind === 7) {
    // A product of about half a unit in the last place of c.
    a = ((a & 0x8000_0000) | 0x3f80_0000 | ((a & 0xfff) << 11)) >>> 0
    b = ((b & 0x8000_0000) | 0x3f80_0000 | ((b & 0xfff) << 11)) >>> 0
    c = exponents(c, 150, 3)
  }
  if (kind === 8) [a, b, c] = [pick(), next() % 2 === 0 ? pick() : b, next() % 2 === 0 ? pick() : c]
  if (kind === 9) [a, b, c] = [a & 0x807f_ffff, exponents(b, 127, 100), exponents(c, 0, 40)]
  words.set([a, b, c], 3 * i)
}

/** Words of xorshift32 scrambled by a product: fast, and the same each time. */
export function generator(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const product = Math.imul(state, 0x9e37_79b1)
    return (product ^ (product >>> 15)) >>> 0
  }
}

function fromBits(bits: number): number {
  scratchBits[0] = bits
  return scratch[0]!
}

function toBits(value: number): number {
  scratch[0] = value
  return scratchBits[0]!
}

const scratch = new Float32Array(1)
const scratchBits = new Uint32Array(scratch.buffer)
