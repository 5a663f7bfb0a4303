import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { PayloadError } from '../payload/PayloadError.ts'
import * as Mask from './Mask.ts'

const batch = Hex.sha256('the batch that fixed the sum')

/** Members of a sum, each with its secret and a vector. */
function party(count: number, length: number, seed = 1) {
  const random = seededRandom(seed)
  const people = Array.from({ length: count }, (_, number) => {
    const secret = random.bytes(32)
    const worker = Hex.from(Uint8Array.from({ length: 20 }, () => number + 1))
    const values = Int32Array.from({ length }, () => Math.floor((random.next() - 0.5) * 2 ** 20))
    return { secret, values, worker, key: Mask.keyOf(secret) }
  })
  const members = people.map(({ worker, key }) => ({ worker, key }))
  const hidden = (at: number, over = members, of = batch) => {
    const { secret, worker, values } = people[at]!
    return Mask.hide(values, { secret, own: worker, members: over, batch: of })
  }
  return { people, members, hidden }
}

describe('hide', () => {
  test('keeps the sum of all, to the bit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(1000), (count, seed) => {
        const { people, hidden } = party(count, 17, seed)
        const expected = Int32Array.from({ length: 17 }, (_, at) =>
          people.reduce((sum, { values }) => sum + values[at]!, 0),
        )
        expect(Mask.sum(people.map((_, at) => hidden(at)))).toEqual(expected)
      }),
      { numRuns: 12 },
    )
  })

  // Of each byte position the counts of 256 values in 4,096 entries, 255 degrees of freedom: 99.99th percentile 347.
  test('leaves nothing but uniform words in the sum of any fewer', () => {
    const count = 4
    const { hidden } = party(count, 4096, 3)
    const all = Array.from({ length: count }, (_, at) => hidden(at))
    for (let subset = 1; subset < 2 ** count - 1; subset++) {
      const some = all.filter((_, at) => (subset >> at) & 1)
      const words = new Uint32Array(Mask.sum(some).buffer)
      for (const shift of [0, 8, 16, 24]) {
        const counts = new Uint32Array(256)
        words.forEach((word) => counts[(word >>> shift) & 255]!++)
        const chi = counts.reduce((sum, seen) => sum + (seen - 16) ** 2 / 16, 0)
        expect(chi, `members ${subset.toString(2)}, bits from ${shift}`).toBeLessThan(347)
      }
    }
  })

  test('hides otherwise in every sum: masks of an old round do not cancel in a new one', () => {
    const { hidden, members, people } = party(3, 8)
    const next = Hex.sha256('another round')
    expect(hidden(0)).not.toEqual(hidden(0, members, next))
    const replayed = Mask.sum([hidden(0), hidden(1, members, next), hidden(2, members, next)])
    const whole = Mask.sum(people.map((_, at) => hidden(at)))
    expect(replayed).not.toEqual(whole)
  })

  test('gives two members that name one key two masks, which do not cancel', () => {
    const { members, people } = party(3, 8)
    const { secret, worker: own, values } = people[1]!
    const copied = [members[0]!, members[1]!, { ...members[2]!, key: members[0]!.key }]
    const masked = Mask.hide(values, { secret, own, members: copied, batch })
    expect(masked).not.toEqual(Uint32Array.from(values))
  })

  test('goes on with a member whose key agrees on nothing, whom it hides nothing from', () => {
    const { members, people } = party(3, 8)
    const low = [members[0]!, members[1]!, { ...members[2]!, key: Hex.zero }]
    const { secret, worker: own, values } = people[0]!
    const masked = Mask.hide(values, { secret, own, members: low, batch })
    expect(masked).not.toEqual(Uint32Array.from(values))
  })
})

describe('sum', () => {
  test('refuses none, and several lengths', () => {
    expect(() => Mask.sum([])).toThrow(PayloadError)
    expect(() => Mask.sum([new Uint32Array(2), new Uint32Array(3)])).toThrow(PayloadError)
  })
})

describe('keyOf', () => {
  test("gives the public key that Node's own X25519 gives", () => {
    const { publicKey, privateKey } = generateKeyPairSync('x25519')
    const raw = (key: KeyObject, name: 'x' | 'd') =>
      new Uint8Array(Buffer.from(key.export({ format: 'jwk' })[name]!, 'base64url'))
    expect(Mask.keyOf(raw(privateKey, 'd'))).toBe(Hex.from(raw(publicKey, 'x')))
  })
})
