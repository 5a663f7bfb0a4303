/** Numbers of every sort that a chain may meet, for tests of the judge. */
import { edges, source } from '../src/exact/compliance/Case.ts'
import { bitsOf, floatOf } from '../src/exact/Program.ts'

/** What the operands of a chain are like. */
export const sorts = [
  'ordinary',
  'half zeros',
  'signed zeros',
  'small integers',
  'powers of two',
  'of all sizes',
  'tiny',
  'huge',
  'cancelling',
  'any bits',
  'subnormal',
  'ties',
  'infinite and NaN now and then',
] as const

export type Sort = (typeof sorts)[number]

/** An accumulator and the operands of a segment of `terms`: the a's, then the b's. */
export function chainOperands(
  sort: Sort,
  terms: number,
  next: () => number,
): { acc: Uint8Array; operands: Uint8Array } {
  const draw = () => numberOf(sort, next)
  const acc = next() % 2 === 0 ? 0 : next() % 16 === 0 ? 0x8000_0000 : draw()
  const a = Uint32Array.from({ length: terms }, draw)
  const b = Uint32Array.from({ length: terms }, draw)
  if (sort === 'cancelling') {
    // Each second product is about the opposite of the sum so far.
    let sum = floatOf(acc)
    for (let t = 0; t < terms; t++) {
      if (t % 2 === 1) b[t] = (bitsOf(-sum / floatOf(a[t]!)) ^ (next() % 3 === 0 ? 1 : 0)) >>> 0
      sum = Math.fround(sum + floatOf(a[t]!) * floatOf(b[t]!))
    }
  }
  const operands = new Uint8Array(8 * terms)
  operands.set(new Uint8Array(a.buffer))
  operands.set(new Uint8Array(b.buffer), 4 * terms)
  return { acc: bytesOfWord(acc), operands }
}

/** A pattern of a sort. */
function numberOf(sort: Sort, next: () => number): number {
  const ordinary = () => ((next() >>> 8) + (next() >>> 8)) * 2 ** -24 - 1
  switch (sort) {
    case 'ordinary':
    case 'cancelling':
      return bitsOf(ordinary())
    case 'half zeros':
      return next() % 2 === 0 ? 0 : bitsOf(ordinary())
    case 'signed zeros':
      return next() % 3 === 0 ? (next() & 0x8000_0000) >>> 0 : bitsOf(ordinary())
    case 'small integers':
      return bitsOf((next() % 9) - 4)
    case 'powers of two':
      return ((next() & 0x8000_0000) | ((107 + (next() % 40)) << 23)) >>> 0
    case 'of all sizes':
      return bitsOf(ordinary() * 2 ** ((next() % 70) - 35))
    case 'tiny':
      return bitsOf(ordinary() * 2 ** -70)
    case 'huge':
      return bitsOf(ordinary() * 2 ** 60)
    case 'any bits':
      return next()
    case 'subnormal':
      return next() % 2 === 0 ? (next() & 0x807f_ffff) >>> 0 : bitsOf(ordinary() * 2 ** -20)
    case 'ties':
      return ((next() & 0x8078_0001) | ((115 + (next() % 24)) << 23)) >>> 0
    case 'infinite and NaN now and then':
      return next() % 64 === 0 ? edges[next() % edges.length]! : bitsOf(ordinary())
  }
}

/** A word as it lies in memory. */
export function bytesOfWord(word: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(word).buffer)
}

/** Bytes that seem random and depend on a name alone. */
export function randomBytes(name: string): (length: number) => Uint8Array {
  const next = source(name)
  return (length) => Uint8Array.from({ length }, () => next() & 0xff)
}
