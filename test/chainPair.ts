/** The contracts on a real node and their twin in memory, driven with the same actions at the same times. */
import type { Action, Chain } from '../src/chain/Chain.ts'
import { deploy } from '../src/chain/deploy.ts'
import { memoryChain } from '../src/chain/memory.ts'
import { viemChain } from '../src/chain/viem.ts'
import { askNode } from '../src/chain/viemCompliance.ts'
import * as Identity from '../src/protocol/Identity.ts'
import { codeOf } from '../src/runtime/Errors.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'

export type Side = 'real' | 'twin'

export type ChainPair = {
  /** Each side as its first party sees it. */
  readonly sides: Readonly<Record<Side, Chain>>
  /** Of the last block, the same on both sides. */
  timestampSeconds(): number
  /** A party sends an action on both sides in a block `afterSeconds` later; says what came of it on each. */
  readonly send: (
    who: number,
    actions: Readonly<Record<Side, Action>>,
    options: { afterSeconds: number },
  ) => Promise<Readonly<Record<Side, string>>>
}

type Options = {
  readonly identities: readonly Identity.Identity[]
  readonly contracts: Omit<deploy.Options, 'rpcUrl' | 'deployer'>
  readonly memory: Omit<memoryChain.Options, 'blockTimeMs'>
  readonly game?: Parameters<typeof memoryChain>[0]['game']
  /** What each party does first, on either side. */
  readonly join: (chain: Chain) => Promise<void>
}

/** Fresh contracts and a fresh twin with the same parties and the same time. */
export async function startChainPair(
  { rpcUrl }: { rpcUrl: string },
  { identities, contracts, memory, game, join }: Options,
): Promise<ChainPair> {
  const deployer = Identity.from(systemRandom().bytes(32))
  const deployment = await deploy({ rpcUrl, deployer, ...contracts })
  const real = await Promise.all(
    identities.map((identity) => viemChain({ rpcUrl, identity, ...deployment })),
  )
  let timestampSeconds = (await real[0]!.head()).timestampSeconds
  const clock = virtualClock({ start: timestampSeconds * 1000 })
  const chain = memoryChain({ clock, game }, { blockTimeMs: 0, ...memory })
  const twin = identities.map((identity) => chain.connect(identity))
  for (const party of [...real, ...twin]) await join(party)
  timestampSeconds = Math.max(timestampSeconds, (await real[0]!.head()).timestampSeconds)
  await clock.run(timestampSeconds * 1000)

  async function elapse(seconds: number): Promise<void> {
    timestampSeconds += seconds
    await askNode(rpcUrl, 'evm_setNextBlockTimestamp', [timestampSeconds])
    await askNode(rpcUrl, 'evm_mine', [])
    await askNode(rpcUrl, 'evm_setNextBlockTimestamp', [++timestampSeconds])
    await clock.run(timestampSeconds * 1000)
  }

  return {
    sides: { real: real[0]!, twin: twin[0]! },
    timestampSeconds: () => timestampSeconds,
    async send(who, actions, { afterSeconds }) {
      await elapse(afterSeconds)
      const results = {
        real: await outcome(real[who]!, actions.real),
        twin: await outcome(twin[who]!, actions.twin),
      }
      // A node puts what it refuses into no block; the twin has one all the same.
      if (results.real !== 'done') await askNode(rpcUrl, 'evm_mine', [])
      return results
    },
  }
}

async function outcome(chain: Chain, action: Action): Promise<string> {
  try {
    await chain.send(action)
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}
