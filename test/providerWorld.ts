/** One provider and any number of buyers on memory adapters and a virtual clock. */
import { memoryChain } from '../src/chain/memory.ts'
import type { Engine } from '../src/engine/Engine.ts'
import { memoryNetwork } from '../src/network/memory.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import { startProvider, type Options, type Provider } from '../src/provider/index.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import type { Store } from '../src/runtime/Store.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { honestEngine } from './engines.ts'
import { rawBuyer, type RawBuyer } from './rawBuyer.ts'
import { runUntilDone } from './runUntilDone.ts'

export type ProviderWorld = ReturnType<typeof providerWorld>

/** The identity of a name, the same in every test. */
export function identityOf(name: string): Identity.Identity {
  return Identity.from(Hex.toBytes(Hex.sha256(`identity of ${name}`)))
}

export const prices: Options['prices'] = () => ({
  inputMicroUsdPerMillion: 1_000_000n,
  outputMicroUsdPerMillion: 2_000_000n,
})

/** Creates a world with a chain and a network; nobody lives in it yet. */
export function providerWorld({ blockTimeMs = 1_000 } = {}) {
  const clock = virtualClock()
  const random = seededRandom(1)
  const chain = memoryChain({ clock, random }, { blockTimeMs })
  const network = memoryNetwork({ clock, random })
  const provider = identityOf('provider')
  const store = memoryStore()
  chain.mint(provider.address, 10_000_000n)

  /** Runs the clock until the work is done. */
  const drive = <result>(work: PromiseLike<result>) => runUntilDone(clock, work)

  /** A buyer with money in the vault. */
  async function createBuyer(name = 'buyer', depositMicroUsd = 1_000_000n): Promise<RawBuyer> {
    const identity = identityOf(name)
    const account = chain.connect(identity)
    chain.mint(identity.address, depositMicroUsd)
    const deposit = { type: 'deposit', buyer: identity.address } as const
    await drive(account.send({ ...deposit, amountMicroUsd: depositMicroUsd }))
    const joined = network.join(identity.peerId)
    return rawBuyer({ identity, network: joined, chain: account, clock, provider })
  }

  return {
    clock,
    random,
    chain,
    network,
    provider,
    store,
    drive,
    advance: async (ms: number) => await clock.run(clock.now() + ms),
    /** Starts the provider on what the store holds; its earlier life must have crashed. */
    async start(options: Partial<Options> & { engine?: Engine; store?: Store } = {}) {
      const { engine = honestEngine(), store: ownStore = store, ...rest } = options
      return await drive<Provider>(
        startProvider(
          {
            identity: provider,
            clock,
            random,
            engine,
            store: ownStore,
            chain: chain.connect(provider),
            network: network.join(provider.peerId),
            logger: silentLogger(),
          },
          { prices, concurrency: 4, stakeMicroUsd: 1_000_000n, ...rest },
        ),
      )
    },
    buyer: createBuyer,
    /** A buyer and its lease, probed and ready. */
    async readyLease() {
      const buyer = await createBuyer()
      const lease = await drive(buyer.open())
      await drive(buyer.job(lease.id, { maxTokens: 4 }))
      await drive(buyer.ready(lease.id))
      return { buyer, lease }
    },
  }
}
