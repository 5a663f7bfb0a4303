import fc from 'fast-check'
import { hashTypedData, type TypedData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import * as Bid from './Bid.ts'
import * as ExactClaim from './ExactClaim.ts'
import * as Hex from './Hex.ts'
import * as Identity from './Identity.ts'
import * as Job from './Job.ts'
import * as Lease from './Lease.ts'
import * as Offer from './Offer.ts'
import * as Order from './Order.ts'
import * as Receipt from './Receipt.ts'
import type { Definition } from './SignedMessage.ts'
import * as Verdict from './Verdict.ts'
import * as Voucher from './Voucher.ts'

const domain = { chainId: 31337, vault: `0x${'5f'.repeat(20)}` } as const
const elsewhere = { ...domain, chainId: 1 }
const signer = Identity.from(new Uint8Array(32).fill(7))
const stranger = Identity.from(new Uint8Array(32).fill(8))

type Anything = Readonly<Record<string, unknown>>
type Message = { name: string; types: TypedData; signer: string; module: Definition<Anything> }
const messages = [
  message('Offer', 'provider', Offer),
  message('Order', 'buyer', Order),
  message('Bid', 'provider', Bid),
  message('Lease', 'buyer', Lease),
  message('Job', 'buyer', Job),
  message('Receipt', 'provider', Receipt),
  message('Verdict', 'validator', Verdict),
  message('ExactClaim', 'claimant', ExactClaim),
]

describe.each(messages)('$name', ({ name, types, signer: field, module }) => {
  const anything = arbitraryStruct(types, name, field)

  test('hashes as EIP-712 says, the same as viem', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const theirs = hashTypedData({
          domain: { name: 'Weft', version: '1', chainId: 31337, verifyingContract: domain.vault },
          types,
          primaryType: name,
          message: value,
        } as never)
        expect(module.hash(domain, value)).toBe(theirs)
      }),
      { numRuns: 30 },
    )
  })

  test('survives the wire unchanged and verified', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const bytes = module.serialize(module.sign(domain, value, signer))
        const read = module.deserialize(bytes)
        expect(read.message).toEqual(value)
        expect(module.verify(domain, read)).toEqual(value)
        expect(module.serialize(read)).toEqual(bytes)
      }),
      { numRuns: 30 },
    )
  })

  test('is refused for another network, from another signer, or changed', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const signed = module.sign(domain, value, signer)
        const refused = { code: 'Protocol.SignatureError' }
        expect(catchError(() => module.verify(elsewhere, signed))).toMatchObject(refused)
        const forged = module.sign(domain, value, stranger)
        expect(catchError(() => module.verify(domain, forged))).toMatchObject(refused)
        const stolen = { ...signed, message: { ...value, [field]: stranger.address } }
        expect(catchError(() => module.verify(domain, stolen))).toMatchObject(refused)
      }),
      { numRuns: 10 },
    )
  })

  test('refuses malformed bytes with the place of the fault', () => {
    fc.assert(
      fc.property(anything, fc.nat(), (value, chance) => {
        const wire = JSON.parse(
          new TextDecoder().decode(module.serialize(module.sign(domain, value, signer))),
        ) as { message: Record<string, unknown> }
        const names = Object.keys(wire.message)
        const broken = names[chance % names.length]!
        for (const bad of [null, -1, 1.5, '0x', { a: 1 }, '-1', '1e9', undefined]) {
          const text = JSON.stringify({ ...wire, message: { ...wire.message, [broken]: bad } })
          const error = catchError(() => module.deserialize(new TextEncoder().encode(text)))
          if (error === undefined) expect(typeof wire.message[broken]).toBe('string')
          else expect(error).toMatchObject({ code: 'Protocol.MalformedError' })
        }
      }),
      { numRuns: 20 },
    )
  })

  test('refuses any bytes that are not it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const error = catchError(() => module.deserialize(bytes))
        expect(error).toMatchObject({ code: 'Protocol.MalformedError' })
      }),
    )
  })

  test('refuses fields it does not know and texts that are too long', () => {
    const [value] = fc.sample(anything, { numRuns: 1, seed: 1 })
    const signed = module.sign(domain, value!, signer)
    const refuse = (wire: unknown) =>
      expect(
        catchError(() =>
          module.deserialize(
            new TextEncoder().encode(
              JSON.stringify(wire, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v)),
            ),
          ),
        ),
      ).toMatchObject({
        code: 'Protocol.MalformedError',
      })
    refuse({ ...signed, extra: 1 })
    refuse({ ...signed, message: { ...value, extra: 1 } })
    const text = types[name]!.find((entry) => entry.type === 'string')
    if (text) refuse({ ...signed, message: { ...value, [text.name]: 'x'.repeat(1025) } })
  })
})

describe('Voucher', () => {
  const voucher = { lease: `0x${'ab'.repeat(32)}`, cumulativeMicroUsd: 12n } as const

  test('is verified against the buyer of its lease', () => {
    const signed = Voucher.deserialize(Voucher.serialize(Voucher.sign(domain, voucher, signer)))
    expect(Voucher.verifyBy(domain, signed, signer.address)).toEqual(voucher)
    expect(() => Voucher.verifyBy(domain, signed, stranger.address)).toThrow(/not signed/)
  })

  test('is refused when its signature is malleable', () => {
    const { signature } = Voucher.sign(domain, voucher, signer)
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const highS = order - BigInt(`0x${signature.slice(66, 130)}`)
    const v = signature.endsWith('1b') ? '1c' : '1b'
    const twin: Hex.Hex = `${signature.slice(0, 66) as Hex.Hex}${highS.toString(16).padStart(64, '0')}${v}`
    expect(() =>
      Voucher.verifyBy(domain, { message: voucher, signature: twin }, signer.address),
    ).toThrow(/not signed/)
  })
})

describe('define', () => {
  test('signs what any wallet signs', async () => {
    const wallet = privateKeyToAccount(Hex.from(signer.privateKey))
    const voucher = { lease: `0x${'01'.repeat(32)}`, cumulativeMicroUsd: 5n } as const
    const theirs = await wallet.signTypedData({
      domain: { name: 'Weft', version: '1', chainId: 31337, verifyingContract: domain.vault },
      types: Voucher.types,
      primaryType: 'Voucher',
      message: voucher,
    })
    expect(Voucher.sign(domain, voucher, signer).signature).toBe(theirs)
    expect(wallet.address.toLowerCase()).toBe(signer.address)
  })
})

function message(name: string, field: string, module: unknown): Message {
  const { types } = module as { types: TypedData }
  return { name, types, signer: field, module: module as Definition<Anything> }
}

function arbitraryStruct(types: TypedData, name: string, field: string): fc.Arbitrary<Anything> {
  const fields = types[name] as readonly { name: string; type: string }[]
  const entries = fields.map((entry) => [entry.name, arbitrary(types, entry.type)] as const)
  return fc
    .record(Object.fromEntries(entries))
    .map((value) => (field in value ? { ...value, [field]: signer.address } : value))
}

function arbitrary(types: TypedData, type: string): fc.Arbitrary<unknown> {
  if (type.endsWith('[]')) return fc.array(arbitrary(types, type.slice(0, -2)), { maxLength: 4 })
  const bytes = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Hex.from(value))
  if (type === 'address') return bytes(20)
  if (type === 'bytes32') return bytes(32)
  if (type === 'string') return fc.string({ unit: 'grapheme', maxLength: 40 })
  if (!type.startsWith('uint')) return arbitraryStruct(types, type, '')
  const bits = Number(type.slice(4))
  if (bits <= 48) return fc.maxSafeNat().map((value) => value % 2 ** bits)
  return fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n })
}

function catchError(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}
