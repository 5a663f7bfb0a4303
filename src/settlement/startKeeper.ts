import { RevertedError, type Chain } from '../chain/Chain.ts'
import type * as Lease from '../protocol/Lease.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'

/** A running keeper. */
export type Keeper = AsyncDisposable & {
  /** One round now; returns how many leases it closed. @throws {UnavailableError} when the chain cannot be reached. */
  keep(): Promise<number>
}

/**
 * Closes leases that have expired, so that their funds return to the buyer even when the provider is
 * gone. Anyone may; usually it runs beside a buyer, which has the greatest interest.
 */
export async function startKeeper(
  ports: startKeeper.Ports,
  options: startKeeper.Options = {},
): Promise<Keeper> {
  const { chain, clock, logger, leases } = ports
  const { intervalMs = 15_000, graceSeconds = 30 } = options
  await using stack = new AsyncDisposableStack()
  const controller = new AbortController()
  const { signal } = controller
  let last: Promise<unknown> = Promise.resolve()

  async function keep(): Promise<number> {
    const { timestampSeconds } = await chain.head()
    let closed = 0
    for (const key of await leases()) {
      const { state, expirySeconds } = await chain.lease(key)
      // The provider closes its leases itself and pays for it; only what it leaves is done here.
      if (state !== 'open' || timestampSeconds < expirySeconds + graceSeconds) continue
      try {
        await chain.send({ type: 'close-lease', key }, { signal })
        closed++
      } catch (error) {
        // Somebody else was faster.
        if (!(error instanceof RevertedError)) throw error
      }
    }
    return closed
  }

  const inTurn = () => {
    const round = last.then(keep, keep)
    last = round.catch(() => {})
    return round
  }
  const onError = (error: unknown) =>
    logger.warn({ code: codeOf(error), reason: messageOf(error) }, 'A round of keeping failed.')
  const loop = every(clock, intervalMs, async () => void (await inTurn()), { signal, onError })
  stack.defer(() => loop)
  stack.defer(() => controller.abort(new DOMException('The keeper stops.', 'AbortError')))
  const owned = stack.move()
  return { keep: inTurn, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export declare namespace startKeeper {
  type Ports = {
    chain: Chain
    clock: Clock
    logger: Logger
    /** Leases that may still be open. */
    leases: () => Promise<readonly Lease.Key[]>
  }
  type Options = {
    /** @default 15_000 */
    intervalMs?: number | undefined
    /** How long after the expiry the provider is left to do it. @default 30 */
    graceSeconds?: number | undefined
  }
}
