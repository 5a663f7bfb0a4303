import type { PublicClient } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import { vault as artifact } from './artifacts.ts'

/** What one open lease has used up. */
export type OpenLease = { readonly id: Hex.Hex; readonly claimedMicroUsd: bigint }

/** Blocks that may still be reorganised are read again each time. */
const reorganisedBlocks = 64n
const blocksPerRequest = 2000n
/** Buyers whose leases are remembered. */
const buyersLimit = 1000

/**
 * Finds a buyer's open leases. The vault cannot list them, so their events are read, once: remembered are
 * the leases that are not closed for good, and how far the events are known.
 */
export function openLeases({
  client,
  vault,
  fromBlock,
}: {
  client: PublicClient
  vault: Hex.Address
  /** No lease was opened before this block. */
  fromBlock: bigint
}): (buyer: Hex.Address, blockNumber: bigint) => Promise<readonly OpenLease[]> {
  const known = new Map<Hex.Address, Known>()

  return async (buyer, blockNumber) => {
    const { readUntil, leases } = known.get(buyer) ?? { readUntil: fromBlock, leases: new Map() }
    const found = new Map(leases)
    for (let from = readUntil; from <= blockNumber; from += blocksPerRequest) {
      const last = from + blocksPerRequest - 1n
      const logs = await client.getContractEvents({
        address: vault,
        abi: artifact.abi,
        eventName: 'LeaseOpened',
        args: { buyer },
        strict: true,
        fromBlock: from,
        toBlock: last < blockNumber ? last : blockNumber,
      })
      for (const { args } of logs) {
        const id = Lease.id(args)
        if (!found.has(id)) found.set(id, undefined)
      }
    }
    const settled = blockNumber > reorganisedBlocks ? blockNumber - reorganisedBlocks : 0n
    const open: OpenLease[] = []
    for (const lease of await Promise.all([...found.keys()].map((id) => read(id, blockNumber)))) {
      const closedAt = lease.isClosed ? (found.get(lease.id) ?? blockNumber) : undefined
      if (closedAt !== undefined && closedAt < settled) found.delete(lease.id)
      else found.set(lease.id, closedAt)
      if (lease.isOpen) open.push(lease)
    }
    if (known.size >= buyersLimit) known.clear()
    known.set(buyer, { readUntil: settled > fromBlock ? settled : fromBlock, leases: found })
    return open
  }

  async function read(id: Hex.Hex, blockNumber: bigint) {
    const [, claimedMicroUsd, , state] = await client.readContract({
      address: vault,
      abi: artifact.abi,
      functionName: 'leases',
      args: [id],
      blockNumber,
    })
    return { id, claimedMicroUsd, isOpen: state === 1, isClosed: state === 2 }
  }
}

/** Leases of a buyer, and the block at which each was first seen closed. */
type Known = {
  readonly readUntil: bigint
  readonly leases: ReadonlyMap<Hex.Hex, bigint | undefined>
}
