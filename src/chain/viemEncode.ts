import { encodeAbiParameters, encodeFunctionData, hashTypedData, keccak256 } from 'viem'
import * as Hex from '../protocol/Hex.ts'
import type { Identity } from '../protocol/Identity.ts'
import * as Signature from '../protocol/Signature.ts'
import { providerRegistry, testUsd, vault } from './artifacts.ts'
import type { Action, Chain, Claim, DisputeAction } from './Chain.ts'
import { encodeDispute } from './viemDisputes.ts'

/** What a transaction does: the contract it calls, and with what; without `to` it makes a contract. */
export type Call = { readonly to?: Hex.Address; readonly data: Hex.Hex }

export type EncodeContext = Pick<Chain, 'domain' | 'parameters'> & {
  readonly identity: Identity
  /** Name and version in the EIP-712 domain of the stable token. */
  readonly token: { readonly name: string; readonly version: string }
  /** Until when an authorisation made here can be used. */
  readonly validBeforeSeconds: number
  /** 32 fresh random bytes. */
  readonly salt: Hex.Hex
}

/** The one transaction that does an action. */
export function encode(action: Action, context: EncodeContext): Call {
  const { domain, parameters } = context
  switch (action.type) {
    case 'mint':
      return {
        to: parameters.usd,
        data: encodeFunctionData({
          abi: testUsd.abi,
          functionName: 'mint',
          args: [action.to, action.amountMicroUsd],
        }),
      }
    case 'register':
    case 'request-unbond':
    case 'unbond':
    case 'slash':
      return { to: parameters.registry, data: encodeRegistry(action, context) }
    case 'deposit':
    case 'request-withdrawal':
    case 'withdraw':
    case 'open-lease':
    case 'claim':
    case 'close-lease':
    case 'withdraw-earned':
      return { to: domain.vault, data: encodeVault(action, context) }
    case 'dispute-deposit':
    case 'dispute-request-withdrawal':
    case 'dispute-withdraw':
    case 'challenge':
    case 'dispute-move':
    case 'dispute-adopt':
    case 'dispute-timeout':
    case 'dispute-close':
    case 'release-claim':
    case 'slash-claimant':
    case 'burn-bond': {
      const { identity } = context
      const account = identity.address
      const sign = (to: Hex.Address, value: bigint, nonce: Hex.Hex) =>
        authorize(context, to, value, nonce)
      const data = encodeDispute(action, { ...context, account, authorize: sign })
      return { to: parameters.disputes.address, data }
    }
  }
}

type RegistryAction = Extract<Action, { type: 'register' | 'request-unbond' | 'unbond' | 'slash' }>

function encodeRegistry(action: RegistryAction, context: EncodeContext): Hex.Hex {
  const { abi } = providerRegistry
  switch (action.type) {
    case 'register': {
      const { peerId, offerUri, stakeMicroUsd } = action
      const words = [peerId, offerUri, stakeMicroUsd] as const
      if (stakeMicroUsd === 0n)
        return encodeFunctionData({ abi, functionName: 'register', args: words })
      const { registry } = context.parameters
      const signature = authorize(context, registry, stakeMicroUsd, context.salt)
      return encodeFunctionData({
        abi,
        functionName: 'registerWithAuthorization',
        args: [...words, BigInt(context.validBeforeSeconds), context.salt, signature],
      })
    }
    case 'request-unbond':
      return encodeFunctionData({
        abi,
        functionName: 'requestUnbond',
        args: [action.amountMicroUsd],
      })
    case 'unbond':
      return encodeFunctionData({ abi, functionName: 'unbond' })
    case 'slash':
      return encodeFunctionData({
        abi,
        functionName: 'slash',
        args: [action.provider, action.amountMicroUsd, action.beneficiary],
      })
  }
}

function encodeVault(
  action: Exclude<Action, RegistryAction | DisputeAction | { type: 'mint' }>,
  context: EncodeContext,
): Hex.Hex {
  const { abi } = vault
  switch (action.type) {
    case 'deposit': {
      const { buyer, amountMicroUsd } = action
      const { identity, salt, validBeforeSeconds, domain } = context
      // The nonce binds the buyer, so that who sees the signature can credit nobody else with it.
      const bound = encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [buyer, salt])
      const signature = authorize(context, domain.vault, amountMicroUsd, keccak256(bound))
      return encodeFunctionData({
        abi,
        functionName: 'depositWithAuthorization',
        args: [
          buyer,
          identity.address,
          amountMicroUsd,
          BigInt(validBeforeSeconds),
          salt,
          signature,
        ],
      })
    }
    case 'request-withdrawal':
      return encodeFunctionData({
        abi,
        functionName: 'requestWithdrawal',
        args: [action.amountMicroUsd],
      })
    case 'withdraw':
      return encodeFunctionData({ abi, functionName: 'withdraw' })
    case 'open-lease': {
      const { lease, signature } = action
      const halves = halvesOf(signature)
      return halves
        ? encodeFunctionData({ abi, functionName: 'openLease', args: [lease, ...halves] })
        : encodeFunctionData({ abi, functionName: 'openLeaseFor', args: [lease, signature] })
    }
    case 'claim':
      return encodeClaim(action.provider, action.claims)
    case 'close-lease': {
      const { buyer, provider, nonce } = action.key
      return encodeFunctionData({ abi, functionName: 'closeLease', args: [buyer, provider, nonce] })
    }
    case 'withdraw-earned':
      return encodeFunctionData({ abi, functionName: 'withdrawEarned' })
  }
}

/** One batch; or `claimFor` for a single voucher that a contract wallet signed in a form of its own. */
function encodeClaim(provider: Hex.Address, claims: readonly Claim[]): Hex.Hex {
  const { abi } = vault
  const [only] = claims
  if (claims.length === 1 && only && only.signature.length !== 132)
    return encodeFunctionData({
      abi,
      functionName: 'claimFor',
      args: [only.buyer, provider, only.nonce, only.cumulativeMicroUsd, only.signature],
    })
  const entries = claims.map(({ buyer, nonce, cumulativeMicroUsd, signature }) => {
    const [r, vs] = halvesOf(signature) ?? [Hex.zero, Hex.zero]
    return { buyerAndCumulative: (BigInt(buyer) << 96n) | cumulativeMicroUsd, nonce, r, vs }
  })
  return encodeFunctionData({ abi, functionName: 'claim', args: [provider, entries] })
}

/** A compact signature (ERC-2098): r, and s with v in its highest bit. Undefined for what has no such form. */
function halvesOf(signature: Hex.Hex): readonly [r: Hex.Hex, vs: Hex.Hex] | undefined {
  const bytes = Hex.toBytes(signature)
  const v = bytes[64]
  if (bytes.length !== 65 || (v !== 27 && v !== 28) || bytes[32]! >= 0x80) return undefined
  if (v === 28) bytes[32]! |= 0x80
  return [Hex.from(bytes.subarray(0, 32)), Hex.from(bytes.subarray(32, 64))]
}

/** The account's signature under ERC-3009 that lets `to` take an amount. */
function authorize(
  { domain, parameters, identity, token, validBeforeSeconds }: EncodeContext,
  to: Hex.Address,
  value: bigint,
  nonce: Hex.Hex,
): Hex.Hex {
  const digest = hashTypedData({
    domain: { ...token, chainId: domain.chainId, verifyingContract: parameters.usd },
    types: {
      ReceiveWithAuthorization: [
        { name: 'from', type: 'address' },
        { name: 'to', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'validAfter', type: 'uint256' },
        { name: 'validBefore', type: 'uint256' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'ReceiveWithAuthorization',
    message: {
      from: identity.address,
      to,
      value,
      validAfter: 0n,
      validBefore: BigInt(validBeforeSeconds),
      nonce,
    },
  })
  return Signature.sign(digest, identity)
}
