import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DType, dtypes, read, SafetensorsError, write } from './Safetensors.ts'

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const tensor = fc
  .record({
    name: name.filter((text) => text !== '__metadata__'),
    dtype: fc.constantFrom(...(Object.keys(dtypes) as DType[])),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
  })
  .map((info) => {
    const length = info.shape.reduce((product, size) => product * size, dtypes[info.dtype])
    return { ...info, bytes: new Uint8Array(length).fill(length) }
  })
const metadata = fc.constantFrom<Record<string, string>>({}, { format: 'pt' }, { 'a:"': '"' })
const tensors = fc.uniqueArray(tensor, { maxLength: 6, selector: (entry) => entry.name })

/** Whatever the bytes: tensors within them, or an error of ours. */
function holds(bytes: Uint8Array): void {
  try {
    for (const entry of read(bytes).tensors) {
      const length = entry.shape.reduce((product, size) => product * size, dtypes[entry.dtype])
      expect(entry.bytes.byteLength).toBe(length)
      expect(length).toBeLessThanOrEqual(bytes.byteLength)
    }
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error
  }
}

describe('read', () => {
  test('gives back whatever was written', () => {
    fc.assert(
      fc.property(metadata, tensors, (about, list) => {
        const file = read(write({ metadata: about, tensors: list }))
        const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
        expect(file.metadata).toEqual(about)
        expect(file.tensors.toSorted(byName)).toEqual(list.toSorted(byName))
      }),
    )
  })

  test('takes files with bytes changed, cut or added', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2)), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(tensors, edits, (list, changes) => {
        const edited = [...write({ metadata: {}, tensors: list })]
        for (const [at, byte, how] of changes)
          edited.splice(at % edited.length, how === 2 ? 0 : 1, ...(how === 1 ? [] : [byte]))
        holds(Uint8Array.from(edited))
      }),
      { numRuns: 500 },
    )
  })

  test('takes any JSON for a header', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(8), (text, rest) => {
        const header = new TextEncoder().encode(text)
        holds(Uint8Array.of(...lengthOf(header), ...header, ...new Uint8Array(rest)))
      }),
    )
  })
})

function lengthOf({ byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(byteLength)).buffer)
}
