import { decodeAbiParameters, decodeEventLog, type Log, type PublicClient } from 'viem'
import * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import * as Told from '../protocol/dispute/Told.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import { disputes } from './artifacts.ts'
import type { DisputeEvent, EndedBy, Made } from './ChainDisputes.ts'
import { disputeStates } from './viemDisputes.ts'
import { decodeMove, positionOf } from './viemMoves.ts'

/**
 * Tells what the contract of disputes did. Its events say what the other party needs to follow; the whole
 * move and its gas are read from the transaction, so that also those can follow who do not know the graph.
 */
export function disputeReader({
  client,
  address,
}: {
  client: PublicClient
  address: Hex.Address
}): (log: Log) => Promise<readonly DisputeEvent[]> {
  return async (log) => {
    const { eventName, args } = decodeEventLog({ abi: disputes.abi, ...log })
    switch (eventName) {
      case 'Deposited': {
        const { account, from, amount: amountMicroUsd } = args
        const accounts = { account: lower(account), from: lower(from) }
        return [{ type: 'dispute-deposited', ...accounts, amountMicroUsd }]
      }
      case 'Withdrawn':
        return [
          { type: 'dispute-withdrawn', account: lower(args.account), amountMicroUsd: args.amount },
        ]
      case 'Challenged': {
        const key: DisputeKey.DisputeKey = {
          claim: args.claim,
          challenger: lower(args.challenger),
        }
        const claim: ExactClaim = { ...args.details, claimant: lower(args.details.claimant) }
        const facts = { dispute: args.dispute, key, claim, bondMicroUsd: args.bond }
        return [{ type: 'challenged', ...facts, gasUsed: await gasOf(log) }]
      }
      case 'Moved': {
        const { dispute, move, position, data } = args
        const type = toldTypes[move]
        if (!type) return []
        const told = Told.decode(type, data)
        const facts = { dispute, number: Number(args.number), position, told }
        return [{ type: 'dispute-moved', ...facts, ...(await madeBy(log)) }]
      }
      case 'Adopted': {
        const { dispute, ply } = args
        const [struct] = decodeAbiParameters([positionType], args.position)
        const position = positionOf(struct as Readonly<Record<string, unknown>>)
        return [{ type: 'dispute-adopted', dispute, ply, position, gasUsed: await gasOf(log) }]
      }
      case 'Ended': {
        const { dispute, claim } = args
        const state = disputeStates[args.state]
        const by = endings[args.by]
        if (!by || !state || state === 'none' || state === 'open') return []
        return [{ type: 'dispute-ended', dispute, claim, state, by, ...(await madeBy(log)) }]
      }
      case 'Released':
        return [{ type: 'claim-released', claim: args.claim, bondMicroUsd: args.bond }]
      case 'Slashed': {
        const accounts = { claimant: lower(args.claimant), winner: lower(args.winner) }
        const { dispute, amount: amountMicroUsd } = args
        return [{ type: 'claimant-slashed', dispute, ...accounts, amountMicroUsd }]
      }
      case 'Burned':
        return [{ type: 'bond-burned', claim: args.claim, amountMicroUsd: args.amount }]
      case 'WithdrawalRequested':
      case 'EIP712DomainChanged':
        return []
    }
  }

  async function gasOf({ transactionHash: hash }: Log): Promise<bigint> {
    return (await client.getTransactionReceipt({ hash: hash! })).gasUsed
  }

  async function madeBy(log: Log): Promise<{ made: Made | undefined; gasUsed: bigint }> {
    const { input, to } = await client.getTransaction({ hash: log.transactionHash! })
    const made = to?.toLowerCase() === address ? decodeMove(input) : undefined
    return { made, gasUsed: await gasOf(log) }
  }
}

/** Moves by their number in the contract. */
const toldTypes: readonly (Told.Told['type'] | undefined)[] = [
  'reveal',
  'pick',
  'pick',
  'enter',
  'dispute-after',
  'tensor',
  'leaf',
  'element',
  'accumulators',
  'part',
  'operands',
]
const endings: readonly (EndedBy | undefined)[] = [
  ...toldTypes.map(() => undefined),
  'prove-read',
  'prove-read',
  'prove-arithmetic',
  'prove-slot',
  'concede',
  'timeout',
  'close',
]

const positionType = disputes.abi
  .find((item) => item.type === 'function' && item.name === 'adopt')!
  .inputs.find((input) => input.name === 'position')!

function lower(address: Hex.Address): Hex.Address {
  return address.toLowerCase() as Hex.Address
}
