import * as z from 'zod/mini'
import type { Chain } from '../../chain/Chain.ts'
import type { Network } from '../../network/Network.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import * as Lease from '../../protocol/Lease.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import * as Voucher from '../../protocol/Voucher.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { BaseError, codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Store } from '../../runtime/Store.ts'
import type { Worker } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { leaseOf, type RunLease } from './leaseOf.ts'
import { comingMicroUsd, payProtocol, reply, request } from './payProtocol.ts'

/** The buyer's side of pay: it keeps leases open, and signs for each worker what the log says it has earned. */
export type Paymaster = AsyncDisposable & {
  /** Compares leases with the log now, instead of at the next interval. */
  tend(): Promise<void>
  /** What was promised to all workers together; never more than the order's budget. */
  promisedMicroUsd(): bigint
  /** Whether every worker has its voucher for all that it has earned. */
  isSettled(): boolean
}

/**
 * Starts to pay the workers of a run. What it owes follows from the log and what it reserved from the chain; on
 * its own disk are only the vouchers that it gave out, each written before it goes, so that the budget
 * holds even when another branch of the log comes to count.
 */
export async function startPaymaster(
  ports: startPaymaster.Ports,
  { intervalMs = 5_000, reservedRounds = 16, leaseMs = 7_200_000 }: startPaymaster.Options = {},
): Promise<Paymaster> {
  const { log, chain, network, identity, clock, store, logger } = ports
  const { run, order } = log
  const table = `trainingPay/${run}`
  const promises = new Map<Hex.Hex, Promised>()
  const leases = new Map<Hex.Hex, RunLease>()
  const controller = new AbortController()
  const { signal } = controller
  for (const { key, value } of await store.list(table, { limit: 100_000 }))
    promises.set(key as Hex.Hex, Json.parse(promised, JSON.parse(value), { what: 'promise' }))

  /** Everyone who is owed something or may come to be. */
  function payees(): readonly Worker[] {
    return log
      .state()
      .workers.filter(
        (worker) =>
          worker.address !== identity.address &&
          (worker.standing === 'active' || worker.earnedMicroUsd > 0n || isOwedMore(worker)),
      )
  }

  /** Whether a worker has delivered what is not due yet, and may become so when it has long left. */
  function isOwedMore({ number }: Worker): boolean {
    return comingMicroUsd(log.state(), number) > 0n
  }

  async function tend(): Promise<void> {
    for (const worker of payees()) {
      if (worker.standing !== 'active' && !isOwedMore(worker) && isCovered(worker)) continue
      try {
        await tendLease(worker)
      } catch (error) {
        signal.throwIfAborted()
        const facts = { run, worker: worker.address, code: codeOf(error) }
        logger.warn({ ...facts, reason: messageOf(error) }, 'Its lease is tended later.')
      }
    }
  }

  async function tendLease(worker: Worker): Promise<void> {
    const lease = await look(worker.address)
    if (lease.expired) await chain.send({ type: 'close-lease', key: lease.expired }, { signal })
    const wanted = await wantedFor(worker, lease)
    if (!wanted) return
    const { signature, message } = Lease.sign(chain.domain, wanted, identity)
    await chain.send({ type: 'open-lease', lease: message, signature }, { signal })
    await look(worker.address)
  }

  function isCovered({ address, earnedMicroUsd }: Worker): boolean {
    const given = promises.get(address)
    return earnedMicroUsd <= (given ? given.settledMicroUsd + amountOf(given) : 0n)
  }

  async function look(worker: Hex.Address): Promise<RunLease> {
    const lease = await leaseOf(chain, { run, buyer: identity.address, worker })
    leases.set(worker, lease)
    return lease
  }

  /** A lease with room for what is owed and some rounds to come; undefined while there is one. */
  async function wantedFor(
    worker: Worker,
    { key, state: { totalMicroUsd, expirySeconds, state: standing }, settledMicroUsd }: RunLease,
  ): Promise<Lease.Lease | undefined> {
    const state = log.state()
    const isActive = worker.standing === 'active' && state.phase !== 'ended'
    const owed = worker.earnedMicroUsd - settledMicroUsd + comingMicroUsd(state, worker.number)
    const reserve = isActive ? reserveOf() : 0n
    const nowSeconds = Math.floor(clock.now() / 1000)
    const leaseSeconds = Math.floor(leaseMs / 1000)
    // Nothing is reserved for who has not delivered yet.
    const isShort = owed > 0n && totalMicroUsd < owed + reserve / 2n
    const isLate = (isActive || isOwedMore(worker)) && expirySeconds - nowSeconds < leaseSeconds / 2
    if (!isShort && !(isLate && standing === 'open')) return undefined
    const { freeMicroUsd } = await chain.deposit(identity.address)
    const wanted = isShort ? owed + reserve : totalMicroUsd
    const most = totalMicroUsd + freeMicroUsd
    if (most < owed)
      logger.warn(
        { run, worker: worker.address },
        'The deposit is too small: deposit more to go on.',
      )
    const total = wanted < most ? wanted : most
    if (total === 0n || (total <= totalMicroUsd && !isLate)) return undefined
    return {
      ...key,
      totalMicroUsd: total,
      expirySeconds: Math.max(expirySeconds, nowSeconds + leaseSeconds),
      deadlineSeconds: nowSeconds + signatureSeconds,
      terms: run,
    }
  }

  /** What is set aside for a worker's next rounds; less as the budget runs out. */
  function reserveOf(): bigint {
    const { paidMicroUsd, heldMicroUsd } = log.state()
    const rounds = BigInt(order.steps * reservedRounds) * order.priceMicroUsd
    const unpromised = order.budgetMicroUsd - paidMicroUsd - heldMicroUsd
    const left = unpromised / BigInt(Math.max(1, payees().length))
    return left < rounds ? left : rounds
  }

  function promisedBut(worker?: Hex.Address): bigint {
    return [...promises]
      .filter(([address]) => address !== worker)
      .reduce((sum, [, each]) => sum + each.settledMicroUsd + amountOf(each), 0n)
  }

  /** The only lines that sign money away: never down, never above the lease, the budget, or what was earned. */
  async function promise(worker: Worker, lease: RunLease): Promise<Promised | undefined> {
    const { key, state, settledMicroUsd } = lease
    const id = Lease.id(key)
    const before = promises.get(worker.address)
    const given = before?.voucher.message.lease === id ? before : undefined
    const due = worker.earnedMicroUsd - settledMicroUsd
    const cumulativeMicroUsd = due < state.totalMicroUsd ? due : state.totalMicroUsd
    if (state.state !== 'open' || cumulativeMicroUsd <= (given ? amountOf(given) : 0n)) return given
    const all = promisedBut(worker.address) + settledMicroUsd + cumulativeMicroUsd
    if (all > order.budgetMicroUsd) throw new BudgetError({ all, budget: order.budgetMicroUsd })
    const voucher = Voucher.sign(chain.domain, { lease: id, cumulativeMicroUsd }, identity)
    const next = { settledMicroUsd, voucher }
    await store.write([{ table, key: worker.address, value: Json.stringify(next) }])
    promises.set(worker.address, next)
    return next
  }

  /** One after the other: two together could exceed the budget. */
  let turn: Promise<unknown> = Promise.resolve()

  async function* serve(body: Uint8Array, { from }: { from: string }): AsyncGenerator<Uint8Array> {
    const asked = Json.decode(request, body, { what: 'request for pay' })
    const { numbers, workers } = log.state()
    const number = numbers.get(Identity.addressOf(from))
    if (asked.run !== run || number === undefined) throw new StrangerError()
    const worker = workers[number]!
    const lease = leases.get(worker.address)
    const given = turn.then(() => (lease ? promise(worker, lease) : undefined))
    turn = given.catch(() => {})
    const voucher = (await given)?.voucher
    yield Json.toBytes((voucher ? { voucher } : {}) satisfies z.infer<typeof reply>)
  }

  await using stack = new AsyncDisposableStack()
  stack.use(network.handle(payProtocol, serve))
  const onError = (error: unknown) =>
    logger.warn({ run, code: codeOf(error), reason: messageOf(error) }, 'Leases are tended later.')
  const ends = every(clock, intervalMs, tend, { signal, onError })
  stack.defer(() => ends)
  stack.defer(() => controller.abort(new DOMException('The node stops.', 'AbortError')))
  const owned = stack.move()
  return {
    tend,
    promisedMicroUsd: () => promisedBut(),
    isSettled: () => payees().every(isCovered),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startPaymaster {
  type Ports = {
    log: Log
    chain: Pick<Chain, 'domain' | 'head' | 'lease' | 'deposit' | 'send'>
    network: Pick<Network, 'handle'>
    /** Of the order's buyer. */
    identity: Identity.Identity
    clock: Clock
    store: Store
    logger: Logger
  }
  type Options = {
    /** How often leases are compared with the log. @default 5_000 */
    intervalMs?: number | undefined
    /** Rounds to come that a lease has room for. @default 16 */
    reservedRounds?: number | undefined
    /** How long a lease runs; it is renewed at half. @default 7_200_000 */
    leaseMs?: number | undefined
  }
}

/** How long the chain accepts a lease's signature. */
const signatureSeconds = 600

type Promised = {
  /** What the worker had claimed in leases before the voucher's. */
  readonly settledMicroUsd: bigint
  readonly voucher: Signed<Voucher.Voucher>
}
const promised = z.strictObject({
  settledMicroUsd: z.pipe(
    z.string().check(z.regex(/^[0-9]{1,30}$/)),
    z.transform((digits) => BigInt(digits)),
  ),
  voucher: Voucher.schema,
})

function amountOf({ voucher }: Promised): bigint {
  return voucher.message.cumulativeMicroUsd
}

/** Thrown when a voucher would exceed the order's budget: nothing is signed. */
export class BudgetError extends BaseError {
  override readonly code = 'Training.BudgetError'

  constructor({ all, budget }: { all: bigint; budget: bigint }) {
    super('The budget of the run is spent.', {
      metaMessages: [`Promised with this: ${all} micro-USD`, `Budget: ${budget} micro-USD`],
    })
  }
}

/** Thrown when somebody asks for pay who is no worker of the run. */
class StrangerError extends BaseError {
  override readonly code = 'Training.StrangerError'

  constructor() {
    super('The log of this run knows no such worker.')
  }
}
