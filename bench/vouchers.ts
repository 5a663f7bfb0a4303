import { performance } from 'node:perf_hooks'
import * as Exchange from '../src/protocol/Exchange.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Json from '../src/protocol/Json.ts'
import * as Voucher from '../src/protocol/Voucher.ts'
import { secp256k1 } from '../src/runtime/secp256k1.ts'
import type { Bench } from './Bench.ts'
import { summary, type Summary } from './interleave.ts'

/** How fast one core takes vouchers: the bytes of a payment parsed, its voucher hashed and verified. */
export const bench: Bench = {
  description: 'vouchers a provider can verify in a second, on one core',
  async run({ say }) {
    const { median, low, high } = vouchersPerSecond()
    say(`${Math.round(median)} vouchers a second (${secp256k1.name} secp256k1), `)
    say(`middle half ${Math.round(low)} to ${Math.round(high)}`)
    return { vouchersPerSecond: Math.round(median) }
  },
}

/** Verifies many different vouchers of some buyers the way the provider does when a payment arrives. */
export function vouchersPerSecond(): Summary {
  const domain = { chainId: 31_337, vault: `0x${'a1'.repeat(20)}` } as const
  const buyers = Array.from({ length: 16 }, (_, i) => Identity.from(new Uint8Array(32).fill(i + 1)))
  const payments = Array.from({ length: 4000 }, (_, i) => {
    const buyer = buyers[i % buyers.length]!
    const message = { lease: Hex.sha256(`lease ${i}`), cumulativeMicroUsd: BigInt(i) * 37n }
    const voucher = Voucher.sign(domain, message, buyer)
    const paid = [Hex.sha256(`job ${i}`)]
    return { buyer, bytes: Json.toBytes({ voucher, paid, refused: [] } satisfies Exchange.Payment) }
  })
  const rates: number[] = []
  for (let round = -1; round < 7; round++) {
    const start = performance.now()
    for (const { buyer, bytes } of payments) {
      const { voucher } = Json.decode(Exchange.payment, bytes, { what: 'Payment' })
      Voucher.verifyBy(domain, voucher, buyer.address)
    }
    if (round >= 0) rates.push((payments.length * 1000) / (performance.now() - start))
  }
  return summary(rates)
}
