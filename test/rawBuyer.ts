/** A buyer that speaks the protocol by hand, so that tests can also speak it wrongly. */
import type { Chain } from '../src/chain/Chain.ts'
import { ask, type Network } from '../src/network/Network.ts'
import * as Bid from '../src/protocol/Bid.ts'
import * as Completion from '../src/protocol/Completion.ts'
import type * as ExactClaim from '../src/protocol/ExactClaim.ts'
import * as Exchange from '../src/protocol/Exchange.ts'
import * as Hex from '../src/protocol/Hex.ts'
import type { Identity } from '../src/protocol/Identity.ts'
import * as Job from '../src/protocol/Job.ts'
import * as Json from '../src/protocol/Json.ts'
import * as Lease from '../src/protocol/Lease.ts'
import * as Order from '../src/protocol/Order.ts'
import * as Receipt from '../src/protocol/Receipt.ts'
import type { Signed } from '../src/protocol/SignedMessage.ts'
import * as Voucher from '../src/protocol/Voucher.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import { wordModel, wordRequest } from './engines.ts'

export type RawBuyer = ReturnType<typeof rawBuyer>

export type Opened = {
  readonly id: Hex.Hex
  readonly bid: Signed<Bid.Bid>
  readonly lease: Signed<Lease.Lease>
}

export type Delivered = {
  readonly id: Hex.Hex
  readonly output: Completion.Output
  readonly receipt: Signed<Receipt.Receipt>
  readonly claim: Signed<ExactClaim.ExactClaim> | undefined
}

let nonces = 0

/** Every call asks `provider` and says what came back; errors are thrown as they are. */
export function rawBuyer(ports: {
  identity: Identity
  network: Network
  chain: Chain
  clock: Clock
  provider: Identity
}) {
  const { identity, network, chain, clock, provider } = ports
  const { domain } = chain
  const nonce = () => Hex.sha256(`nonce ${identity.address} ${nonces++}`)
  const tell = async (protocol: keyof typeof Exchange.protocols, body: unknown) => {
    const bytes = body instanceof Uint8Array ? body : Json.toBytes(body)
    return await ask(network, provider.peerId, Exchange.protocols[protocol], bytes)
  }

  function makeOrder(facts: Partial<Order.Order> = {}): Signed<Order.Order> {
    const order: Order.Order = {
      nonce: nonce(),
      buyer: identity.address,
      model: wordModel.id,
      weights: wordModel.weights,
      tier: 'statistical',
      maxInputMicroUsdPerMillion: 10_000_000n,
      maxOutputMicroUsdPerMillion: 10_000_000n,
      budgetMicroUsd: 100_000n,
      durationMs: 600_000,
      concurrency: 2,
      validators: [],
      createdAt: clock.now(),
      expiresAt: clock.now() + 10_000,
      ...facts,
    }
    return Order.sign(domain, order, identity)
  }

  async function order(facts: Partial<Order.Order> = {}): Promise<Exchange.OrderReply> {
    const reply = await tell('order', Order.serialize(makeOrder(facts)))
    return Json.decode(Exchange.orderReply, reply, { what: 'OrderReply' })
  }

  function makeLease(bid: Signed<Bid.Bid>, facts: Partial<Lease.Lease> = {}): Signed<Lease.Lease> {
    const expirySeconds = Math.floor(clock.now() / 1000) + 600
    const lease: Lease.Lease = {
      buyer: identity.address,
      provider: provider.address,
      nonce: BigInt(++nonces),
      totalMicroUsd: 100_000n,
      expirySeconds,
      deadlineSeconds: expirySeconds,
      terms: Bid.hash(domain, bid.message),
      ...facts,
    }
    return Lease.sign(domain, lease, identity)
  }

  async function send(lease: Signed<Lease.Lease>): Promise<Exchange.LeaseReply> {
    const reply = await tell('lease', Lease.serialize(lease))
    return Json.decode(Exchange.leaseReply, reply, { what: 'LeaseReply' })
  }

  async function open(
    facts: { order?: Partial<Order.Order>; lease?: Partial<Lease.Lease> } = {},
  ): Promise<Opened> {
    const reply = await order(facts.order)
    if (reply.type !== 'bid') throw new Error(JSON.stringify(reply.reasons))
    const lease = makeLease(reply.bid, facts.lease)
    const { lease: id } = await send(lease)
    return { id, bid: reply.bid, lease }
  }

  function makeJob(
    lease: Hex.Hex,
    request: Completion.Request,
    facts: Partial<Job.Job> = {},
  ): Exchange.JobRequest {
    const job: Job.Job = {
      nonce: nonce(),
      lease,
      buyer: identity.address,
      provider: provider.address,
      request: Completion.hashRequest(request),
      createdAt: clock.now(),
      expiresAt: clock.now() + 60_000,
      ...facts,
    }
    return { job: Job.sign(domain, job, identity), request }
  }

  async function* stream(
    body: Exchange.JobRequest | Uint8Array,
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<Exchange.JobEvent> {
    const bytes = body instanceof Uint8Array ? body : Json.toBytes(body)
    const replies = network.request(provider.peerId, Exchange.protocols.job, bytes, {
      idleTimeoutMs: 3_600_000,
      ...options,
    })
    for await (const reply of replies)
      yield Json.decode(Exchange.jobEvent, reply, { what: 'JobEvent' })
  }

  /** Runs a job to its end and checks that the receipt is about what was received. */
  async function run(body: Exchange.JobRequest): Promise<Delivered> {
    const texts: string[] = []
    const tokenIds: number[] = []
    for await (const event of stream(body)) {
      if (event.type === 'job-delta') {
        texts.push(event.delta.text)
        tokenIds.push(...event.delta.tokenIds)
      }
      if (event.type !== 'job-end') continue
      const { receipt, claim, finishReason } = event
      const output = { text: texts.join(''), tokenIds, finishReason }
      Receipt.verify(domain, receipt)
      const id = Job.hash(domain, body.job.message)
      if (receipt.message.output !== Completion.hashOutput(output) || receipt.message.job !== id)
        throw new Error('The receipt is about something else.')
      return { id, output, receipt, claim }
    }
    throw new Error('The job ended without an end.')
  }

  const notice = (type: 'ready' | 'pause' | 'close') => async (lease: Hex.Hex) =>
    void (await tell(type, { lease }))

  return {
    identity,
    network,
    tell,
    makeOrder,
    order,
    makeLease,
    send,
    open,
    makeJob,
    stream,
    run,
    job: async (lease: Hex.Hex, facts: Partial<Completion.Request> = {}) =>
      await run(makeJob(lease, wordRequest(facts))),
    ready: notice('ready'),
    pause: notice('pause'),
    close: notice('close'),
    makeVoucher: (lease: Hex.Hex, cumulativeMicroUsd: bigint) =>
      Voucher.sign(domain, { lease, cumulativeMicroUsd }, identity),
    async pay(
      lease: Hex.Hex,
      cumulativeMicroUsd: bigint,
      { paid = [], refused = [] }: Partial<Pick<Exchange.Payment, 'paid' | 'refused'>> = {},
    ): Promise<void> {
      const voucher = Voucher.sign(domain, { lease, cumulativeMicroUsd }, identity)
      await tell('payment', { voucher, paid, refused } satisfies Exchange.Payment)
    },
  }
}
