import { decodeFunctionData, type Log, type PublicClient } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import { vault as artifact } from './artifacts.ts'
import type { LedgerEvent } from './ledgerDraft.ts'
import { isUnreachable } from './viemErrors.ts'

/**
 * Tells which vouchers a `Claimed` event was about: the event itself names the provider alone, which
 * keeps claims cheap. They stand in the transaction's input; when another contract called the vault,
 * they show in what changed in the provider's leases. One reader is for events in order.
 */
export function claimReader({
  client,
  vault,
  fromBlock,
}: {
  client: PublicClient
  vault: Hex.Address
  /** Nothing happened before this block. */
  fromBlock: bigint
}): (log: Log, provider: Hex.Address) => Promise<readonly LedgerEvent[]> {
  /** What was claimed in a lease by the events read so far. */
  const claimedMicroUsd = new Map<Hex.Hex, bigint>()

  return async (log, provider) => {
    const events: LedgerEvent[] = []
    for (const { buyer, nonce, cumulativeMicroUsd } of await entriesOf(log, provider)) {
      const key = { buyer, provider, nonce }
      const lease = Lease.id(key)
      const before = claimedMicroUsd.get(lease) ?? (await claimedBefore(key, log.blockNumber!))
      const amountMicroUsd = cumulativeMicroUsd - before
      claimedMicroUsd.set(lease, amountMicroUsd > 0n ? cumulativeMicroUsd : before)
      if (amountMicroUsd <= 0n) continue
      events.push({ type: 'claimed', lease, ...parties(key), amountMicroUsd, cumulativeMicroUsd })
    }
    return events
  }

  async function entriesOf(log: Log, provider: Hex.Address): Promise<readonly Entry[]> {
    const { input, to } = await client.getTransaction({ hash: log.transactionHash! })
    if (to?.toLowerCase() === vault) return decodeEntries(input)
    const block = log.blockNumber!
    const keys = await leasesOf({ provider }, block)
    return await Promise.all(
      keys.map(async (key) => {
        const cumulativeMicroUsd = await claimedAt(key, block).catch((error: unknown) => {
          if (isUnreachable(error)) throw error
          // The node has forgotten the state of that block: what later claims added comes early.
          return claimedAt(key)
        })
        return { ...key, cumulativeMicroUsd }
      }),
    )
  }

  /** From the state before the block; from all earlier claims when the node has forgotten that. */
  async function claimedBefore(key: Lease.Key, block: bigint): Promise<bigint> {
    try {
      return await claimedAt(key, block - 1n)
    } catch (error) {
      if (isUnreachable(error)) throw error
      return await sumClaims(key, block - 1n)
    }
  }

  async function sumClaims(key: Lease.Key, until: bigint): Promise<bigint> {
    const { provider } = key
    let highest = 0n
    for (const [from, to] of ranges(fromBlock, until)) {
      const logs = await client.getContractEvents({
        address: vault,
        abi: artifact.abi,
        eventName: 'Claimed',
        args: { provider },
        fromBlock: from,
        toBlock: to,
      })
      for (const log of logs)
        for (const entry of await entriesOf(log, provider))
          if (entry.buyer === key.buyer && entry.nonce === key.nonce)
            highest = highest > entry.cumulativeMicroUsd ? highest : entry.cumulativeMicroUsd
    }
    return highest
  }

  async function claimedAt(key: Lease.Key, blockNumber?: bigint): Promise<bigint> {
    const [, claimed] = await client.readContract({
      address: vault,
      abi: artifact.abi,
      functionName: 'leases',
      args: [Lease.id(key)],
      ...(blockNumber === undefined ? {} : { blockNumber }),
    })
    return claimed
  }

  async function leasesOf(
    { provider }: { provider: Hex.Address },
    until: bigint,
  ): Promise<readonly Lease.Key[]> {
    const keys = new Map<Hex.Hex, Lease.Key>()
    for (const [from, to] of ranges(fromBlock, until)) {
      const logs = await client.getContractEvents({
        address: vault,
        abi: artifact.abi,
        eventName: 'LeaseOpened',
        args: { provider },
        strict: true,
        fromBlock: from,
        toBlock: to,
      })
      for (const { args } of logs) {
        const key = { buyer: lower(args.buyer), provider, nonce: args.nonce }
        keys.set(Lease.id(key), key)
      }
    }
    return [...keys.values()]
  }
}

type Entry = {
  readonly buyer: Hex.Address
  readonly nonce: bigint
  readonly cumulativeMicroUsd: bigint
}

const blocksPerRequest = 2000n

function* ranges(from: bigint, to: bigint): Generator<readonly [bigint, bigint]> {
  for (let first = from; first <= to; first += blocksPerRequest) {
    const last = first + blocksPerRequest - 1n
    yield [first, last < to ? last : to]
  }
}

function decodeEntries(input: Hex.Hex): readonly Entry[] {
  const { functionName, args } = decodeFunctionData({ abi: artifact.abi, data: input })
  if (functionName === 'claimFor') {
    const [buyer, , nonce, cumulativeMicroUsd] = args
    return [{ buyer: lower(buyer), nonce, cumulativeMicroUsd }]
  }
  if (functionName !== 'claim') return []
  return args[1].map(({ buyerAndCumulative, nonce }) => ({
    buyer: `0x${(buyerAndCumulative >> 96n).toString(16).padStart(40, '0')}`,
    cumulativeMicroUsd: BigInt.asUintN(96, buyerAndCumulative),
    nonce,
  }))
}

function parties({ buyer, provider }: Lease.Key) {
  return { buyer, provider }
}

function lower(address: Hex.Address): Hex.Address {
  return address.toLowerCase() as Hex.Address
}
