import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { Context } from './Context.ts'
import type { Held } from './LeaseBook.ts'
import * as Meter from './Meter.ts'
import { RefusedError } from './RefusedError.ts'

/** The buyer says that its probe passed: from now on jobs cost. */
export async function answerReady(
  context: Context,
  body: Uint8Array,
  buyer: Hex.Address,
): Promise<void> {
  const held = leaseOf(context, body, buyer)
  if (!held.progress.transaction)
    throw new RefusedError('Provider.LeaseNotOpenError', 'The lease is not on the chain yet.')
  await move(context, held, 'ready')
}

/** The buyer says that a job failed: jobs are probes until it says `ready` again. */
export async function answerPause(
  context: Context,
  body: Uint8Array,
  buyer: Hex.Address,
): Promise<void> {
  await move(context, leaseOf(context, body, buyer), 'pause')
}

/** The buyer needs the lease no more: what is owed is claimed, then the rest is released. */
export async function answerClose(
  context: Context,
  body: Uint8Array,
  buyer: Hex.Address,
): Promise<void> {
  await move(context, leaseOf(context, body, buyer), 'close')
}

/**
 * Moves a lease to another state, in the journal first, and tells its timeline.
 *
 * @throws {RefusedError} when the lease is over.
 */
export async function move(
  { book, clock, outbox }: Pick<Context, 'book' | 'clock' | 'outbox'>,
  held: Held,
  type: 'ready' | 'pause' | 'close',
  detail = '',
): Promise<void> {
  const { state: before } = held.progress.meter
  await book.change(held, () => {
    const meter = Meter.next(held.progress.meter, { type }, clock.now())
    if (!meter)
      throw new RefusedError(
        'Provider.LeaseClosedError',
        `The lease is ${before}; open another one.`,
      )
    return meter === held.progress.meter ? undefined : { meter }
  })
  const { state } = held.progress.meter
  if (state === before || state === 'open' || state === 'settled') return
  const parent = held.bid.order
  outbox.note({ subject: 'lease', id: held.id, code: `lease-${state}`, detail, parent })
}

function leaseOf({ book }: Context, body: Uint8Array, buyer: Hex.Address): Held {
  const { lease } = Json.decode(Exchange.leaseNotice, body, { what: 'LeaseNotice' })
  return book.of(buyer, lease)
}
