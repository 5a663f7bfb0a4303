import { ask } from '../../network/Network.ts'
import * as Completion from '../../protocol/Completion.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import * as Json from '../../protocol/Json.ts'
import * as Lease from '../../protocol/Lease.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Context } from './context.ts'
import { rowOf, type Held } from './held.ts'

/** Runs a small job in a lease; throws when it does not come back right. */
export type Probe = (held: Held) => Promise<void>

/** How long the contract accepts a lease's signature. */
const deadlineSeconds = 120

const retryMs = { first: 250, most: 10_000 }

/** Wrong answers to probes in a row after which a lease is given up. */
const probesLimit = 3

/**
 * Brings a lease up, in the background, until it is ready: sends it until it is on the chain, probes it,
 * and tells the provider that the meter may run. A provider that cannot be reached is asked again, with
 * growing pauses, until the lease ends; one that answers wrongly three times loses the lease.
 */
export function bringUp(context: Context, held: Held, probe: Probe): void {
  if (held.bringing) return
  held.bringing = true
  const { background, clock, bell, timeline, journal } = context

  async function step(): Promise<void> {
    if (held.state === 'signed') await sendLease(context, held)
    if (!coming(held)) return
    // The provider may not have noticed; while it knows of the pause, probes cost nothing.
    if (held.state === 'paused') await notify(context, held, Exchange.protocols.pause)
    await probe(held)
    if (!held.readied) {
      held.readied = true
      await journal.save({ lease: rowOf(held) })
    }
    await notify(context, held, Exchange.protocols.ready)
    if (!coming(held)) return
    held.failedProbes = 0
    setState(context, held, 'ready')
    timeline.note({ subject: 'lease', id: held.id, code: 'lease-ready', parent: held.order })
  }

  async function run(): Promise<void> {
    const startedAt = clock.now()
    let waitMs = retryMs.first
    while (coming(held)) {
      try {
        await step()
      } catch (error) {
        background.signal.throwIfAborted()
        const next = afterFailure(
          held,
          error,
          clock.now() - startedAt,
          context.settings.openTimeoutMs,
        )
        timeline.note({
          subject: 'lease',
          id: held.id,
          code: 'lease-probe-failed',
          detail: `${codeOf(error)}: ${messageOf(error)}`,
          parent: held.order,
        })
        bell.ring()
        if (next === 'close')
          return close(context, held, { code: codeOf(error), message: messageOf(error) })
        if (next === 'send-again') held.state = 'signed'
        await clock.sleep(waitMs, { signal: background.signal })
        waitMs = Math.min(waitMs * 2, retryMs.most)
      }
    }
  }

  background.run('lease', async () => {
    try {
      await run()
    } finally {
      held.bringing = false
      bell.ring()
    }
  })
}

function coming({ state }: Held): boolean {
  return state === 'signed' || state === 'open' || state === 'paused'
}

/** What a failure on the way up means. */
function afterFailure(
  held: Held,
  error: unknown,
  elapsedMs: number,
  openTimeoutMs: number,
): 'retry' | 'send-again' | 'close' {
  const code = codeOf(error)
  if (lost.has(code)) return elapsedMs > openTimeoutMs ? 'close' : 'send-again'
  if (final.has(code)) return 'close'
  const away = code.startsWith('Network.') || transient.has(code)
  if (held.state === 'signed')
    return elapsedMs > openTimeoutMs || (!away && code.startsWith('Chain.')) ? 'close' : 'retry'
  if (away) return 'retry'
  held.failedProbes++
  return held.failedProbes >= probesLimit ? 'close' : 'retry'
}

/** The provider does not know the lease, or the chain has lost it: it gets it again. */
const lost = new Set([
  'Provider.UnknownLeaseError',
  'Provider.LeaseNotOpenError',
  'Provider.UnsecuredError',
])

/** Nothing will become better by asking again. */
const final = new Set([
  'Provider.LeaseClosedError',
  'Provider.ModelChangedError',
  'Provider.TermsError',
  'Provider.UnknownBidError',
  'Provider.ForbiddenError',
  'Provider.ProbeLimitError',
  'Provider.CreditError',
])

/** It will pass, and is nobody's wrong. */
const transient = new Set(['Provider.BusyError', 'Chain.UnavailableError', 'Store.WriteError'])

/** Sends the signed lease until the provider has it on the chain. */
export async function sendLease(context: Context, held: Held): Promise<void> {
  const { network, background, settings, timeline } = context
  await renewDeadline(context, held)
  const { totalMicroUsd } = held.lease.message
  const reply = await ask(
    network,
    held.peerId,
    Exchange.protocols.lease,
    Lease.serialize(held.lease),
    {
      idleTimeoutMs: settings.openTimeoutMs,
      signal: background.signal,
    },
  )
  const { lease } = Json.decode(Exchange.leaseReply, reply, { what: 'LeaseReply' })
  if (lease !== held.id)
    throw new Json.MalformedError({ what: 'LeaseReply', reason: 'another lease' })
  if (held.confirmedMicroUsd < totalMicroUsd) held.confirmedMicroUsd = totalMicroUsd
  if (held.state !== 'signed') return
  setState(context, held, 'open')
  timeline.note({ subject: 'lease', id: held.id, code: 'lease-open', parent: held.order })
}

/** Signs the same lease again when the contract would not take the old signature any more. */
async function renewDeadline(context: Context, held: Held): Promise<void> {
  const nowSeconds = Math.floor(context.clock.now() / 1000)
  if (held.lease.message.deadlineSeconds > nowSeconds + deadlineSeconds / 4) return
  await signLease(context, held, held.lease.message)
}

/** Signs a later version of a lease: total and expiry may only rise. It is on disk before it goes out. */
export async function signLease(
  { chain, clock, identity, journal }: Context,
  held: Held,
  message: Lease.Lease,
): Promise<void> {
  const deadline = Math.floor(clock.now() / 1000) + deadlineSeconds
  held.lease = Lease.sign(chain.domain, { ...message, deadlineSeconds: deadline }, identity)
  await journal.save({ lease: rowOf(held) })
}

export function deadlineFrom(nowMs: number): number {
  return Math.floor(nowMs / 1000) + deadlineSeconds
}

/** Raises a lease's total in the background; jobs that need the money wait for the bell. */
export function raise(context: Context, held: Held, byMicroUsd: bigint): void {
  if (held.raising || held.state !== 'ready') return
  held.raising = true
  context.background.run('raise', async () => {
    try {
      const { message } = held.lease
      if (held.confirmedMicroUsd >= message.totalMicroUsd)
        await signLease(context, held, {
          ...message,
          totalMicroUsd: message.totalMicroUsd + byMicroUsd,
        })
      await sendLease(context, held)
      context.journal.later({ lease: rowOf(held) })
    } catch (error) {
      held.restUntil = context.clock.now() + 1_000
      throw error
    } finally {
      held.raising = false
      context.bell.ring()
    }
  })
}

/** Sends no more jobs into a lease until a probe has passed again. */
export function pause(context: Context, held: Held, reason: Exchange.Reason, probe: Probe): void {
  if (held.state !== 'ready') return
  setState(context, held, lost.has(reason.code) ? 'signed' : 'paused')
  context.timeline.note({
    subject: 'lease',
    id: held.id,
    code: 'lease-paused',
    detail: `${reason.code}: ${reason.message}`,
    parent: held.order,
  })
  bringUp(context, held, probe)
}

/** Ends a lease: what is delivered is still decided and paid, then the provider is told to let it go. */
export function close(context: Context, held: Held, reason: Exchange.Reason): void {
  if (held.state === 'closing' || held.state === 'settled') return
  setState(context, held, 'closing')
  context.timeline.note({
    subject: 'lease',
    id: held.id,
    code: 'lease-closing',
    detail: `${reason.code}: ${reason.message}`,
    parent: held.order,
  })
}

export function setState(context: Context, held: Held, state: Held['state']): void {
  held.state = state
  context.journal.later({ lease: rowOf(held) })
  context.bell.ring()
}

/** Tells the provider something about a lease and waits until it has heard. */
export async function notify(
  { network, background }: Context,
  held: Held,
  protocol: string,
): Promise<void> {
  const body = Json.toBytes({ lease: held.id } satisfies Exchange.LeaseNotice)
  await ask(network, held.peerId, protocol, body, {
    idleTimeoutMs: 10_000,
    signal: background.signal,
  })
}

/** A request like those that buyers send, small enough to be free. */
export function probeRequest(model: string, chance: number): Completion.Request {
  const content = questions[Math.floor(chance * questions.length)] ?? questions[0]!
  return {
    model,
    input: { kind: 'chat', messages: [{ role: 'user', content }] },
    maxTokens: 8,
    temperatureMicro: 0,
    topPMicro: 1_000_000,
    seed: Math.floor(chance * 0xffffffff),
    stop: [],
    logprobs: 0,
  }
}

const questions = [
  'What is the capital of Portugal?',
  'Name a prime number above one hundred.',
  'Which planet is the largest?',
  'Say hello in three languages.',
  'How many legs does a spider have?',
  'Continue: once upon a time',
  'What colour do blue and yellow make?',
  'Give me a word that rhymes with light.',
] as const
