import { encodeAbiParameters, encodeFunctionData, keccak256, type PublicClient } from 'viem'
import * as Position from '../protocol/dispute/Position.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import { disputes } from './artifacts.ts'
import type { Chain, ClaimState, Deposit, DisputeAction, DisputeState } from './Chain.ts'
import { encodeMove, structOf } from './viemMoves.ts'

type Target = Pick<Chain, 'domain' | 'parameters'>

/** Reads an account's money for bonds. */
export async function readCredit(
  client: PublicClient,
  { parameters }: Target,
  account: Hex.Address,
): Promise<Deposit> {
  const [freeMicroUsd, reservedMicroUsd, withdrawingMicroUsd, withdrawableAtSeconds] =
    await client.readContract({ ...at(parameters), functionName: 'credits', args: [account] })
  return { freeMicroUsd, reservedMicroUsd, withdrawingMicroUsd, withdrawableAtSeconds }
}

/** Reads a dispute by its id. */
export async function readDispute(
  client: PublicClient,
  { parameters }: Target,
  id: Hex.Hex,
): Promise<DisputeState> {
  const [position, number, turn, claimantSeconds, challengerSeconds, movedAtSeconds, state] =
    await client.readContract({ ...at(parameters), functionName: 'disputes', args: [id] })
  return {
    state: disputeStates[state] ?? 'none',
    position,
    number,
    turn: Position.parties[turn] ?? 'claimant',
    claimantSeconds,
    challengerSeconds,
    movedAtSeconds,
  }
}

/** Reads what is known of a claim, all from one block. */
export async function readClaim(
  client: PublicClient,
  { domain, parameters }: Target,
  claim: ExactClaim.ExactClaim,
): Promise<ClaimState> {
  const target = { ...at(parameters), blockNumber: await client.getBlockNumber({ cacheTime: 0 }) }
  const id = ExactClaim.hash(domain, claim)
  const [, bondMicroUsd, open] = await client.readContract({
    ...target,
    functionName: 'claims',
    args: [id],
  })
  const state = await client.readContract({ ...target, functionName: 'stateOf', args: [claim] })
  return { state: claimStates[state] ?? 'none', bondMicroUsd, open }
}

/** Names of what the contract counts. */
export const disputeStates = [
  'none',
  'open',
  'claimant-won',
  'challenger-won',
  'closed',
] as const satisfies readonly DisputeState['state'][]
const claimStates = [
  'none',
  'challenged',
  'rejected',
  'final',
] as const satisfies readonly ClaimState['state'][]

/** What an action on disputes needs besides the action. */
export type DisputeContext = Pick<Chain, 'domain' | 'parameters'> & {
  readonly account: Hex.Address
  readonly validBeforeSeconds: number
  readonly salt: Hex.Hex
  /** Signs that `to` may take `value` of the account's own money, once. */
  readonly authorize: (to: Hex.Address, value: bigint, nonce: Hex.Hex) => Hex.Hex
}

/** The call that does an action on disputes. */
export function encodeDispute(action: DisputeAction, context: DisputeContext): Hex.Hex {
  const { abi } = disputes
  const { domain } = context
  const keyOf = ({ claim, challenger }: { claim: ExactClaim.ExactClaim; challenger: Hex.Hex }) => ({
    claim: ExactClaim.hash(domain, claim),
    challenger,
  })
  switch (action.type) {
    case 'dispute-deposit':
      return encodeDeposit(action, context)
    case 'dispute-request-withdrawal':
      return encodeFunctionData({
        abi,
        functionName: 'requestWithdrawal',
        args: [action.amountMicroUsd],
      })
    case 'dispute-withdraw':
      return encodeFunctionData({ abi, functionName: 'withdraw' })
    case 'challenge': {
      const { claim, signature } = action
      return encodeFunctionData({ abi, functionName: 'challenge', args: [claim, signature] })
    }
    case 'dispute-move':
      return encodeMove({ ...action, key: keyOf(action) })
    case 'dispute-adopt': {
      const { key, position, ply, claimantSignature, challengerSignature } = action
      const args = [key, structOf(position), ply, claimantSignature, challengerSignature]
      return encodeFunctionData({ abi, functionName: 'adopt', args } as never)
    }
    case 'dispute-timeout':
      return encodeFunctionData({ abi, functionName: 'timeout', args: [action.key] })
    case 'dispute-close':
      return encodeFunctionData({ abi, functionName: 'close', args: [action.key] })
    case 'release-claim':
      return encodeFunctionData({ abi, functionName: 'release', args: [action.claim] })
    case 'slash-claimant': {
      const { claim, challenger } = action
      return encodeFunctionData({ abi, functionName: 'slash', args: [claim, challenger] })
    }
    case 'burn-bond':
      return encodeFunctionData({ abi, functionName: 'burn', args: [action.claim] })
  }
}

function encodeDeposit(
  { account: credited, amountMicroUsd }: Extract<DisputeAction, { type: 'dispute-deposit' }>,
  { account, validBeforeSeconds, salt, authorize, parameters }: DisputeContext,
): Hex.Hex {
  // The nonce binds who is credited, so that who sees the signature can credit nobody else with it.
  const bound = encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [credited, salt])
  const signature = authorize(parameters.disputes.address, amountMicroUsd, keccak256(bound))
  return encodeFunctionData({
    abi: disputes.abi,
    functionName: 'depositWithAuthorization',
    args: [credited, account, amountMicroUsd, BigInt(validBeforeSeconds), salt, signature],
  })
}

function at({ disputes: { address } }: Chain['parameters']) {
  return { address, abi: disputes.abi } as const
}
