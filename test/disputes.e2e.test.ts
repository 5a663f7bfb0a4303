/** Disputes as the program plays them: off the chain over a network, then on a real one. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../src/chain/devnet.ts'
import { startDisputes } from '../src/cli/dispute/startDisputes.ts'
import { memoryNetwork, type MemoryNetwork } from '../src/network/memory.ts'
import * as DisputeKey from '../src/protocol/dispute/DisputeKey.ts'
import * as ExactClaim from '../src/protocol/ExactClaim.ts'
import * as Exchange from '../src/protocol/Exchange.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Offer from '../src/protocol/Offer.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'
import type { Report } from '../src/settlement/DisputePorts.ts'
import type { DisputeKeeper } from '../src/settlement/startDisputeKeeper.ts'
import type { Prover } from '../src/verification/dispute/startProver.ts'
import { bond, type DisputeChain, disputeChain, type Member } from './disputeChain.ts'
import { type Claimed, claimRun } from './exactDisputes.ts'
import { decoderTraining, generation, type TinyRun } from './exactRuns.ts'

const clock = systemClock()
let devnet: Devnet
let chain: DisputeChain
let network: MemoryNetwork
let stack: AsyncDisposableStack
let reports: (Report & { by: string })[]

beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
})
afterAll(() => devnet[Symbol.asyncDispose]())
beforeEach(async () => {
  chain = await disputeChain(devnet)
  network = memoryNetwork({ clock, random: systemRandom() })
  stack = new AsyncDisposableStack()
  reports = []
})
afterEach(() => stack.disposeAsync())

/** A run with a product that has a wrong sign somewhere, and the run as it should be. */
async function runs(run: TinyRun, step: number): Promise<{ honest: Claimed; liar: Claimed }> {
  const honest = await claimRun(run)
  const products = run.graph.ops.flatMap(({ op }, at) => (op.kind === 'contract' ? [at] : []))
  for (const at of products) {
    const wrong = run.graph.state.length + run.graph.batch.length + at
    const liar = await claimRun(run, {
      fault: {
        value: (where) =>
          where.step === step && where.number === wrong
            ? where.bytes.map((byte, index) => (index === 3 ? byte ^ 128 : byte))
            : undefined,
      },
    })
    if (liar.claim.run !== honest.claim.run) return { honest, liar }
  }
  throw new Error('No product of the run shows in its end.')
}

const soon = { intervalMs: 200, offerTimeoutMs: 1_000 }

/** Starts a party's end of its disputes; a claimant is heard of. */
async function seat(
  name: 'claimant' | 'challenger',
  prover: Prover,
  {
    store = memoryStore(),
    quietSeconds = 1,
  }: { store?: ReturnType<typeof memoryStore>; quietSeconds?: number } = {},
): Promise<DisputeKeeper> {
  const member = chain[name]
  const joined = network.join(member.identity.peerId)
  if (name === 'claimant') offers(member, joined)
  return startDisputes(
    {
      identity: member.identity,
      chain: member.chain,
      network: joined,
      clock,
      logger: silentLogger(),
      store,
      domain: member.chain.domain,
      proverFor: () => Promise.resolve(prover),
    },
    {
      report: (report) => void reports.push({ ...report, by: name }),
      quietSeconds,
      attempts: 1,
      ...soon,
    },
  )
}

/** Says where the claimant is, as providers do. */
function offers(
  { identity, chain: { domain } }: Member,
  joined: ReturnType<MemoryNetwork['join']>,
) {
  const controller = new AbortController()
  stack.defer(() => controller.abort())
  const say = async () => {
    while (!controller.signal.aborted) {
      const now = clock.now()
      const offer: Offer.Offer = {
        provider: identity.address,
        peerId: identity.peerId,
        addresses: [],
        bulkUrl: '',
        bulkCertificate: Hex.zero,
        models: [],
        hardware: { cpu: '', cores: 1, memoryBytes: 1n, diskBytes: 1n, gpus: [] },
        region: '',
        concurrency: 1,
        watts: 0,
        issuedAt: now,
        expiresAt: now + 10_000,
      }
      const signed = Offer.serialize(Offer.sign(domain, offer, identity))
      await joined.publish(Exchange.topics.offers, signed).catch(() => {})
      await clock.sleep(100, { signal: controller.signal }).catch(() => {})
    }
  }
  void say()
}

/** What the challenger finds of the dispute on the chain. */
async function stateOf(claim: ExactClaim.ExactClaim) {
  const { chain: account, identity } = chain.challenger
  const key = { claim: ExactClaim.hash(account.domain, claim), challenger: identity.address }
  return account.dispute(DisputeKey.id(key))
}

async function until(condition: () => Promise<boolean>, limitMs = 180_000): Promise<void> {
  const endsAt = clock.now() + limitMs
  while (!(await condition())) {
    if (clock.now() > endsAt)
      throw new Error(
        `It did not come to that: ${JSON.stringify(reports.map((r) => [r.by, r.what, r.detail]))}`,
      )
    await clock.sleep(50)
  }
}

const sent = (by: string) =>
  reports.filter((each) => each.by === by).map(({ what, detail }) => detail ?? what)

describe('a false claim', () => {
  test.each([
    ['of training', () => decoderTraining({ length: 3, steps: 34 }), 17],
    ['of a generation', () => generation({ steps: 5 }), 2],
  ] as const)(
    '%s is played off the chain, and falls on it by one proof',
    { timeout: 400_000 },
    async (_, make, step) => {
      const { honest, liar } = await runs(await make(), step)
      const { message, signature } = await chain.claim(liar.claim)
      stack.use(await seat('claimant', liar.prover, { quietSeconds: 30 }))
      const keeper = stack.use(await seat('challenger', honest.prover))
      await keeper.challenge({ message, signature })
      await until(async () => reports.some(({ what }) => what === 'won'))
      await until(async () => reports.some(({ what }) => what === 'lost'))
      expect(await stateOf(message)).toMatchObject({ state: 'challenger-won' })
      expect(sent('challenger')).toEqual([
        'challenged',
        'adopted',
        expect.stringMatching(/^prove-/) as string,
        'slashed',
        'burned',
        'won',
      ])
      expect(sent('claimant').filter((each) => each !== 'challenged')).toEqual(['lost'])
      const { identity } = chain.claimant
      const registration = await chain.challenger.chain.registration(identity.address)
      expect(registration.stakeMicroUsd).toBe(1_000_000n - bond)
    },
  )

  test('falls by the clock when its claimant is never there', { timeout: 400_000 }, async () => {
    const { honest, liar } = await runs(await generation({ steps: 3 }), 1)
    const { message, signature } = await chain.claim(liar.claim)
    const keeper = stack.use(await seat('challenger', honest.prover))
    await chain.challenger.chain.send({ type: 'challenge', claim: message, signature })
    await chain.elapse(chain.challenger.chain.parameters.disputes.clockSeconds + 2)
    await until(async () => (await stateOf(message)).state === 'challenger-won')
    await until(async () => reports.some(({ what }) => what === 'slashed'))
    expect(sent('challenger').slice(0, 2)).toEqual(['challenged', 'timed-out'])
    expect(await keeper.ours()).toHaveLength(1)
  })

  test(
    'falls on the chain from where its claimant left the table',
    { timeout: 400_000 },
    async () => {
      const { honest, liar } = await runs(await decoderTraining({ length: 3, steps: 34 }), 17)
      const { message, signature } = await chain.claim(liar.claim)
      // It answers three times and is gone; then it comes back, and goes on where it was.
      const store = memoryStore()
      let asked = 0
      const tired: Prover = {
        ...liar.prover,
        step: (index) => (++asked > 2 ? new Promise<never>(() => {}) : liar.prover.step(index)),
      }
      const first = await seat('claimant', tired, { store, quietSeconds: 30 })
      const keeper = stack.use(await seat('challenger', honest.prover))
      await keeper.challenge({ message, signature })
      await until(async () => asked > 2)
      network.crash(chain.claimant.identity.peerId)
      await until(async () => sent('challenger').includes('adopted'))
      void first[Symbol.asyncDispose]()
      stack.use(await seat('claimant', liar.prover, { store }))
      await until(async () => (await stateOf(message)).state === 'challenger-won')
      await until(async () => reports.some(({ what }) => what === 'won'))
      expect(sent('challenger').at(-4)).toMatch(/^prove-/)
    },
  )
})

describe('a true claim', () => {
  test('holds against a challenger whose machine is wrong', { timeout: 400_000 }, async () => {
    const { honest, liar } = await runs(await generation({ steps: 5 }), 2)
    const { message, signature } = await chain.claim(honest.claim)
    stack.use(await seat('claimant', honest.prover))
    const keeper = stack.use(await seat('challenger', liar.prover))
    await keeper.challenge({ message, signature })
    const { clockSeconds } = chain.claimant.chain.parameters.disputes
    await until(async () => (await stateOf(message)).turn === 'challenger')
    // What it believes it cannot prove; its clock runs out, or it sees it and gives in.
    await until(async () => {
      const { state, turn } = await stateOf(message)
      if (state === 'open' && turn === 'challenger')
        await chain.elapse(Math.floor(clockSeconds / 4))
      return state === 'claimant-won'
    })
    await chain.elapse(601)
    await until(async () => reports.some(({ what }) => what === 'released'))
    const { chain: account, identity } = chain.claimant
    expect(await account.credit(identity.address)).toMatchObject({
      freeMicroUsd: 1_000_000n + bond,
      reservedMicroUsd: 0n,
    })
    expect((await account.registration(identity.address)).stakeMicroUsd).toBe(1_000_000n)
  })
})
