import { startBuyer } from '../src/buyer/startBuyer.ts'
import { memoryChain } from '../src/chain/memory.ts'
import type { Engine } from '../src/engine/Engine.ts'
import { memoryNetwork, type Faults } from '../src/network/memory.ts'
import type { Network } from '../src/network/Network.ts'
import * as Exchange from '../src/protocol/Exchange.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Receipt from '../src/protocol/Receipt.ts'
import * as Verdict from '../src/protocol/Verdict.ts'
import * as Hex from '../src/protocol/Hex.ts'
import { startProvider } from '../src/provider/startProvider.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { honestEngine } from './engines.ts'

/** A market on a virtual clock, small enough to be read whole: real services on memory adapters. */
export function smallMarket(
  options: { seed?: number; faults?: Faults; blockTimeMs?: number } = {},
) {
  const { seed = 1, faults = { delayMs: [1, 5] }, blockTimeMs = 200 } = options
  const clock = virtualClock()
  const random = seededRandom(seed)
  const chain = memoryChain({ clock, random }, { blockTimeMs })
  const network = memoryNetwork({ clock, random, faults })
  const logger = silentLogger()
  const validator = identityOf(200)

  /** Lets time pass until the promise is settled. */
  async function drive<result>(promise: Promise<result>, limitMs = 120_000): Promise<result> {
    let settled = false
    const end = clock.now() + limitMs
    const watched = promise.finally(() => (settled = true))
    watched.catch(() => {})
    while (!settled && clock.now() < end) await clock.run(clock.now() + 20)
    if (!settled) throw new Error(`Nothing came of it in ${limitMs} ms.`)
    return await watched
  }

  function portsOf(identity: Identity.Identity, store = memoryStore()) {
    const joined = network.join(identity.peerId)
    return {
      identity,
      chain: chain.connect(identity),
      network: joined,
      store,
      clock,
      random,
      logger,
    }
  }

  return {
    clock,
    chain,
    network,
    random,
    validator,
    drive,
    portsOf,
    pass: (ms: number) => clock.run(clock.now() + ms),
    async provider(number: number, facts: ProviderFacts = {}) {
      const {
        engine = honestEngine({ clock, tokenMs: 10 }),
        outputPrice = 2_000_000n,
        store,
      } = facts
      const identity = identityOf(number)
      const ports = { ...portsOf(identity, store), engine }
      const prices = { inputMicroUsdPerMillion: 1_000_000n, outputMicroUsdPerMillion: outputPrice }
      const settings = { prices: () => prices, concurrency: 4, ...facts.settings }
      return await drive(startProvider(ports, settings))
    },
    async buyer(facts: BuyerFacts = {}) {
      const identity = identityOf(100)
      if (facts.wallet !== 0n) chain.mint(identity.address, facts.wallet ?? 20_000_000n)
      const ports = portsOf(identity, facts.store)
      return await drive(
        startBuyer(
          { ...ports, network: facts.network?.(ports.network) ?? ports.network },
          { keepDepositMicroUsd: 5_000_000n, verdictTimeoutMs: 2_000, ...facts.settings },
        ),
      )
    },
    /** Judges every receipt that is gossiped. */
    judge(outcome: (receipt: Receipt.Receipt) => Verdict.Outcome | undefined) {
      const joined = network.join(validator.peerId)
      joined.subscribe(Exchange.topics.receipts, async (body) => {
        const { message: receipt } = Receipt.deserialize(body)
        const found = outcome(receipt)
        if (!found) return
        const verdict = Verdict.sign(
          chain.domain,
          {
            receipt: Receipt.hash(chain.domain, receipt),
            job: receipt.job,
            provider: receipt.provider,
            validator: validator.address,
            method: 'rerun',
            outcome: found,
            reason: found === 'valid' ? '' : 'Rerun.OutputDiffers',
            output: Hex.zero,
            checkedAt: clock.now(),
          },
          validator,
        )
        await joined.publish(Exchange.topics.verdicts, Verdict.serialize(verdict))
      })
    },
  }
}

export type ProviderFacts = {
  engine?: Engine
  outputPrice?: bigint
  store?: ReturnType<typeof memoryStore>
  settings?: Partial<Parameters<typeof startProvider>[1]>
}

export type BuyerFacts = {
  wallet?: bigint
  store?: ReturnType<typeof memoryStore>
  /** Stands between the buyer and its network. */
  network?: (network: Network) => Network
  settings?: startBuyer.Options
}

/** The same party for the same number, in every run. */
export function identityOf(number: number): Identity.Identity {
  return Identity.from(Uint8Array.from({ length: 32 }, (_, index) => (index === 31 ? number : 1)))
}
