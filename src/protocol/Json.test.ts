import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import * as Json from './Json.ts'

describe('canonical', () => {
  test('sorts keys at every depth and drops what is undefined', () => {
    expect(Json.canonical({ b: [{ d: 1, c: 2n }], a: undefined })).toBe('{"b":[{"c":"2","d":1}]}')
  })

  test('is the same for equal values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const copy: unknown = JSON.parse(JSON.stringify(value))
        expect(Json.canonical(copy)).toBe(Json.canonical(value))
        expect(JSON.parse(Json.canonical(value))).toEqual(copy)
      }),
    )
  })
})

describe('decode', () => {
  const schema = z.strictObject({ a: z.number() })

  test('says where a value does not fit', () => {
    const decode = (text: string) =>
      Json.decode(schema, new TextEncoder().encode(text), { what: 'thing' })
    expect(decode('{"a":1}')).toEqual({ a: 1 })
    expect(() => decode('{"a":"1"}')).toThrowErrorMatchingInlineSnapshot(`
      [MalformedError: The bytes are not a valid thing.
      Reason: a: Invalid input]
    `)
    expect(() => decode('{')).toThrow('not JSON')
  })

  test('refuses more bytes than a message may have, and broken UTF-8', () => {
    const large = new Uint8Array(Json.limitBytes + 1)
    expect(() => Json.decode(schema, large, { what: 'thing' })).toThrow(/over 4194304/)
    const broken = Uint8Array.of(0x22, 0xff, 0x22)
    expect(() => Json.decode(z.string(), broken, { what: 'thing' })).toThrow('not JSON')
  })
})

describe('stringify', () => {
  test('writes what JSON.stringify writes, and bigints as decimal strings', () => {
    const replace = (_: string, item: unknown) =>
      typeof item === 'bigint' ? item.toString() : item
    const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true })
    fc.assert(
      fc.property(anything, (value) => {
        expect(Json.stringify(value)).toBe(JSON.stringify(value, replace))
      }),
      { numRuns: 500 },
    )
  })

  test('leaves the value as it was', () => {
    const value = { amounts: [1n, { inner: 2n }], text: 'a' }
    expect(Json.stringify(value)).toBe('{"amounts":["1",{"inner":"2"}],"text":"a"}')
    expect(value).toEqual({ amounts: [1n, { inner: 2n }], text: 'a' })
  })
})
