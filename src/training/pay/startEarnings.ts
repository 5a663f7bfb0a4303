import type { Chain } from '../../chain/Chain.ts'
import { ask, type Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import * as Lease from '../../protocol/Lease.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import * as Voucher from '../../protocol/Voucher.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Store } from '../../runtime/Store.ts'
import type { Worker } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { leaseOf, type RunLease } from './leaseOf.ts'
import { comingMicroUsd, payProtocol, pendingMicroUsd, reply } from './payProtocol.ts'

/** A worker's side of pay: it sees to it that what the log says it has earned can be claimed. */
export type Earnings = AsyncDisposable & {
  /** What it delivered and holds no claimable promise for, without what the log holds back. */
  owedMicroUsd(): bigint
  /** Whether to go on working: not while as much is owed as it gives on credit. */
  mayWork(): boolean
  /** Asks for the newest voucher now, instead of at the next interval. */
  collect(): Promise<void>
  /** What settlement may claim, from the disk. */
  claimables(): Promise<readonly Claimable[]>
}

/** A lease and the highest voucher in it, as `settlement/` takes them. */
export type Claimable = {
  readonly key: Lease.Key
  readonly voucher: Signed<Voucher.Voucher> | undefined
  readonly release: boolean
}

/**
 * Starts to collect a worker's pay: it folds the log itself, asks the buyer's node for a voucher of what it came to,
 * and keeps the highest. A voucher counts as far as a lease on the chain has room for it.
 */
export async function startEarnings(
  ports: startEarnings.Ports,
  { intervalMs = 2_000, creditRounds = 8 }: startEarnings.Options = {},
): Promise<Earnings> {
  const { log, chain, network, identity, clock, store, logger } = ports
  const { run, order } = log
  const { domain } = chain
  const table = `trainingEarnings/${run}`
  const controller = new AbortController()
  const { signal } = controller
  const ids = { run, buyer: order.buyer, worker: identity.address }
  const creditMicroUsd = BigInt(order.steps * creditRounds) * order.priceMicroUsd
  const held = new Map<string, Signed<Voucher.Voucher>>()
  let lease: RunLease | undefined
  for (const { key, value } of await store.list(table))
    held.set(key, Json.parse(Voucher.schema, JSON.parse(value), { what: 'voucher' }))

  function own(): Worker | undefined {
    const { numbers, workers } = log.state()
    const number = numbers.get(identity.address)
    return number === undefined ? undefined : workers[number]
  }

  /** What leases that are over have brought, and what can be claimed in the one that is open. */
  function securedMicroUsd(): bigint {
    if (!lease) return 0n
    const { key, settledMicroUsd } = lease
    const promised = held.get(`${key.nonce}`)?.message.cumulativeMicroUsd ?? 0n
    const room = roomMicroUsd()
    return settledMicroUsd + (promised < room ? promised : room)
  }

  /** What the buyer has set aside on the chain for all that we earn, promised or not. */
  function roomMicroUsd(): bigint {
    return lease?.state.state === 'open' ? lease.state.totalMicroUsd : 0n
  }

  function owedMicroUsd(): bigint {
    const worker = own()
    if (!worker) return 0n
    const pending = pendingMicroUsd(log.state(), worker.number)
    return worker.earnedMicroUsd + pending - securedMicroUsd()
  }

  /** What is delivered beyond what is set aside: no voucher can be had yet for what the log holds back. */
  function uncoveredMicroUsd(): bigint {
    const worker = own()
    if (!worker) return 0n
    const delivered = worker.earnedMicroUsd + comingMicroUsd(log.state(), worker.number)
    return delivered - (lease?.settledMicroUsd ?? 0n) - roomMicroUsd()
  }

  async function collect(): Promise<void> {
    lease = await leaseOf(chain, ids)
    const earned = own()?.earnedMicroUsd ?? 0n
    if (lease.state.state !== 'open' || earned <= securedMicroUsd()) return
    const { workers, numbers } = log.state()
    const buyer = workers[numbers.get(order.buyer) ?? -1]
    if (!buyer) return
    const options = { signal, idleTimeoutMs: 10_000 }
    const answer = await ask(network, buyer.peer, payProtocol, Json.toBytes({ run }), options)
    const { voucher } = Json.decode(reply, answer, { what: 'pay' })
    if (voucher) await keep(voucher, lease)
  }

  /** Takes a voucher that the buyer signed in our lease and that is worth more than what we have. */
  async function keep(voucher: Signed<Voucher.Voucher>, { key }: RunLease): Promise<void> {
    const { lease: id, cumulativeMicroUsd } = Voucher.verifyBy(domain, voucher, order.buyer)
    const name = `${key.nonce}`
    const before = held.get(name)?.message.cumulativeMicroUsd ?? 0n
    if (id !== Lease.id(key) || cumulativeMicroUsd <= before) return
    await store.write([{ table, key: name, value: Json.stringify(voucher) }])
    held.set(name, voucher)
  }

  await using stack = new AsyncDisposableStack()
  const onError = (error: unknown) =>
    logger.debug({ run, code: codeOf(error), reason: messageOf(error) }, 'Pay is asked for later.')
  const ends = every(clock, intervalMs, collect, { signal, onError })
  stack.defer(() => ends)
  stack.defer(() => controller.abort(new DOMException('The node stops.', 'AbortError')))
  const owned = stack.move()
  return {
    owedMicroUsd,
    mayWork: () => owedMicroUsd() < creditMicroUsd && uncoveredMicroUsd() < creditMicroUsd,
    collect,
    claimables: () => {
      const { phase } = log.state()
      const release = phase === 'ended' && owedMicroUsd() <= 0n
      return Promise.resolve(
        Array.from(held, ([nonce, voucher]) => ({
          key: { buyer: order.buyer, provider: identity.address, nonce: BigInt(nonce) },
          voucher,
          release,
        })),
      )
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startEarnings {
  type Ports = {
    log: Log
    chain: Pick<Chain, 'head' | 'lease'> & { readonly domain: Domain.Domain }
    network: Network
    identity: Identity
    clock: Clock
    store: Store
    logger: Logger
  }
  type Options = {
    /** @default 2_000 */
    intervalMs?: number | undefined
    /**
     * Rounds at the order's steps that are worked on credit; those for which audits are awaited count. What the log holds
     * back counts as far as no lease has room for it. @default 8
     */
    creditRounds?: number | undefined
  }
}
