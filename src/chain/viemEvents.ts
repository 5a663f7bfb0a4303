import { decodeEventLog, decodeFunctionData, type Log, type PublicClient } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import { providerRegistry, vault } from './artifacts.ts'
import type { Chain, ChainEvent } from './Chain.ts'
import type { LedgerEvent } from './ledger.ts'

/** Nodes refuse longer ranges in one request; public ones allow a few thousand. */
const blocksPerRequest = 2000n

/** Reads what the contracts did in blocks `from` to `to`, in order. */
export async function readEvents(
  { client, domain, parameters }: { client: PublicClient } & Pick<Chain, 'domain' | 'parameters'>,
  { from, to }: { from: bigint; to: bigint },
): Promise<readonly ChainEvent[]> {
  const events: ChainEvent[] = []
  const timestamps = new Map<Hex.Hex, number>()
  for (let first = from; first <= to; first += blocksPerRequest) {
    const last = first + blocksPerRequest - 1n
    const logs = await client.getLogs({
      address: [domain.vault, parameters.registry],
      fromBlock: first,
      toBlock: last < to ? last : to,
    })
    for (const log of logs) {
      if (log.blockHash === null || log.blockNumber === null || log.removed) continue
      const place = {
        block: log.blockNumber,
        blockHash: log.blockHash,
        timestampSeconds: await timestampOf(log),
        transaction: log.transactionHash!,
      }
      const found = await decode(client, log, domain.vault)
      events.push(...found.map((event) => ({ ...place, ...event }) as ChainEvent))
    }
  }
  return events

  async function timestampOf(log: Log<bigint, number, false>): Promise<number> {
    const given = (log as { blockTimestamp?: bigint | Hex.Hex }).blockTimestamp
    if (given !== undefined && given !== null) return Number(given)
    const known = timestamps.get(log.blockHash)
    if (known !== undefined) return known
    const { timestamp } = await client.getBlock({ blockHash: log.blockHash })
    timestamps.set(log.blockHash, Number(timestamp))
    return Number(timestamp)
  }
}

async function decode(
  client: PublicClient,
  log: Log,
  vaultAddress: Hex.Address,
): Promise<readonly LedgerEvent[]> {
  if (log.address.toLowerCase() !== vaultAddress) return decodeRegistry(log)
  const { eventName, args } = decodeEventLog({ abi: vault.abi, ...log })
  switch (eventName) {
    case 'Deposited':
      return [{ type: 'deposited', buyer: lower(args.buyer), amountMicroUsd: args.amount }]
    case 'Withdrawn':
      return [{ type: 'withdrawn', buyer: lower(args.buyer), amountMicroUsd: args.amount }]
    case 'LeaseOpened': {
      const { lease, nonce, total: totalMicroUsd, expiry: expirySeconds, terms } = args
      const parties = { buyer: lower(args.buyer), provider: lower(args.provider) }
      const facts = { ...parties, nonce, totalMicroUsd, expirySeconds, terms }
      return [{ type: 'lease-opened', lease, ...facts }]
    }
    case 'LeaseClosed':
      return [{ type: 'lease-closed', lease: args.lease, refundMicroUsd: args.refund }]
    case 'EarningsWithdrawn': {
      const provider = lower(args.provider)
      return [{ type: 'earnings-withdrawn', provider, amountMicroUsd: args.amount }]
    }
    case 'Claimed': {
      const { input, to } = await client.getTransaction({ hash: log.transactionHash! })
      const entries = to?.toLowerCase() === vaultAddress ? entriesOf(input) : []
      return claims(lower(args.provider), entries, args.amounts)
    }
    case 'WithdrawalRequested':
    case 'EIP712DomainChanged':
      return []
  }
}

function decodeRegistry(log: Log): readonly LedgerEvent[] {
  const { eventName, args } = decodeEventLog({ abi: providerRegistry.abi, ...log })
  switch (eventName) {
    case 'Registered': {
      const { peerId, agentURI: offerUri, stake: stakeMicroUsd } = args
      const provider = lower(args.provider)
      return [{ type: 'registered', provider, peerId, offerUri, stakeMicroUsd }]
    }
    case 'Unbonded':
      return [{ type: 'unbonded', provider: lower(args.provider), amountMicroUsd: args.amount }]
    case 'Slashed':
      return [{ type: 'slashed', provider: lower(args.provider), amountMicroUsd: args.amount }]
    case 'UnbondingRequested':
      return []
  }
}

type Entry = {
  readonly buyer: Hex.Address
  readonly nonce: bigint
  readonly cumulativeMicroUsd: bigint
}

/** Which vouchers a claim brought: the event tells amounts alone, to keep claims cheap. */
function entriesOf(input: Hex.Hex): readonly Entry[] {
  const { functionName, args } = decodeFunctionData({ abi: vault.abi, data: input })
  if (functionName === 'claimFor') {
    const [buyer, , nonce, cumulativeMicroUsd] = args
    return [{ buyer: lower(buyer), nonce, cumulativeMicroUsd }]
  }
  if (functionName !== 'claim') return []
  const digits = args[1].slice(2)
  return Array.from({ length: digits.length / entryDigits }, (_, index) => {
    const entry = digits.slice(index * entryDigits, (index + 1) * entryDigits)
    return {
      buyer: `0x${entry.slice(0, 40)}`,
      cumulativeMicroUsd: BigInt(`0x${entry.slice(40, 64)}`),
      nonce: BigInt(`0x${entry.slice(192, 208)}`),
    }
  })
}

const entryDigits = 208

function claims(
  provider: Hex.Address,
  entries: readonly Entry[],
  amounts: readonly bigint[],
): readonly LedgerEvent[] {
  return entries.flatMap(({ buyer, nonce, cumulativeMicroUsd }, index) => {
    const amountMicroUsd = amounts[index] ?? 0n
    if (amountMicroUsd === 0n) return []
    const lease = Lease.id({ buyer, provider, nonce })
    const facts = { buyer, provider, amountMicroUsd, cumulativeMicroUsd }
    return [{ type: 'claimed', lease, ...facts } as const]
  })
}

function lower(address: Hex.Address): Hex.Address {
  return address.toLowerCase() as Hex.Address
}
