import { createPublicClient, http, type PublicClient } from 'viem'
import * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import type * as Domain from '../protocol/Domain.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Random } from '../runtime/Random.ts'
import { BaseError } from '../runtime/Errors.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import { disputes, providerRegistry, testUsd, vault } from './artifacts.ts'
import {
  UnavailableError,
  WrongChainError,
  type Action,
  type Chain,
  type LeaseState,
  type Parameters,
} from './Chain.ts'
import { readClaim, readCredit, readDispute } from './viemDisputes.ts'
import { encode } from './viemEncode.ts'
import { ask, isComplaint } from './viemErrors.ts'
import { readEvents } from './viemEvents.ts'
import { openLeases } from './viemLeases.ts'
import { viemSender } from './viemSender.ts'

/**
 * Connects one account to the contracts on any EVM chain by its RPC URL. It can be made while the
 * node is down: then every call throws `UnavailableError` until the node is there.
 *
 * @throws {WrongChainError} when the node belongs to another chain.
 */
export async function viemChain(options: viemChain.Options): Promise<Chain> {
  const { domain, parameters, identity, rpcUrl } = options
  const { clock = systemClock(), random = systemRandom(), fromBlock = 0n } = options
  const { confirmations = 1, sendTimeoutMs = 60_000, requestTimeoutMs = 10_000 } = options
  const client = createPublicClient({
    transport: http(rpcUrl, { retryCount: 0, timeout: requestTimeoutMs, batch: false }),
    cacheTime: 0,
  })
  const sender = viemSender(
    { client, clock, identity },
    { chainId: domain.chainId, confirmations, timeoutMs: sendTimeoutMs },
  )
  const read = <result>(question: () => Promise<result>) =>
    ask({ clock, again: isComplaint }, question)
  const leasesOf = openLeases({ client, vault: domain.vault, fromBlock })
  const tokenName = once(() => readTokenName(client, parameters.usd))
  await checkChain(client, domain.chainId, read)

  return {
    domain,
    parameters,
    account: identity.address,
    head: () => read(() => readHead(client)),
    balance: (holder) =>
      read(() =>
        client.readContract({
          address: parameters.usd,
          abi: testUsd.abi,
          functionName: 'balanceOf',
          args: [holder],
        }),
      ),
    deposit: (buyer) =>
      read(async () => {
        const { number: blockNumber } = await readHead(client)
        const claimed = (await leasesOf(buyer, blockNumber)).reduce(
          (sum, lease) => sum + lease.claimedMicroUsd,
          0n,
        )
        const [freeMicroUsd, reserved, withdrawingMicroUsd, withdrawableAtSeconds] =
          await client.readContract({
            address: domain.vault,
            abi: vault.abi,
            functionName: 'deposits',
            args: [buyer],
            blockNumber,
          })
        const reservedMicroUsd = reserved - claimed
        return { freeMicroUsd, reservedMicroUsd, withdrawingMicroUsd, withdrawableAtSeconds }
      }),
    lease: (key) => read(() => readLease(client, domain.vault, Lease.id(key))),
    earned: (provider) =>
      read(() =>
        client.readContract({
          address: domain.vault,
          abi: vault.abi,
          functionName: 'earned',
          args: [provider],
        }),
      ),
    credit: (account) => read(() => readCredit(client, options, account)),
    dispute: (id) => read(() => readDispute(client, options, id)),
    exactClaim: (claim) => read(() => readClaim(client, options, claim)),
    registration: (provider) =>
      read(async () => {
        const [stakeMicroUsd, unbondingMicroUsd, unbondableAtSeconds] = await client.readContract({
          address: parameters.registry,
          abi: providerRegistry.abi,
          functionName: 'registrations',
          args: [provider],
        })
        const registered = stakeMicroUsd > 0n
        return { registered, stakeMicroUsd, unbondingMicroUsd, unbondableAtSeconds }
      }),
    events: (range) => read(() => readEvents({ client, fromBlock, domain, parameters }, range)),
    async send(action, { signal } = {}) {
      signal?.throwIfAborted()
      const pays = paying.has(action.type)
      const validBeforeSeconds = pays
        ? (await read(() => readHead(client))).timestampSeconds + authorizationSeconds
        : 0
      const token = pays ? await read(tokenName) : { name: '', version: '' }
      const salt = Hex.from(random.bytes(32))
      const context = { domain, parameters, identity, token, validBeforeSeconds, salt }
      try {
        return await sender.send(action.type, encode(action, context), { signal })
      } catch (cause) {
        if (cause instanceof BaseError || signal?.aborted) throw cause
        throw new UnavailableError({ cause })
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

export declare namespace viemChain {
  type Options = {
    rpcUrl: string
    domain: Domain.Domain
    parameters: Parameters
    /** Whose account signs and pays. */
    identity: Identity
    clock?: Clock | undefined
    /** For the nonces of authorisations. */
    random?: Random | undefined
    /** Blocks a transaction must have before `send` resolves. More is slower and safer where blocks are reorganised. @default 1 */
    confirmations?: number | undefined
    /** The block of the contracts' deployment: nothing before it is searched. @default 0 */
    fromBlock?: bigint | undefined
    /** How long `send` waits for a block, outages included. @default 60000 */
    sendTimeoutMs?: number | undefined
    /** How long one request may take. @default 10000 */
    requestTimeoutMs?: number | undefined
  }
}

/**
 * Asks a vault for the constants of its network.
 *
 * @throws {UnavailableError} when the node does not answer.
 */
export async function readParameters(options: {
  rpcUrl: string
  vault: Hex.Address
  registry: Hex.Address
  disputes: Hex.Address
}): Promise<Parameters> {
  const client = createPublicClient({ transport: http(options.rpcUrl, { retryCount: 0 }) })
  const { registry } = options
  return await ask({ clock: systemClock() }, async () => {
    const target = { address: options.vault, abi: vault.abi } as const
    const usd = await client.readContract({ ...target, functionName: 'usd' })
    const delay = await client.readContract({ ...target, functionName: 'withdrawalDelay' })
    const unbonding = await client.readContract({
      address: registry,
      abi: providerRegistry.abi,
      functionName: 'unbondingDelay',
    })
    const atDisputes = { address: options.disputes, abi: disputes.abi } as const
    const clock = await client.readContract({ ...atDisputes, functionName: 'clockSeconds' })
    const window = await client.readContract({ ...atDisputes, functionName: 'challengeWindow' })
    const credit = await client.readContract({ ...atDisputes, functionName: 'withdrawalDelay' })
    return {
      usd: usd.toLowerCase() as Hex.Address,
      registry,
      disputes: {
        address: options.disputes,
        clockSeconds: Number(clock),
        windowSeconds: Number(window),
        withdrawalDelaySeconds: Number(credit),
      },
      withdrawalDelaySeconds: Number(delay),
      unbondingDelaySeconds: Number(unbonding),
    }
  })
}

/** Actions that take the account's own money. */
const paying: ReadonlySet<Action['type']> = new Set(['deposit', 'register', 'dispute-deposit'])

/** An authorisation to take money is worth nothing after this. */
const authorizationSeconds = 3600

async function readHead(client: PublicClient) {
  const { number, hash, timestamp } = await client.getBlock({ blockTag: 'latest' })
  return { number, hash, timestampSeconds: Number(timestamp) }
}

async function readLease(
  client: PublicClient,
  address: Hex.Address,
  id: Hex.Hex,
): Promise<LeaseState> {
  const [totalMicroUsd, claimedMicroUsd, expirySeconds, state] = await client.readContract({
    address,
    abi: vault.abi,
    functionName: 'leases',
    args: [id],
  })
  const named = (['none', 'open', 'closed'] as const)[state] ?? 'none'
  return { state: named, totalMicroUsd, claimedMicroUsd, expirySeconds }
}

async function checkChain(
  client: PublicClient,
  expected: number,
  read: <result>(question: () => Promise<result>) => Promise<result>,
): Promise<void> {
  try {
    const actual = await read(() => client.getChainId())
    if (actual !== expected) throw new WrongChainError({ expected, actual })
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
  }
}

/** The token's EIP-712 name and version: by EIP-5267, or by the older `name` and `version`. */
async function readTokenName(client: PublicClient, address: Hex.Address) {
  const target = { address, abi: [...testUsd.abi, ...versionAbi] } as const
  try {
    const [, name, version] = await client.readContract({
      ...target,
      functionName: 'eip712Domain',
    })
    return { name, version }
  } catch {
    return {
      name: await client.readContract({ ...target, functionName: 'name' }),
      version: await client.readContract({ ...target, functionName: 'version' }),
    }
  }
}

const versionAbi = [
  {
    type: 'function',
    name: 'version',
    inputs: [],
    outputs: [{ type: 'string' }],
    stateMutability: 'view',
  },
] as const

/** Remembers the first answer; asks again after a failure. */
function once<value>(question: () => Promise<value>): () => Promise<value> {
  let known: value | undefined
  return async () => (known ??= await question())
}
