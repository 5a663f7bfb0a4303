import type { Chain } from '../chain/Chain.ts'
import type { Network } from '../network/Network.ts'
import * as Completion from '../protocol/Completion.ts'
import type { Reason } from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Identity } from '../protocol/Identity.ts'
import * as Json from '../protocol/Json.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Random } from '../runtime/Random.ts'
import type { Store } from '../runtime/Store.ts'
import { InterruptedError, NoProviderError, type Buyer, type JobRecord } from './Buyer.ts'
import { createDesk, type Desk, type Place } from './internal/acquire.ts'
import { createBackground } from './internal/background.ts'
import { createBell } from './internal/bell.ts'
import type { Context } from './internal/context.ts'
import { createFunds } from './internal/funds.ts'
import {
  availableMicroUsd,
  hold,
  providerOf,
  signedMicroUsd,
  tierOf,
  worstCostMicroUsd,
  type Held,
} from './internal/held.ts'
import { cancelled, createJobs, type Jobs } from './internal/jobs.ts'
import { createJournal } from './internal/journal.ts'
import { bringUp, close, pause, probeRequest, raise, type Probe } from './internal/lifecycle.ts'
import { createPayments } from './internal/payments.ts'
import { openProviders } from './internal/providers.ts'
import type { JobRow } from './internal/rows.ts'
import { tend } from './internal/tend.ts'
import { createTimeline } from './internal/timeline.ts'
import { openVerdicts } from './internal/verdicts.ts'
import { openOfferBook } from './offerBook.ts'
import { createJob, runJob, WrongAnswerError } from './runJob.ts'
import * as Settings from './Settings.ts'

/**
 * Starts a buyer: it listens to offers, holds leases with several providers of each model it is asked
 * for, routes completions over them, checks every receipt, and pays. What it signed before it stopped,
 * however it stopped, it takes up again from its store.
 *
 * @example
 * ```ts
 * await using buyer = await startBuyer(ports, { validators: [validator], warmModels: 'offered' })
 * for await (const event of buyer.complete(request)) show(event)
 * ```
 */
export async function startBuyer(
  ports: startBuyer.Ports,
  options: startBuyer.Options = {},
): Promise<Buyer> {
  const { identity, chain, network, clock, store } = ports
  const settings = Settings.from(options)
  const logger = ports.logger.child({ service: 'buyer' })
  await using stack = new AsyncDisposableStack()
  const bell = createBell()
  const background = createBackground({ logger })
  const journal = createJournal({ store, clock, background })
  stack.defer(() => journal.flush())
  stack.use(background)
  const providers = await openProviders({ journal, clock })
  const timeline = createTimeline({ identity, domain: chain.domain, network, clock, background })
  const context: Context = {
    identity,
    chain,
    network,
    clock,
    random: ports.random,
    logger,
    settings,
    journal,
    providers,
    timeline,
    background,
    bell,
    leases: new Map((await journal.leases()).map(hold).map((held) => [held.id, held])),
    spent: { settledMicroUsd: await journal.settledMicroUsd() },
    get payments() {
      return payments
    },
  }
  const payments = createPayments(context)
  const funds = createFunds(context)
  const verdicts = stack.use(
    openVerdicts(
      { network, domain: chain.domain, onVerdict: (verdict) => jobs.hear(verdict) },
      { validators: settings.validators },
    ),
  )
  const jobs: Jobs = createJobs(context, verdicts)
  const probe: Probe = (held) => runProbe(context, jobs, held)
  const book = stack.use(
    openOfferBook({ network, clock, domain: chain.domain, onOffer: () => bell.ring() }),
  )
  const desk = createDesk(context, { book, funds, probe })

  await jobs.resume()
  for (const held of context.leases.values()) {
    network.learn(held.peerId, held.addresses)
    if (held.voucher) payments.resend(held)
    bringUp(context, held, probe)
  }
  background.run('tend', () =>
    every(clock, settings.tendIntervalMs, () => tend(context, probe), looping(context, 'tend')),
  )
  if (settings.keepDepositMicroUsd !== undefined)
    background.run('top-up', () =>
      every(clock, 10_000, () => funds.topUp(), looping(context, 'top-up')),
    )
  background.run('warm', () => keepWarm(context, desk, () => book.models().map(({ id }) => id)))

  const owned = stack.move()
  return {
    address: identity.address,
    models: () => book.models(),
    complete: (request, completion) =>
      complete({ context, desk, jobs, probe }, request, completion),
    job: async (id) => recordOf(await jobs.get(id)),
    async jobs({ limit = 100 } = {}) {
      return (await jobs.newest(Math.min(1000, limit))).map((row) => recordOf(row)!)
    },
    async settled(id, { signal } = {}) {
      const record = recordOf(await jobs.settled(id, signal))
      if (!record)
        throw new Json.MalformedError({ what: 'job id', reason: `${id} is not known here` })
      return record
    },
    leases: () =>
      [...context.leases.values()].filter(({ state }) => state !== 'signed').map(leaseRecord),
    async balance() {
      const [deposit, walletMicroUsd] = await Promise.all([
        chain.deposit(identity.address),
        chain.balance(identity.address),
      ])
      const signed = [...context.leases.values()].map(signedMicroUsd)
      return {
        walletMicroUsd,
        depositedMicroUsd: deposit.freeMicroUsd + deposit.reservedMicroUsd,
        reservedMicroUsd: deposit.reservedMicroUsd,
        freeMicroUsd: deposit.freeMicroUsd,
        spentMicroUsd: signed.reduce((a, b) => a + b, context.spent.settledMicroUsd),
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startBuyer {
  type Ports = {
    identity: Identity
    chain: Chain
    network: Network
    store: Store
    clock: Clock
    random: Random
    logger: Logger
  }
  type Options = Settings.Options
}

type Parts = {
  readonly context: Context
  readonly desk: Desk
  readonly jobs: Jobs
  readonly probe: Probe
}

/** One completion: place after place until a provider has begun to answer, then its answer to the end. */
async function* complete(
  parts: Parts,
  request: Completion.Request,
  options: Parameters<Buyer['complete']>[1] = {},
): ReturnType<Buyer['complete']> {
  const { context, desk } = parts
  const { settings, clock, background, journal } = context
  Json.parse(Completion.request, request, { what: 'completion request' })
  // What cannot be written down must not be bought.
  await journal.usable()
  const wanted = { model: request.model, tier: options.tier ?? settings.defaultTier }
  const signal = AbortSignal.any([background.signal, ...(options.signal ? [options.signal] : [])])
  const deadline = clock.now() + settings.startTimeoutMs
  const tried = new Map<Hex.Address, Reason>()
  const need = { wanted, request, maxMicroUsd: options.maxMicroUsd, tried, deadline, signal }
  for (let attempt = 0; attempt < settings.attempts; attempt++) {
    signal.throwIfAborted()
    const place = await desk.acquire(need)
    const failure = yield* serve(parts, place, request, signal)
    if (!failure) return
    tried.set(providerOf(place.held), failure)
  }
  const refusals = [...tried].map(([provider, reason]) => ({ provider, reasons: [reason] }))
  throw new NoProviderError({ ...wanted, refusals })
}

/** Runs a request at one place; returns why the provider failed when nothing of it was passed on yet. */
async function* serve(
  parts: Parts,
  place: Place,
  request: Completion.Request,
  signal: AbortSignal,
): AsyncGenerator<YieldOf<ReturnType<Buyer['complete']>>, Reason | undefined, undefined> {
  const { context, jobs } = parts
  const { held } = place
  const { model, weights, quantisation } = held.bid.message
  const job = createJob(context, held, request)
  const start = {
    type: 'completion-start',
    job: job.id,
    lease: held.id,
    provider: providerOf(held),
    model,
    weights,
    quantisation,
    tier: tierOf(held),
  } as const
  let begun = false
  let ended = false
  jobs.start(held, job.id, request.model)
  try {
    for await (const event of runJob(context, held, job, request, { signal })) {
      if (event.type === 'job-end') {
        ended = true
        place.release()
        const row = await jobs.deliver(held, job.id, event)
        if (!begun) yield start
        const { finishReason, usage, receipt, receiptId } = event
        const { priceMicroUsd, assurance } = row
        yield {
          type: 'completion-end',
          finishReason,
          usage,
          priceMicroUsd,
          receiptId,
          receipt,
          assurance,
        }
        return undefined
      }
      if (!begun) yield start
      begun = true
      yield { type: 'completion-delta', delta: event.delta }
    }
  } catch (error) {
    if (ended || signal.aborted) throw error
    ended = true
    const reason = { code: codeOf(error), message: messageOf(error).slice(0, 1000) }
    jobs.fail(held, job.id, reason)
    react(parts, held, reason)
    if (aboutRequest.has(reason.code)) throw error
    if (begun) throw new InterruptedError({ job: job.id, provider: providerOf(held), reason })
    return reason
  } finally {
    place.release()
    // Also reached when the caller stops reading.
    if (!ended) jobs.fail(held, job.id, cancelled)
  }
  return undefined
}

/** The request itself is at fault: every provider of the model would say the same. */
const aboutRequest = new Set(['Engine.UnsupportedError', 'Engine.ContextLengthError'])

type YieldOf<generator> = generator extends AsyncGenerator<infer value> ? value : never

/** What a failed job means for its lease. */
function react({ context, probe }: Parts, held: Held, reason: Reason): void {
  const { providers, clock, payments, settings } = context
  switch (reason.code) {
    case 'Provider.BusyError':
      held.restUntil = clock.now() + 200
      providers.record(providerOf(held), 'refused')
      return
    case 'Provider.CreditError':
      // Either our payment has not arrived yet, or it refuses what we refused to pay: then we part.
      held.restUntil = clock.now() + 500
      if (held.paying || held.heldMicroUsd > 0n || held.inFlight > 0) return payments.resend(held)
      return close(context, held, reason)
    case 'Provider.BudgetError':
      return raise(context, held, settings.leaseBudgetMicroUsd)
    case 'Provider.LeaseClosedError':
    case 'Provider.ModelChangedError':
    case 'Provider.TermsError':
      return close(context, held, reason)
    case 'Provider.ExpiredError':
    case 'Provider.JobError':
    case 'Provider.ReplayError':
    case 'Engine.UnsupportedError':
    case 'Engine.ContextLengthError':
      providers.record(providerOf(held), 'refused')
      return
    default:
      providers.record(providerOf(held), 'failed')
      pause(context, held, reason, probe)
  }
}

/** A small job like any other; one that the provider meters, because it never saw the pause, is paid. */
async function runProbe(context: Context, jobs: Jobs, held: Held): Promise<void> {
  const request = probeRequest(held.bid.message.model, context.random.next())
  const job = createJob(context, held, request)
  const { signal } = context.background
  const cost = held.readied ? worstCostMicroUsd(held, request) : 0n
  if (cost > availableMicroUsd(held))
    throw new WrongAnswerError('Provider.LeaseClosedError', 'The lease has no money for a probe.')
  held.heldMicroUsd += cost
  try {
    for await (const event of runJob(context, held, job, request, { signal })) {
      if (event.type !== 'job-end' || event.receipt.message.priceMicroUsd === 0n) continue
      jobs.start(held, job.id, request.model)
      await jobs.deliver(held, job.id, event)
    }
  } finally {
    held.heldMicroUsd -= cost
  }
}

/** Opens leases before anybody asks, for every model that is named or, if so wished, offered. */
async function keepWarm(
  context: Context,
  desk: Desk,
  offered: () => readonly string[],
): Promise<void> {
  const { settings, background, bell, clock } = context
  const { warmModels, defaultTier: tier } = settings
  if (warmModels !== 'offered' && warmModels.length === 0) return
  const { signal } = background
  while (!signal.aborted) {
    const known = new Set(offered())
    const models = warmModels === 'offered' ? known : warmModels.filter((model) => known.has(model))
    for (const model of models) desk.keep({ model, tier })
    // The first offers are answered at once, later changes within seconds.
    if (known.size === 0) await bell.next(signal)
    else await clock.sleep(2_000, { signal })
  }
}

function looping({ background, logger }: Context, task: string) {
  return {
    signal: background.signal,
    onError: (error: unknown) =>
      logger.debug({ task, code: codeOf(error), reason: messageOf(error) }, 'A round failed.'),
  }
}

function recordOf(row: JobRow | undefined): JobRecord | undefined {
  if (!row) return undefined
  const { receipt: _receipt, deliveredAt: _deliveredAt, ...record } = row
  return record
}

function leaseRecord(held: Held): ReturnType<Buyer['leases']>[number] {
  const { message } = held.lease
  return {
    lease: held.id,
    provider: message.provider,
    model: held.bid.message.model,
    tier: tierOf(held),
    state: held.state === 'signed' ? 'open' : held.state,
    totalMicroUsd: message.totalMicroUsd,
    signedMicroUsd: signedMicroUsd(held),
    expirySeconds: message.expirySeconds,
  }
}
