/**
 * The simulated world: real services, every one from its own `startX`, on memory adapters, a virtual
 * clock and one seed. The same seed gives the same history, byte for byte.
 */
import { createHash } from 'node:crypto'
import type { Buyer } from '../src/buyer/Buyer.ts'
import { startBuyer } from '../src/buyer/startBuyer.ts'
import { memoryChain, type MemoryChain } from '../src/chain/memory.ts'
import type { Engine } from '../src/engine/Engine.ts'
import { memoryNetwork } from '../src/network/memory.ts'
import type * as Hex from '../src/protocol/Hex.ts'
import type { Identity } from '../src/protocol/Identity.ts'
import { startProvider } from '../src/provider/startProvider.ts'
import { codeOf } from '../src/runtime/Errors.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { startSettlement } from '../src/settlement/startSettlement.ts'
import { startValidator } from '../src/verification/startValidator.ts'
import * as engines from './engines.ts'
import { createInvariants, type Invariants } from './invariants.ts'
import { worldPorts, type Ports, type Witness } from './worldPorts.ts'
import { calmAtMs, endAtMs, isHonest, type ProviderKind, type Scenario } from './scenario.ts'
import { identityOf } from './smallMarket.ts'

/** What a completion came to, as its caller saw it. */
export type Call = {
  readonly buyer: number
  state: 'waiting' | 'delivered' | 'refused' | 'lost'
  job?: Hex.Hex
  code?: string
}

/** How a run of the world ended. */
export type History = {
  /** Hash of everything that was said, written and sent. */
  readonly trace: string
  readonly events: number
  readonly calls: readonly Call[]
}

/** Ways to break the world on purpose, so that a test can see that the invariants notice. */
export type Sabotage =
  /** The vault credits more than was claimed. */
  | 'vault-overpays'
  /** A buyer's vouchers go out before they are on its disk. */
  | 'buyer-forgets'
  /** The validator re-runs on other weights. */
  | 'validator-errs'
  /** Nobody's close reaches the chain. */
  | 'nothing-closes'
  /** No payment arrives. */
  | 'payments-vanish'

type Party = {
  readonly name: string
  readonly identity: Identity
  readonly store: ReturnType<typeof memoryStore>
  readonly start: (ports: Ports) => Promise<void>
  /** What its present life runs. */
  services: readonly AsyncDisposable[]
  full: boolean
  kill: () => void
}

/**
 * Runs a scenario to its end, with the invariants checked after every event.
 *
 * @throws {Violation} at the first event after which one of them does not hold.
 */
export async function runWorld(
  scenario: Scenario,
  { sabotage }: { sabotage?: Sabotage } = {},
): Promise<History> {
  const clock = virtualClock()
  const startedAt = clock.now()
  const random = seededRandom(scenario.seed ^ 0x5eed)
  const network = memoryNetwork({ clock, random, faults: scenario.network })
  const chain = memoryChain({ clock, random }, { delayMs: scenario.chainDelayMs })
  const trace = createHash('sha256')
  const invariants = createInvariants(chain)
  const buyers: (Buyer | undefined)[] = []
  const calls: Call[] = []
  const parties = partiesOf({ scenario, random, chain, invariants, buyers, sabotage })

  function begin(party: Party): void {
    const { identity, store } = party
    // One process at a time works with a journal, here as in a real home.
    party.kill()
    const life = worldPorts(
      { clock, chain: chain.connect(identity), network: network.join(identity.peerId), store },
      witnessOf(party),
    )
    party.kill = () => life.kill()
    party.start(sabotaged(life.ports, sabotage)).catch((error: unknown) => {
      invariants.fail(`${party.name} did not start: ${String(error)}`)
    })
  }

  function witnessOf(party: Party): Witness {
    const note = (...parts: readonly (string | Uint8Array)[]) => {
      trace.update(`${clock.now()} ${party.name} `)
      for (const part of parts) trace.update(part)
    }
    return {
      full: () => party.full,
      wrote(writes) {
        for (const { table, key, value } of writes) note('write ', table, key, value ?? '')
        if (sabotage !== 'buyer-forgets') invariants.wrote(writes)
      },
      published(topic, body) {
        note('publish ', topic, body)
        invariants.published(topic, body)
      },
      sent: (action) => note('send ', action.type),
    }
  }

  for (const [index, { address }] of parties.map(({ identity }) => identity).entries()) {
    const amount = index < scenario.providers.length ? 2_000_000n : 50_000_000n
    chain.mint(address, amount)
    invariants.minted(amount)
  }
  for (const party of parties) begin(party)
  schedule({ scenario, clock, network, chain, parties, begin })
  for (const [number, job] of scenario.jobs.entries())
    clock.at(job.atMs, () => {
      const call: Call = { buyer: job.buyer, state: 'waiting' }
      calls.push(call)
      void buy(buyers[job.buyer], { seed: 1_000 + number, maxTokens: job.maxTokens }, call)
    })
  if (sabotage === 'vault-overpays')
    clock.at(60_000, () => {
      const earned = chain.state().earned as Map<Hex.Address, bigint>
      earned.set(parties[0]!.identity.address, 1_000_000n)
    })

  let events = 0
  await clock.run(startedAt + endAtMs, () => {
    events++
    invariants.check()
  })
  await invariants.checkEnd(
    parties.filter(({ name }) => name.startsWith('buyer')),
    { calls },
  )
  // Everybody goes home, so that ten thousand worlds fit into one process.
  for (const { services } of parties)
    for (const service of services) void service[Symbol.asyncDispose]()
  await clock.run(clock.now() + 60_000)
  return { trace: trace.digest('hex'), events, calls }
}

/** Plays the faults, then lets everybody live in peace. */
function schedule(world: {
  scenario: Scenario
  clock: ReturnType<typeof virtualClock>
  network: ReturnType<typeof memoryNetwork>
  chain: MemoryChain
  parties: readonly Party[]
  begin: (party: Party) => void
}): void {
  const { scenario, clock, network, chain, parties, begin } = world
  for (const fault of scenario.faults) {
    const { atMs, forMs } = fault
    const during = (start: () => void, end: () => void) => {
      clock.at(atMs, start)
      clock.at(atMs + forMs, end)
    }
    switch (fault.type) {
      case 'crash': {
        const party = parties[fault.party]!
        during(
          () => {
            party.kill()
            network.crash(party.identity.peerId)
          },
          () => begin(party),
        )
        break
      }
      case 'partition':
        during(
          () => network.partition([[parties[fault.alone]!.identity.peerId]]),
          () => network.heal(),
        )
        break
      case 'rollback':
        clock.at(atMs, () => chain.rollback(fault.blocks))
        break
      case 'outage':
        during(
          () => chain.setAvailable(false),
          () => chain.setAvailable(true),
        )
        break
      case 'full-disk': {
        const party = parties[fault.party]!
        during(
          () => (party.full = true),
          () => (party.full = false),
        )
        break
      }
    }
  }
  clock.at(calmAtMs, () => {
    network.heal()
    network.setFaults({ delayMs: scenario.network.delayMs })
    chain.setAvailable(true)
    for (const party of parties) party.full = false
  })
}

function partiesOf(world: {
  scenario: Scenario
  random: ReturnType<typeof seededRandom>
  chain: MemoryChain
  invariants: Invariants
  buyers: (Buyer | undefined)[]
  sabotage: Sabotage | undefined
}): readonly Party[] {
  const { scenario, random, chain, invariants, buyers, sabotage } = world
  const logger = silentLogger()
  const validator = identityOf(200)
  const party = (
    name: string,
    identity: Identity,
    start: (ports: Ports) => Promise<readonly AsyncDisposable[]>,
  ): Party => {
    const created: Party = {
      name,
      identity,
      store: memoryStore(),
      start: async (ports) => void (created.services = await start(ports)),
      services: [],
      full: false,
      kill: () => {},
    }
    return created
  }

  const providers = scenario.providers.map((kind, index) => {
    const identity = identityOf(1 + index)
    if (isHonest(kind)) invariants.honest(identity.address)
    const price = BigInt(1 + index) * 1_000_000n
    return party(`provider ${index}`, identity, async (ports) => {
      const provider = await startProvider(
        { ...ports, identity, random, logger, engine: engineOf(kind, ports) },
        {
          prices: () => ({ inputMicroUsdPerMillion: price, outputMicroUsdPerMillion: 2n * price }),
          concurrency: 3,
          stakeMicroUsd: 1_000_000n,
          offerIntervalMs: 20_000,
          reconcileIntervalMs: 8_000,
          stallTimeoutMs: 5_000,
        },
      )
      const settlement = await startSettlement(
        { ...ports, logger, claimables: () => provider.claimables() },
        { intervalMs: 7_000, maxAgeMs: 15_000, expiryMarginSeconds: 30 },
      )
      return [settlement, provider]
    })
  })
  const customers = Array.from({ length: scenario.buyers }, (_, index) => {
    const identity = identityOf(100 + index)
    return party(`buyer ${index}`, identity, async (ports) => {
      buyers[index] = undefined
      const buyer = await startBuyer(
        { ...ports, identity, random, logger },
        {
          validators: scenario.validated ? [validator.address] : [],
          keepDepositMicroUsd: 10_000n,
          leaseBudgetMicroUsd: 1_500n,
          leaseDurationMs: 100_000,
          tendIntervalMs: 4_000,
          verdictTimeoutMs: 3_000,
          idleTimeoutMs: 6_000,
          openTimeoutMs: 10_000,
        },
      )
      buyers[index] = buyer
      return [buyer]
    })
  })
  if (!scenario.validated) return [...providers, ...customers]
  const checker = party('validator', validator, async (ports) => [
    await startValidator(
      {
        ...ports,
        identity: validator,
        domain: chain.domain,
        random,
        logger,
        engine: sabotage === 'validator-errs' ? engines.wrongEngine() : engines.honestEngine(),
      },
      { rate: 1 },
    ),
  ])
  return [...providers, ...customers, checker]
}

function engineOf(kind: ProviderKind, { clock }: Ports): Engine {
  const options = { clock, tokenMs: 50 }
  switch (kind) {
    case 'honest':
      return engines.honestEngine(options)
    case 'slow':
      return engines.slowEngine({ clock })
    case 'wrong':
      return engines.wrongEngine(options)
    case 'cunning': {
      const [honest, wrong] = [engines.honestEngine(options), engines.wrongEngine(options)]
      return {
        ...honest,
        complete: (request, run) =>
          (request.maxTokens <= 8 ? honest : wrong).complete(request, run),
      }
    }
    case 'stalling':
      return engines.stallingEngine(options)
    case 'failing':
      return engines.failingEngine(options)
    case 'vanishing':
      return engines.vanishingEngine(options)
    case 'talkative':
      return engines.talkativeEngine(options)
    case 'greedy':
      return engines.greedyEngine(options)
  }
}

/** One caller: what it gets is noted, whatever becomes of the buyer meanwhile. */
async function buy(
  buyer: Buyer | undefined,
  facts: { seed: number; maxTokens: number },
  call: Call,
): Promise<void> {
  if (!buyer) {
    call.state = 'lost'
    return
  }
  try {
    for await (const event of buyer.complete(engines.wordRequest(facts))) {
      if (event.type === 'completion-start') call.job = event.job
      if (event.type === 'completion-end') call.state = 'delivered'
    }
  } catch (error) {
    call.state = 'refused'
    call.code = codeOf(error)
  }
}

function sabotaged(ports: Ports, sabotage: Sabotage | undefined): Ports {
  const { chain, network } = ports
  if (sabotage === 'nothing-closes')
    return {
      ...ports,
      chain: {
        ...chain,
        send: (action, options) =>
          action.type === 'close-lease' ? new Promise(() => {}) : chain.send(action, options),
      },
    }
  if (sabotage === 'payments-vanish')
    return {
      ...ports,
      network: {
        ...network,
        request: (to, protocol, body, options) =>
          network.request(to, protocol.replace('payment', 'nowhere'), body, options),
      },
    }
  return ports
}
