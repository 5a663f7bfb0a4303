import { RevertedError, type Chain } from '../chain/Chain.ts'
import type { Engine } from '../engine/Engine.ts'
import type { Bulk } from '../network/Bulk.ts'
import type { Handler, Network } from '../network/Network.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Json from '../protocol/Json.ts'
import type * as Lease from '../protocol/Lease.ts'
import * as Offer from '../protocol/Offer.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type * as Voucher from '../protocol/Voucher.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Random } from '../runtime/Random.ts'
import type { Store } from '../runtime/Store.ts'
import { answerEvidence } from './answerEvidence.ts'
import { answerJob } from './answerJob.ts'
import { answerLease } from './answerLease.ts'
import { answerClose, answerPause, answerReady } from './answerNotices.ts'
import { answerOrder, createBidBook } from './answerOrder.ts'
import { answerPayment } from './answerPayment.ts'
import type { Context } from './Context.ts'
import { createOffer } from './createOffer.ts'
import { openJournal, type ClaimRow } from './Journal.ts'
import { openLeaseBook, type Held } from './LeaseBook.ts'
import * as Meter from './Meter.ts'
import { createOutbox } from './Outbox.ts'
import { reconcile } from './reconcile.ts'
import { createRegistrar } from './register.ts'
import { RefusedError } from './RefusedError.ts'
import * as Settings from './Settings.ts'
import { createTurns } from './turns.ts'

/** A running provider. Disposing of it answers nothing new and ends the jobs in flight, unpaid. */
export type Provider = AsyncDisposable & {
  readonly address: Hex.Address
  readonly peerId: string
  /** Jobs that run now. */
  readonly active: number
  /** Leases that are not settled. */
  leases(): readonly LeaseView[]
  /** What settlement has to do, lease by lease. A lease that is to be released takes no voucher any more. */
  readonly claimables: () => Promise<readonly Claimable[]>
  /** A claim that somebody can dispute, or could until a while ago, with the request of its run. */
  claim(id: Hex.Hex): Promise<ClaimRow | undefined>
  /** Compares with the chain now, instead of at the next interval. */
  reconcile(): Promise<void>
}

export type LeaseView = {
  readonly lease: Hex.Hex
  readonly buyer: Hex.Address
  readonly model: string
  readonly state: Meter.State
  readonly totalMicroUsd: bigint
  readonly deliveredMicroUsd: bigint
  /** Highest voucher. */
  readonly paidMicroUsd: bigint
  readonly claimedMicroUsd: bigint
  readonly expirySeconds: number
}

/** One lease as settlement needs it. */
export type Claimable = {
  readonly key: Lease.Key
  /** The highest. */
  readonly voucher: Signed<Voucher.Voucher> | undefined
  /** To be closed as soon as the voucher is claimed. */
  readonly release: boolean
}

/**
 * Starts a provider: it registers, gossips its offer, bids, serves leases, meters, signs receipts, and
 * keeps a journal from which it goes on after `kill -9`.
 *
 * @throws {RevertedError} when the account cannot put up its stake.
 */
export async function startProvider(
  ports: startProvider.Ports,
  options: Settings.Options,
): Promise<Provider> {
  const { identity, chain, network, engine, store, clock, random, logger, bulk } = ports
  const settings = Settings.from(options, chain.parameters)

  await using stack = new AsyncDisposableStack()
  const controller = new AbortController()
  const { signal } = controller
  const journal = await openJournal({ store, logger }, settings)
  const book = await openLeaseBook({ journal, clock })
  const domain = chain.domain
  const outbox = stack.use(createOutbox({ identity, domain, network, clock, logger }))
  const context: Context = {
    identity,
    chain,
    network,
    engine,
    bulk,
    clock,
    logger,
    settings,
    journal,
    book,
    outbox,
    bids: createBidBook(),
    inTurn: createTurns(),
    signal,
    places: { taken: 0 },
  }
  const register = createRegistrar({ chain, identity, logger }, settings)
  await register({ signal }).catch((error: unknown) => {
    if (error instanceof RevertedError) throw error
    logger.warn({ reason: messageOf(error) }, 'Not registered yet; trying again.')
  })

  const compare = async () => {
    await register({ signal })
    await reconcile(context)
  }
  const round = createTurns()
  for (const { unpaid } of book.all())
    for (const receipt of unpaid.values())
      outbox.publish(Exchange.topics.receipts, Receipt.serialize(receipt))
  const loop = (name: string, intervalMs: number, task: () => void | Promise<void>) => {
    const onError = (error: unknown) =>
      logger.warn({ loop: name, code: codeOf(error), reason: messageOf(error) }, 'Round failed.')
    // Providers that start together shall not go on in step.
    const ownMs = Math.round(intervalMs * (0.9 + 0.2 * random.next()))
    const running = every(clock, ownMs, task, { signal, onError })
    stack.defer(() => running)
  }
  loop('reconcile', settings.reconcileIntervalMs, () => round('reconcile', compare))
  loop('offer', settings.offerIntervalMs, () => announce(context, createOffer(context)))
  loop('prune', 60_000, () => journal.prune(clock.now()))
  for (const [protocol, handler] of handlers(context))
    stack.use(network.handle(protocol, limited(handler, limits[protocol] ?? 64)))
  stack.defer(() => controller.abort(new RefusedError('Provider.BusyError', 'The provider stops.')))

  const owned = stack.move()
  return {
    address: identity.address,
    peerId: identity.peerId,
    get active() {
      return context.places.taken
    },
    leases: () => book.all().map(view),
    claimables: async () => book.all().flatMap((held) => claimable(context, held)),
    claim: (id) => journal.claim(id),
    reconcile: () => round('reconcile', compare),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startProvider {
  type Ports = {
    identity: Identity.Identity
    chain: Chain
    network: Network
    engine: Engine
    store: Store
    clock: Clock
    random: Random
    logger: Logger
    bulk?: Bulk | undefined
  }
  type Options = Settings.Options
}

/** Requests of one protocol answered at once; more are refused. */
const limits: Readonly<Record<string, number>> = {
  [Exchange.protocols.job]: 1_024,
  [Exchange.protocols.payment]: 1_024,
  [Exchange.protocols.evidence]: 16,
}

/** Every protocol with what answers it. The network has proved who asks. */
function handlers(context: Context): readonly (readonly [string, Handler])[] {
  const once = (
    answer: (body: Uint8Array, buyer: Hex.Address, signal: AbortSignal) => Promise<unknown>,
  ): Handler =>
    async function* (body, { from, signal }) {
      yield Json.toBytes((await answer(body, Identity.addressOf(from), signal)) ?? {})
    }
  const { protocols } = Exchange
  return [
    [protocols.order, once((body, buyer) => answerOrder(context, body, buyer))],
    [protocols.lease, once((body, buyer, signal) => answerLease(context, body, { buyer, signal }))],
    [protocols.ready, once((body, buyer) => answerReady(context, body, buyer))],
    [protocols.pause, once((body, buyer) => answerPause(context, body, buyer))],
    [protocols.payment, once((body, buyer) => answerPayment(context, body, buyer))],
    [protocols.close, once((body, buyer) => answerClose(context, body, buyer))],
    [protocols.evidence, once((body, reader) => answerEvidence(context, body, reader))],
    [
      protocols.job,
      async function* (body, { from, signal }) {
        const buyer = Identity.addressOf(from)
        for await (const event of answerJob(context, body, { buyer, signal }))
          yield Json.toBytes(event)
      },
    ],
  ]
}

function limited(handler: Handler, limit: number): Handler {
  let running = 0
  return async function* (body, options) {
    if (running >= limit)
      throw new RefusedError('Provider.BusyError', `${limit} such requests are being answered.`)
    running++
    try {
      yield* handler(body, options)
    } finally {
      running--
    }
  }
}

/** Gossips the offer, and again the receipts that are not paid yet: gossip may lose them. */
function announce({ chain, identity, outbox, book, clock }: Context, offer: Offer.Offer): void {
  const signed = Offer.sign(chain.domain, offer, identity)
  outbox.publish(Exchange.topics.offers, Offer.serialize(signed))
  book
    .all()
    .flatMap(({ unpaid }) => [...unpaid.values()].slice(-receiptsPerRound))
    .filter(({ message }) => clock.now() - message.endedAt < repeatReceiptsMs)
    .slice(-receiptsPerRound)
    .forEach((receipt) => outbox.publish(Exchange.topics.receipts, Receipt.serialize(receipt)))
}

/** Receipts told again in one round, and for how long one is told again. */
const receiptsPerRound = 64
const repeatReceiptsMs = 60_000

function view({ id, bid, key, deal, progress }: Held): LeaseView {
  const { meter, claimedMicroUsd } = progress
  const { totalMicroUsd, expirySeconds } = deal.lease.message
  return {
    lease: id,
    buyer: key.buyer,
    model: bid.model,
    state: meter.state,
    totalMicroUsd,
    deliveredMicroUsd: meter.deliveredMicroUsd,
    paidMicroUsd: meter.paidMicroUsd,
    claimedMicroUsd,
    expirySeconds,
  }
}

function claimable({ clock, settings }: Context, held: Held): readonly Claimable[] {
  const { meter, transaction, voucher } = held.progress
  if (!transaction) return []
  const waited = clock.now() - meter.since >= settings.closeGraceMs
  const quiet = Meter.awaitedMicroUsd(meter) === 0n || waited
  const release = meter.state === 'closing' && held.running.size === 0 && quiet
  // From here on a later voucher could miss the last claim.
  held.releasing ||= release
  return [{ key: held.key, voucher, release: held.releasing }]
}
