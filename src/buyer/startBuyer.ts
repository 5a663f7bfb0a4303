import type { Chain } from '../chain/Chain.ts'
import type { Network } from '../network/Network.ts'
import type { Identity } from '../protocol/Identity.ts'
import * as Json from '../protocol/Json.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Random } from '../runtime/Random.ts'
import type { Store } from '../runtime/Store.ts'
import type { Buyer } from './Buyer.ts'
import { createDesk } from './internal/acquire.ts'
import { createBackground } from './internal/background.ts'
import { createBell } from './internal/bell.ts'
import { complete } from './internal/complete.ts'
import type { Context } from './internal/context.ts'
import { createFunds } from './internal/funds.ts'
import { hold, signedMicroUsd } from './internal/held.ts'
import { createJobs, type Jobs } from './internal/jobs.ts'
import { createJournal } from './internal/journal.ts'
import { keepWarm } from './internal/keepWarm.ts'
import { bringUp, type Probe } from './internal/lifecycle.ts'
import { createPayments } from './internal/payments.ts'
import { openProviders } from './internal/providers.ts'
import { leaseRecord, recordOf } from './internal/records.ts'
import { runProbe } from './internal/runProbe.ts'
import { tend } from './internal/tend.ts'
import { createTimeline } from './internal/timeline.ts'
import { openVerdicts } from './internal/verdicts.ts'
import { openOfferBook } from './offerBook.ts'
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
  const settings = Settings.from(options, chain.parameters)
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
    job: async (id) => recordOf(await jobs.get(id), clock.now()),
    async jobs({ limit = 100 } = {}) {
      return (await jobs.newest(Math.min(1000, limit))).map((row) => recordOf(row, clock.now())!)
    },
    async settled(id, { signal } = {}) {
      const record = recordOf(await jobs.settled(id, signal), clock.now())
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

function looping({ background, logger }: Context, task: string) {
  return {
    signal: background.signal,
    onError: (error: unknown) =>
      logger.debug({ task, code: codeOf(error), reason: messageOf(error) }, 'A round failed.'),
  }
}
