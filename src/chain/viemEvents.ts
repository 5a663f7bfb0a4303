import { decodeEventLog, type Log, type PublicClient } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import { providerRegistry, vault } from './artifacts.ts'
import type { Chain, ChainEvent } from './Chain.ts'
import type { LedgerEvent } from './ledgerDraft.ts'
import { claimReader } from './viemClaims.ts'
import { disputeReader } from './viemDisputeEvents.ts'

/** Nodes refuse longer ranges in one request; public ones allow a few thousand. */
const blocksPerRequest = 2000n

/** Reads what the contracts did in blocks `from` to `to`, in order. */
export async function readEvents(
  ports: { client: PublicClient; fromBlock: bigint } & Pick<Chain, 'domain' | 'parameters'>,
  { from, to }: { from: bigint; to: bigint },
): Promise<readonly ChainEvent[]> {
  const { client, fromBlock, domain, parameters } = ports
  const events: ChainEvent[] = []
  const claimsOf = claimReader({ client, vault: domain.vault, fromBlock })
  const disputesOf = disputeReader({ client, address: parameters.disputes.address })
  const timestamps = new Map<Hex.Hex, number>()
  for (let first = from; first <= to; first += blocksPerRequest) {
    const last = first + blocksPerRequest - 1n
    const logs = await client.getLogs({
      address: [domain.vault, parameters.registry, parameters.disputes.address],
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
      const isDisputes = log.address.toLowerCase() === parameters.disputes.address
      const found = isDisputes ? await disputesOf(log) : await decode(log, domain.vault, claimsOf)
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
  log: Log,
  vaultAddress: Hex.Address,
  claimsOf: ReturnType<typeof claimReader>,
): Promise<readonly LedgerEvent[]> {
  if (log.address.toLowerCase() !== vaultAddress) return decodeRegistry(log)
  const { eventName, args } = decodeEventLog({ abi: vault.abi, ...log })
  switch (eventName) {
    case 'Deposited':
      return [{ type: 'deposited', buyer: lower(args.buyer), amountMicroUsd: args.amount }]
    case 'Withdrawn':
      return [{ type: 'withdrawn', buyer: lower(args.buyer), amountMicroUsd: args.amount }]
    case 'LeaseOpened': {
      const { nonce, total: totalMicroUsd, expiry: expirySeconds, terms } = args
      const parties = { buyer: lower(args.buyer), provider: lower(args.provider) }
      const facts = { ...parties, nonce, totalMicroUsd, expirySeconds, terms }
      return [{ type: 'lease-opened', lease: Lease.id(facts), ...facts }]
    }
    case 'LeaseClosed':
      return [{ type: 'lease-closed', lease: args.lease, refundMicroUsd: args.refund }]
    case 'EarningsWithdrawn': {
      const provider = lower(args.provider)
      return [{ type: 'earnings-withdrawn', provider, amountMicroUsd: args.amount }]
    }
    case 'Claimed':
      return await claimsOf(log, lower(args.provider))
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

function lower(address: Hex.Address): Hex.Address {
  return address.toLowerCase() as Hex.Address
}
