import * as DagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MalformedGraphError } from './checkGraph.ts'
import { everyKind } from './compliance/everyKind.ts'
import { decode, encode } from './encode.ts'

const bytes = encode(everyKind())

/** Whatever the bytes: a graph that encodes to them, or an error of ours. */
function holds(input: Uint8Array): void {
  try {
    expect(encode(decode(input))).toEqual(input)
  } catch (error) {
    if (!(error instanceof MalformedGraphError)) throw error
  }
}

describe('decode', () => {
  test('takes random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), holds), { numRuns: 500 })
  })

  test('takes a graph with bytes changed, left out or put in', () => {
    const edits = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(2)), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(edits, (changes) => {
        const edited = [...bytes]
        for (const [at, byte, how] of changes)
          edited.splice(at, how === 2 ? 0 : 1, ...(how === 1 ? [] : [byte]))
        holds(Uint8Array.from(edited))
      }),
      { numRuns: 500 },
    )
  })

  test('takes a graph with any one field replaced by anything', () => {
    const odd = fc.oneof(
      fc.constantFrom(null, true, -1, 0.5, 2 ** 31, 2 ** 53 - 1, '', '__proto__', [], {}),
      fc.nat(30),
      fc.array(fc.nat(9), { maxLength: 8 }),
      fc.constantFrom('f32', 'i8', 'map', 'reshape', 'place', 'contract', 'max'),
    )
    fc.assert(
      fc.property(fc.nat(), odd, (at, value) => {
        const graph: unknown = DagCbor.decode(bytes)
        const places = placesIn(graph)
        const [owner, key] = places[at % places.length]!
        owner[key] = value
        holds(DagCbor.encode(graph))
      }),
      { numRuns: 1500 },
    )
  })
})

function placesIn(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return []
  const owner = value as Record<string, unknown>
  return Object.keys(owner).flatMap(
    (key) => [[owner, key] as const, ...placesIn(owner[key])] as never,
  )
}
