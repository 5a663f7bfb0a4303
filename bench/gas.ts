import type { Chain } from '../src/chain/Chain.ts'
import { deploy } from '../src/chain/deploy.ts'
import { startDevnet } from '../src/chain/devnet.ts'
import { viemChain } from '../src/chain/viem.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Lease from '../src/protocol/Lease.ts'
import * as Voucher from '../src/protocol/Voucher.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'
import type { Bench } from './Bench.ts'
import { table } from './table.ts'

/** Whole transactions on a real chain, sent the way the program sends them. */
export const bench: Bench = {
  description: 'gas of opening a lease and of a voucher in a batch, on a real chain',
  async run({ say }) {
    const figures = await gas()
    const target = { gasOpen: 60_000, gasVoucher25: 12_500, gasVoucher100: 11_500 }
    const rows = Object.entries(target).map(([name, most]) => [
      name,
      figures[name as keyof typeof figures],
      most,
    ])
    say(table(['whole transactions', 'gas', 'at most'], rows))
    return figures
  },
}

/**
 * Gas of `open-lease`, and of each voucher in batches of 25 and 100. Every voucher is another buyer's first
 * one: the worst case. The provider has claimed and withdrawn before, as all but new ones have.
 */
export async function gas() {
  await using devnet = await startDevnet({ blockTimeSeconds: 0 })
  const { rpcUrl } = devnet
  const random = systemRandom()
  const identity = () => Identity.from(random.bytes(32))
  const deployment = await deploy({ rpcUrl, deployer: identity() })
  const party = async (who: Identity.Identity) =>
    await viemChain({ rpcUrl, identity: who, ...deployment })
  const funder = await party(identity())
  const provider = await party(identity())
  await funder.send({ type: 'mint', to: funder.account, amountMicroUsd: 1_000_000_000n })

  const lease = leaseOpener({ funder, provider, random })
  const first = await lease(identity())
  await provider.send({ type: 'claim', provider: provider.account, claims: [first.claim] })
  await provider.send({ type: 'withdraw-earned' })

  const batch = async (count: number) => {
    const opened = []
    for (let i = 0; i < count; i++) opened.push(await lease(identity()))
    const claims = opened.map(({ claim }) => claim)
    const { gasUsed } = await provider.send({ type: 'claim', provider: provider.account, claims })
    await provider.send({ type: 'withdraw-earned' })
    return { gasOpen: opened.at(-1)!.gasUsed, each: Math.round(Number(gasUsed) / count) }
  }
  const small = await batch(25)
  const large = await batch(100)
  return {
    gasOpen: Number(small.gasOpen),
    gasVoucher25: small.each,
    gasVoucher100: large.each,
  }
}

/** Deposits for a buyer, opens a lease by its signature, and signs a voucher in it. */
function leaseOpener(ports: {
  funder: Chain
  provider: Chain
  random: { bytes(length: number): Uint8Array }
}) {
  const { funder, provider, random } = ports
  return async (buyer: Identity.Identity) => {
    const deposit = { buyer: buyer.address, amountMicroUsd: 5_500_000n } as const
    await funder.send({ type: 'deposit', ...deposit })
    const { timestampSeconds } = await provider.head()
    const nonce = new DataView(random.bytes(8).buffer).getBigUint64(0) >> 1n
    const lease: Lease.Lease = {
      buyer: buyer.address,
      provider: provider.account,
      nonce,
      totalMicroUsd: 5_000_000n,
      expirySeconds: timestampSeconds + 86_400,
      deadlineSeconds: timestampSeconds + 3_600,
      terms: Hex.sha256('terms'),
    }
    const { signature } = Lease.sign(provider.domain, lease, buyer)
    const { gasUsed } = await provider.send({ type: 'open-lease', lease, signature })
    const cumulativeMicroUsd = 1_234_567n
    const message = { lease: Lease.id(lease), cumulativeMicroUsd }
    const voucher = Voucher.sign(provider.domain, message, buyer)
    const claim = { buyer: buyer.address, nonce, cumulativeMicroUsd, signature: voucher.signature }
    return { gasUsed, claim }
  }
}
