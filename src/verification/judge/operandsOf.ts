import { chainOf, type Judged, type Place, type Read, readsOf } from './readsOf.ts'
import { evaluate } from './evaluate.ts'

/** Where an operand comes from, for whoever has the values: its bytes as they lie in memory. */
export type Reader = (read: Read) => Uint8Array

/** What a segment reads, in order. */
export function operandsOf(leaf: Judged, place: Place, reader: Reader): Uint8Array {
  let operands = new Uint8Array(0)
  let done = 0
  // What gather and place read second depends on what they read first.
  for (let reads = readsOf(leaf, place, operands); done < reads.length;) {
    operands = joined([operands, ...reads.slice(done).map(reader)])
    done = reads.length
    reads = readsOf(leaf, place, operands)
  }
  return operands
}

/**
 * The accumulators of the chain of an element: the one before each segment in order, and at the end, after the
 * segment that finishes, the element as it is stored.
 */
export function* accumulatorsOf(
  leaf: Judged,
  element: number,
  reader: Reader,
): Generator<Uint8Array, void> {
  const { segments, initial } = chainOf(leaf)
  let acc = initial
  yield acc
  for (let segment = 0; segment <= segments; segment++) {
    const place = { element, segment }
    acc = evaluate(leaf, place, acc, operandsOf(leaf, place, reader))
    yield acc
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}
