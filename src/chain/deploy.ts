import {
  createPublicClient,
  encodeDeployData,
  getCreateAddress,
  http,
  type PublicClient,
} from 'viem'
import type * as Domain from '../protocol/Domain.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import { systemClock } from '../runtime/systemClock.ts'
import {
  disputeRules,
  disputes,
  exactJudge,
  providerRegistry,
  testUsd,
  vault,
} from './artifacts.ts'
import type { Parameters } from './Chain.ts'
import { ask } from './viemErrors.ts'
import { viemSender } from './viemSender.ts'

/** The contracts of a network: all that `viemChain` needs to know of them. */
export type Deployment = {
  readonly domain: Domain.Domain
  readonly parameters: Parameters
  readonly disputes: DisputesDeployment
}

/** The contracts that the one of disputes asks: who may move where, and what an element is. */
export type DisputesDeployment = { readonly rules: Hex.Address; readonly judge: Hex.Address }

/**
 * Puts the contracts on a chain, from the first transactions of `deployer`, which decide their
 * addresses; so the account must be fresh, and calling again with the same account changes nothing.
 *
 * @throws {DeploymentError} when the account has sent other transactions, or deployed with other constants.
 * @throws {UnavailableError} when the node does not answer.
 */
export async function deploy(options: deploy.Options): Promise<Deployment> {
  const { rpcUrl, deployer, clock = systemClock(), signal } = options
  const { withdrawalDelaySeconds = 3600, unbondingDelaySeconds = 7200 } = options
  const { evidenceWindowSeconds = Math.floor(unbondingDelaySeconds / 2) } = options
  const clockSeconds = options.clockSeconds ?? clockFor(evidenceWindowSeconds)
  const client = createPublicClient({ transport: http(rpcUrl, { retryCount: 0 }), cacheTime: 0 })
  const chainId = await ask({ clock, signal }, () => client.getChainId())
  const sender = viemSender(
    { client, clock, identity: deployer },
    { chainId, confirmations: 1, timeoutMs: 60_000 },
  )
  const at = addressesOf(deployer.address, options.usd !== undefined)
  const token = options.usd ?? at.usd
  const court = options.court ?? at.disputes
  const deployment: Deployment = {
    domain: { chainId, vault: at.vault },
    parameters: {
      usd: token,
      registry: at.registry,
      withdrawalDelaySeconds,
      unbondingDelaySeconds,
      disputes: {
        address: at.disputes,
        clockSeconds,
        windowSeconds: evidenceWindowSeconds - 2 * clockSeconds,
        withdrawalDelaySeconds: evidenceWindowSeconds,
      },
    },
    disputes: { rules: at.rules, judge: at.judge },
  }
  const stakeSeconds = [BigInt(unbondingDelaySeconds), BigInt(evidenceWindowSeconds)] as const
  const disputeSeconds = [BigInt(clockSeconds), BigInt(evidenceWindowSeconds)] as const

  const steps = [
    { address: token, data: encodeDeployData({ ...testUsd }) },
    {
      address: at.registry,
      data: encodeDeployData({ ...providerRegistry, args: [token, court, ...stakeSeconds] }),
    },
    {
      address: at.vault,
      data: encodeDeployData({ ...vault, args: [token, BigInt(withdrawalDelaySeconds)] }),
    },
    { address: at.judge, data: encodeDeployData({ ...exactJudge }) },
    { address: at.rules, data: encodeDeployData({ ...disputeRules, args: [at.judge] }) },
    {
      address: at.disputes,
      data: encodeDeployData({
        ...disputes,
        args: [token, at.vault, at.registry, at.rules, ...disputeSeconds],
      }),
    },
  ]
  for (const { address, data } of steps) {
    if (await ask({ clock, signal }, () => hasCode(client, address))) continue
    await sender.send('deploy', { data }, { signal })
    if (!(await ask({ clock, signal }, () => hasCode(client, address))))
      throw new DeploymentError({ reason: `${address} is not where the contract went` })
  }
  await ask({ clock, signal }, () => check(client, deployment, court))
  return deployment
}

export declare namespace deploy {
  type Options = {
    rpcUrl: string
    /** A fresh account; a local chain asks no fees of it. */
    deployer: Identity
    /** Who may slash. @default the contract of disputes */
    court?: Hex.Address | undefined
    /** The stable token that is there already. @default a test token of our own, made here */
    usd?: Hex.Address | undefined
    /** @default 3600 */
    withdrawalDelaySeconds?: number | undefined
    /** @default 7200 */
    unbondingDelaySeconds?: number | undefined
    /** @default half the unbonding delay */
    evidenceWindowSeconds?: number | undefined
    /** Time of each party of a dispute; both together less than the evidence window. @default 900, or a quarter of that window */
    clockSeconds?: number | undefined
    clock?: Clock | undefined
    signal?: AbortSignal | undefined
  }
}

/** Where the contracts go: each is the account's next transaction. */
function addressesOf(from: Hex.Address, hasToken: boolean) {
  const first = hasToken ? 0 : 1
  const addressAt = (place: number) =>
    getCreateAddress({ from, nonce: BigInt(place) }).toLowerCase() as Hex.Address
  const [registry, vaultAddress, judge, rules, court] = [0, 1, 2, 3, 4].map((place) =>
    addressAt(first + place),
  ) as [Hex.Address, Hex.Address, Hex.Address, Hex.Address, Hex.Address]
  return { usd: addressAt(0), registry, vault: vaultAddress, judge, rules, disputes: court }
}

/** Both clocks and a window as long as they must end while the registry still has the stake. */
function clockFor(evidenceWindowSeconds: number): number {
  return Math.max(1, Math.min(900, Math.floor(evidenceWindowSeconds / 4)))
}

async function hasCode(client: PublicClient, address: Hex.Address): Promise<boolean> {
  const code = await client.getCode({ address })
  return code !== undefined && code !== '0x'
}

/** The constants on the chain are those that were asked for. */
async function check(
  client: PublicClient,
  { domain, parameters }: Deployment,
  court: Hex.Address,
): Promise<void> {
  const atVault = { address: domain.vault, abi: vault.abi } as const
  const atRegistry = { address: parameters.registry, abi: providerRegistry.abi } as const
  const atDisputes = { address: parameters.disputes.address, abi: disputes.abi } as const
  const actual = {
    usd: (await client.readContract({ ...atVault, functionName: 'usd' })).toLowerCase(),
    court: (await client.readContract({ ...atRegistry, functionName: 'court' })).toLowerCase(),
    withdrawal: await client.readContract({ ...atVault, functionName: 'withdrawalDelay' }),
    unbonding: await client.readContract({ ...atRegistry, functionName: 'unbondingDelay' }),
    clock: await client.readContract({ ...atDisputes, functionName: 'clockSeconds' }),
    window: await client.readContract({ ...atDisputes, functionName: 'challengeWindow' }),
  }
  const expected = {
    usd: parameters.usd,
    court,
    withdrawal: BigInt(parameters.withdrawalDelaySeconds),
    unbonding: BigInt(parameters.unbondingDelaySeconds),
    clock: BigInt(parameters.disputes.clockSeconds),
    window: BigInt(parameters.disputes.windowSeconds),
  }
  for (const name of ['usd', 'court', 'withdrawal', 'unbonding', 'clock', 'window'] as const)
    if (actual[name] !== expected[name])
      throw new DeploymentError({
        reason: `${name} is ${actual[name]} on the chain, not ${expected[name]}`,
      })
}

/** Thrown when the contracts cannot be put where they belong, or others are there. */
export class DeploymentError extends BaseError {
  override readonly code = 'Chain.DeploymentError'

  constructor({ reason }: { reason: string }) {
    super('The contracts cannot be deployed.', {
      metaMessages: [
        `Reason: ${reason}`,
        'Fix: deploy from a fresh account, or delete the state of the local chain.',
      ],
    })
  }
}
