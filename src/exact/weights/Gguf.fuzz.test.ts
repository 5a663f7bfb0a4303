import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeGguf } from './encodeGguf.ts'
import { tensorTypes } from './ggmlTypes.ts'
import * as Gguf from './Gguf.ts'

const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const u32 = fc.nat(2 ** 31 - 1)
const entry: fc.Arbitrary<encodeGguf.Entry> = fc.oneof(
  fc.tuple(key, fc.constant('u32' as const), u32),
  fc.tuple(key, fc.constant('f32' as const), fc.float({ noNaN: true })),
  fc.tuple(key, fc.constant('bool' as const), fc.boolean()),
  fc.tuple(key, fc.constant('string' as const), key),
  fc.tuple(key, fc.constant('strings' as const), fc.array(key, { maxLength: 4 })),
  fc.tuple(key, fc.constant('i32s' as const), fc.array(u32, { maxLength: 4 })),
)
const tensor = fc
  .record({
    name: key,
    type: fc.constantFrom('F32' as const, 'F16' as const, 'BF16' as const, 'Q8_0' as const),
    shape: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
  })
  .map(({ name, type, shape: [first, ...rest] }) => {
    const known = Object.values(tensorTypes).find((each) => each.name === type)!
    const shape = [first! * known.block, ...rest]
    const length = shape.reduce((product, size) => product * size, known.bytes / known.block)
    return { name, type, shape, bytes: new Uint8Array(length).fill(length) }
  })
const file = fc.record({
  metadata: fc.uniqueArray(entry, { maxLength: 5, selector: ([name]) => name }),
  tensors: fc.uniqueArray(tensor, { maxLength: 5, selector: ({ name }) => name }),
})

/** Whatever the bytes: tensors within them and apart, or an error of ours. */
function holds(bytes: Uint8Array): void {
  try {
    const { tensors } = Gguf.parse(bytes)
    for (const each of tensors.filter(({ type }) => tensorTypes[type])) {
      const { begin, end } = Gguf.rangeOf(each)
      expect(end).toBeLessThanOrEqual(bytes.byteLength)
      const weights = each.shape.reduce((product, size) => product * size, 1)
      if ([0, 1, 8, 30].includes(each.type))
        expect(Gguf.toF32(each, bytes.subarray(begin, end)).byteLength).toBe(4 * weights)
    }
  } catch (error) {
    if (!(error instanceof Gguf.InvalidError)) throw error
  }
}

describe('parse', () => {
  test('gives back whatever was written', () => {
    fc.assert(
      fc.property(file, (content) => {
        const bytes = encodeGguf(content)
        const { metadata, tensors } = Gguf.parse(bytes)
        expect([...metadata]).toEqual(content.metadata.map(([name, , value]) => [name, value]))
        tensors.forEach((found, index) => {
          const given = content.tensors[index]!
          const { begin, end } = Gguf.rangeOf(found)
          expect(found).toMatchObject({ name: given.name, shape: given.shape })
          expect(bytes.slice(begin, end)).toEqual(given.bytes)
        })
      }),
    )
  })

  test('takes files with bytes changed, cut or added', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2)), {
      minLength: 1,
      maxLength: 6,
    })
    fc.assert(
      fc.property(file, edits, (content, changes) => {
        const edited = [...encodeGguf(content)]
        for (const [at, byte, how] of changes)
          edited.splice(at % edited.length, how === 2 ? 0 : 1, ...(how === 1 ? [] : [byte]))
        holds(Uint8Array.from(edited))
      }),
      { numRuns: 1500 },
    )
  })

  test('takes headers with numbers changed', () => {
    const numbers = fc.constantFrom(
      0n,
      1n,
      31n,
      32n,
      2n ** 31n,
      2n ** 32n,
      2n ** 53n,
      2n ** 64n - 1n,
    )
    fc.assert(
      fc.property(file, fc.nat(), numbers, (content, at, value) => {
        const bytes = encodeGguf(content)
        new DataView(bytes.buffer).setBigUint64(at % (bytes.byteLength - 7), value, true)
        holds(bytes)
      }),
      { numRuns: 1000 },
    )
  })

  test('takes any bytes behind the first', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
        holds(Uint8Array.of(0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, ...rest))
      }),
      { numRuns: 500 },
    )
  })
})
