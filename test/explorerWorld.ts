/**
 * A small market for the explorer's tests: real keys, real signatures, the memory chain and the memory
 * network. It says what providers, buyers and validators say, without running their services.
 */
import { memoryChain } from '../src/chain/memory.ts'
import type { Chain } from '../src/chain/Chain.ts'
import { memoryNetwork } from '../src/network/memory.ts'
import * as Bid from '../src/protocol/Bid.ts'
import * as Completion from '../src/protocol/Completion.ts'
import { topics } from '../src/protocol/Exchange.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Job from '../src/protocol/Job.ts'
import * as Lease from '../src/protocol/Lease.ts'
import * as Offer from '../src/protocol/Offer.ts'
import * as Order from '../src/protocol/Order.ts'
import * as Receipt from '../src/protocol/Receipt.ts'
import * as Timeline from '../src/protocol/Timeline.ts'
import type * as TimelineEvent from '../src/protocol/TimelineEvent.ts'
import * as Verdict from '../src/protocol/Verdict.ts'
import * as Voucher from '../src/protocol/Voucher.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { play } from '../src/verification/dispute/Game.ts'

export type Party = { readonly identity: Identity.Identity; readonly chain: Chain }

/** A gossiped message: publish it whenever, as often as you like. */
export type Gossip = { readonly topic: string; readonly body: Uint8Array }

export type OpenLease = {
  readonly id: Hex.Hex
  readonly key: Lease.Key
  readonly order: Hex.Hex
  readonly provider: Party
  readonly buyer: Party
  readyAt: number
  owed: bigint
  /** What it claimed so far. */
  claimed: bigint
}

export const model = {
  id: 'weft-first-bytes',
  weights: Hex.sha256('weights of the first model'),
  quantisation: 'F32',
  engine: 'llama.cpp b6000 cpu',
  contextTokens: 4096,
  tiers: ['statistical', 'unverified'],
  inputMicroUsdPerMillion: 50_000n,
  outputMicroUsdPerMillion: 200_000n,
} satisfies Offer.Model

/** Makes the market. Every message also goes into `said`, so that it can be told again in another order. */
export function explorerWorld(clock: Clock, { seed = 1 } = {}) {
  const random = seededRandom(seed)
  const ledger = memoryChain({ clock, game: play }, { blockTimeMs: 0 })
  const network = memoryNetwork({ clock, random })
  const { domain } = ledger
  const said: Gossip[] = []
  const speaker = network.join('speaker')
  const nonce = () => Hex.from(random.bytes(32))

  const party = (): Party => {
    const identity = Identity.from(random.bytes(32))
    return { identity, chain: ledger.connect(identity) }
  }

  const say = async (topic: string, body: Uint8Array) => {
    said.push({ topic, body })
    await speaker.publish(topic, body)
  }

  const note = (
    by: Party,
    subject: string,
    id: Hex.Hex,
    code: TimelineEvent.Code,
    { detail = '', parent = Hex.zero }: { detail?: string; parent?: Hex.Hex } = {},
  ) => {
    const line = { by: by.identity.address, subject, id, code, detail, parent, at: clock.now() }
    return say(topics.timeline, Timeline.serialize(Timeline.sign(domain, [line], by.identity)))
  }

  const offer = (provider: Party, changes: Partial<Offer.Offer> = {}) => {
    const message: Offer.Offer = {
      provider: provider.identity.address,
      peerId: provider.identity.peerId,
      addresses: ['/ip4/127.0.0.1/tcp/4001'],
      bulkUrl: '',
      bulkCertificate: Hex.zero,
      models: [model],
      hardware: {
        cpu: 'AMD EPYC 7763 64-Core Processor',
        cores: 8,
        memoryBytes: 32n * 2n ** 30n,
        diskBytes: 512n * 2n ** 30n,
        gpus: [],
      },
      region: 'eu-central',
      concurrency: 4,
      watts: 120,
      issuedAt: clock.now(),
      expiresAt: clock.now() + 120_000,
      ...changes,
    }
    return say(topics.offers, Offer.serialize(Offer.sign(domain, message, provider.identity)))
  }

  const register = async (provider: Party, stakeMicroUsd: bigint) => {
    ledger.mint(provider.identity.address, stakeMicroUsd)
    const { peerId } = provider.identity
    await provider.chain.send({ type: 'register', peerId, offerUri: '', stakeMicroUsd })
  }

  const deposit = async (buyer: Party, amountMicroUsd: bigint) => {
    ledger.mint(buyer.identity.address, amountMicroUsd)
    await buyer.chain.send({ type: 'deposit', buyer: buyer.identity.address, amountMicroUsd })
  }

  const order = async (buyer: Party, bidders: readonly Party[]): Promise<Hex.Hex> => {
    const message: Order.Order = {
      nonce: nonce(),
      buyer: buyer.identity.address,
      model: model.id,
      weights: Hex.zero,
      tier: 'statistical',
      maxInputMicroUsdPerMillion: 1_000_000n,
      maxOutputMicroUsdPerMillion: 1_000_000n,
      budgetMicroUsd: 2_000_000n,
      durationMs: 3_600_000,
      concurrency: 2,
      validators: [],
      createdAt: clock.now(),
      expiresAt: clock.now() + 60_000,
    }
    const id = Order.hash(domain, message)
    await note(buyer, 'order', id, 'order-created', { detail: model.id })
    for (const bidder of bidders)
      await note(buyer, 'order', id, 'order-bid', { detail: bidder.identity.address })
    return id
  }

  const openLease = async (
    buyer: Party,
    provider: Party,
    orderId: Hex.Hex,
    totalMicroUsd = 2_000_000n,
  ): Promise<OpenLease> => {
    const key = {
      buyer: buyer.identity.address,
      provider: provider.identity.address,
      nonce: BigInt(Math.floor(random.next() * 2 ** 40)),
    }
    const terms = Hex.sha256(`${orderId} ${Object.keys(Bid.types).join()}`)
    const seconds = Math.floor(clock.now() / 1000)
    const signed = Lease.sign(
      domain,
      {
        ...key,
        totalMicroUsd,
        expirySeconds: seconds + 3600,
        deadlineSeconds: seconds + 600,
        terms,
      },
      buyer.identity,
    )
    const id = Lease.id(key)
    const lease = { id, key, order: orderId, provider, buyer, readyAt: 0, owed: 0n, claimed: 0n }
    await note(buyer, 'lease', id, 'lease-signed', { parent: orderId })
    const { message, signature } = signed
    await provider.chain.send({ type: 'open-lease', lease: message, signature })
    await note(provider, 'lease', id, 'lease-open', { parent: orderId })
    return lease
  }

  const ready = async (lease: OpenLease) => {
    lease.readyAt = clock.now()
    await note(lease.buyer, 'lease', lease.id, 'lease-ready', { parent: lease.order })
  }

  const startJob = async (lease: OpenLease): Promise<Hex.Hex> => {
    const message: Job.Job = {
      nonce: nonce(),
      lease: lease.id,
      buyer: lease.key.buyer,
      provider: lease.key.provider,
      request: nonce(),
      createdAt: clock.now(),
      expiresAt: clock.now() + 60_000,
    }
    const id = Job.hash(domain, message)
    await note(lease.provider, 'job', id, 'job-start', { parent: lease.id })
    return id
  }

  const deliver = async (
    lease: OpenLease,
    job: Hex.Hex,
    changes: Partial<Receipt.Receipt> = {},
  ) => {
    const usage = { inputTokens: 24, outputTokens: 96 }
    const receipt: Receipt.Receipt = {
      job,
      lease: lease.id,
      provider: lease.key.provider,
      buyer: lease.key.buyer,
      request: nonce(),
      output: nonce(),
      model: model.id,
      weights: model.weights,
      quantisation: model.quantisation,
      engine: model.engine,
      tier: 'statistical',
      seed: 7,
      temperatureMicro: 0,
      topPMicro: 1_000_000,
      maxTokens: 256,
      ...usage,
      priceMicroUsd: lease.readyAt === 0 ? 0n : Completion.priceMicroUsd(usage, model),
      readyAt: lease.readyAt,
      startedAt: clock.now() - 1200,
      endedAt: clock.now(),
      ...changes,
    }
    const { identity } = lease.provider
    await say(topics.receipts, Receipt.serialize(Receipt.sign(domain, receipt, identity)))
    await note(lease.provider, 'job', job, 'job-delivered', { parent: lease.id })
    return { id: Receipt.hash(domain, receipt), receipt }
  }

  const judge = (
    validator: Party,
    { id, receipt }: { id: Hex.Hex; receipt: Receipt.Receipt },
    outcome: Verdict.Outcome,
  ) => {
    const verdict: Verdict.Verdict = {
      receipt: id,
      job: receipt.job,
      provider: receipt.provider,
      validator: validator.identity.address,
      method: 'rerun',
      outcome,
      reason: outcome === 'valid' ? 'Rerun.Equal' : 'Rerun.OutputDiffers',
      output: receipt.output,
      checkedAt: clock.now(),
    }
    const signed = Verdict.sign(domain, verdict, validator.identity)
    return say(topics.verdicts, Verdict.serialize(signed))
  }

  const pay = async (lease: OpenLease, receipt: Receipt.Receipt) => {
    lease.owed += receipt.priceMicroUsd
    const detail = `${receipt.priceMicroUsd} micro-USD`
    const parent = lease.id
    await note(lease.buyer, 'payment', receipt.job, 'payment-signed', { detail, parent })
  }

  const claim = async (lease: OpenLease) => {
    const voucher = { lease: lease.id, cumulativeMicroUsd: lease.owed }
    const { signature } = Voucher.sign(domain, voucher, lease.buyer.identity)
    const { buyer, nonce: number, provider } = lease.key
    const entry = { buyer, nonce: number, cumulativeMicroUsd: lease.owed, signature }
    await lease.provider.chain.send({ type: 'claim', provider, claims: [entry] })
    lease.claimed = lease.owed
  }

  return {
    now: () => clock.now(),
    domain,
    ledger,
    network,
    said,
    party,
    say,
    note,
    offer,
    register,
    deposit,
    order,
    openLease,
    ready,
    startJob,
    deliver,
    judge,
    pay,
    claim,
  }
}

export type ExplorerWorld = ReturnType<typeof explorerWorld>

/** The usual story: orders, leases, probes, jobs, verdicts, payments and a claim of each honest provider. */
export async function usualStory(
  world: ExplorerWorld,
  {
    jobs = 6,
    pass = () => {},
  }: { jobs?: number; pass?: (ms: number) => void | Promise<void> } = {},
) {
  const buyer = world.party()
  const validator = world.party()
  const honest = world.party()
  const wrong = world.party()
  for (const provider of [honest, wrong]) await world.register(provider, 5_000_000n)
  for (const provider of [honest, wrong]) await world.offer(provider)
  await world.deposit(buyer, 10_000_000n)
  await pass(500)
  const orderId = await world.order(buyer, [honest, wrong])
  await pass(300)
  const leases: OpenLease[] = []
  for (const provider of [honest, wrong]) {
    const lease = await world.openLease(buyer, provider, orderId)
    await pass(1500)
    await world.deliver(lease, await world.startJob(lease), { inputTokens: 5, outputTokens: 4 })
    await world.ready(lease)
    leases.push(lease)
  }
  const delivered: { id: Hex.Hex; receipt: Receipt.Receipt }[] = []
  for (let count = 0; count < jobs; count++) {
    await pass(2000)
    const lease = leases[count % leases.length]!
    const job = await world.startJob(lease)
    await pass(1200)
    const done = await world.deliver(lease, job)
    delivered.push(done)
    await pass(700)
    const good = lease.provider === honest
    await world.judge(validator, done, good ? 'valid' : 'invalid')
    await pass(50)
    if (good) await world.pay(lease, done.receipt)
    else
      await world.note(buyer, 'payment', job, 'payment-withheld', {
        detail: 'Rerun.OutputDiffers',
        parent: lease.id,
      })
  }
  await pass(1000)
  await world.claim(leases[0]!)
  return { buyer, validator, honest, wrong, leases, delivered, orderId }
}
