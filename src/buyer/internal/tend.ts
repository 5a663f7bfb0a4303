import { UnavailableError } from '../../chain/Chain.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import { messageOf } from '../../runtime/Errors.ts'
import type { Context } from './context.ts'
import { expiresAtMs, rowOf, signedMicroUsd, type Held } from './held.ts'
import { bringUp, close, notify, setState, type Probe } from './lifecycle.ts'

/** After its expiry anyone may close a lease; the provider, who has the reason, gets this long to do it. */
const graceMs = 15_000

/** How long a lease must stay closed until it is forgotten: blocks of this age are not taken back any more. */
const finalityMs = 60_000

/** How often a lease that is in use is compared with the chain. */
const checkMs = 10_000

/**
 * Looks after every lease once: ends those that are about to expire, tells providers to close, compares
 * with the chain, sends again what a reorganisation has undone, and closes by itself what expired.
 */
export async function tend(context: Context, probe: Probe): Promise<void> {
  for (const held of context.leases.values()) {
    if (drained(context, held))
      close(context, held, { code: 'Buyer.LeaseEnds', message: 'The lease is about to expire.' })
    try {
      await tendOne(context, held, probe)
    } catch (error) {
      context.background.signal.throwIfAborted()
      // What holds for one lease holds for all: the next round tries again.
      if (error instanceof UnavailableError) return
      context.logger.debug({ lease: held.id, reason: messageOf(error) }, 'A lease was not tended.')
    }
  }
}

/** How long before its expiry a lease takes no new jobs, so that the last ones can be decided and claimed. */
export function drainMs({ settings }: Pick<Context, 'settings'>): number {
  return Math.min(settings.verdictTimeoutMs + 60_000, settings.leaseDurationMs / 4)
}

function drained(context: Context, held: Held): boolean {
  return (
    held.state !== 'closing' &&
    held.state !== 'settled' &&
    context.clock.now() >= expiresAtMs(held) - drainMs(context)
  )
}

async function tendOne(context: Context, held: Held, probe: Probe): Promise<void> {
  const { clock, chain } = context
  const now = clock.now()
  const ending = held.state === 'closing' || held.state === 'settled'
  if (!ending && now - held.checkedAt < checkMs) return
  held.checkedAt = now
  const { state } = await chain.lease(held.lease.message)
  if (state === 'closed') return closed(context, held)
  if (held.state === 'settled') setState(context, held, 'closing')
  held.closedAt = undefined
  if (ending) return await release(context, held, state)
  if (state === 'none' && (held.state === 'ready' || held.state === 'paused')) {
    setState(context, held, 'signed')
    bringUp(context, held, probe)
  }
}

/** Tells the provider to let go as soon as nothing is owed any more; after expiry closes without it. */
async function release(context: Context, held: Held, state: 'none' | 'open'): Promise<void> {
  const { clock, chain, background } = context
  const { deadlineSeconds } = held.lease.message
  const expired = clock.now() > expiresAtMs(held) + graceMs
  if (state === 'none') {
    // Nobody can bring it to the chain after the deadline: it never was, and never will be.
    const over = clock.now() / 1000 > deadlineSeconds + finalityMs / 1000 || expired
    if (over) forget(context, held)
    return
  }
  if (expired) {
    const { buyer, provider, nonce } = held.lease.message
    const key = { buyer, provider, nonce }
    await chain.send({ type: 'close-lease', key }, { signal: background.signal })
    return
  }
  const owing = held.inFlight > 0 || held.heldMicroUsd > 0n || held.paying
  if (!owing) await notify(context, held, Exchange.protocols.close)
}

function closed(context: Context, held: Held): void {
  const { clock, timeline } = context
  held.closedAt ??= clock.now()
  if (held.state !== 'settled') {
    setState(context, held, 'settled')
    timeline.note({ subject: 'lease', id: held.id, code: 'lease-settled', parent: held.order })
  }
  if (clock.now() - held.closedAt >= finalityMs) forget(context, held)
}

/** Moves a lease from what is watched to what is only remembered. */
function forget(context: Context, held: Held): void {
  held.state = 'settled'
  context.leases.delete(held.id)
  context.spent.settledMicroUsd += signedMicroUsd(held)
  context.journal.later({
    endedLease: rowOf(held),
    settledMicroUsd: context.spent.settledMicroUsd,
  })
}
