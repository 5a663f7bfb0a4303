import type { Code } from './RefusedError.ts'

/**
 * What a lease has come to: its state and its sums. Pure: `next` gives the meter after an event, and
 * `admit` says whether a job may run and whether it costs.
 *
 *     open --ready--> ready <--ready/pause--> paused --close--> closing --settle--> settled
 */
export type Meter = {
  readonly state: State
  /** When it came into this state, ms. */
  readonly since: number
  /** When it last became ready, ms; zero before that. */
  readonly readyAt: number
  /** Jobs taken for nothing in this state. */
  readonly probes: number
  /** Receipts signed. */
  readonly jobs: number
  /** Sum of the receipts' prices. */
  readonly deliveredMicroUsd: bigint
  /** Highest voucher. */
  readonly paidMicroUsd: bigint
  /** Sum of the prices of jobs that the buyer said it will not pay. */
  readonly refusedMicroUsd: bigint
  /** Worth of what is never charged but limited: jobs the buyer broke off, probes of a paused lease. */
  readonly givenMicroUsd: bigint
}

export type State = 'open' | 'ready' | 'paused' | 'closing' | 'settled'

export type Event =
  /** The buyer's probe passed. */
  | { readonly type: 'ready' }
  /** A job failed, as the provider or the buyer saw it. */
  | { readonly type: 'pause' }
  | { readonly type: 'close' }
  /** The chain says that the lease is over. */
  | { readonly type: 'settle' }
  /** A job is taken for nothing. */
  | { readonly type: 'probe' }
  | { readonly type: 'deliver'; readonly priceMicroUsd: bigint }
  | { readonly type: 'pay'; readonly cumulativeMicroUsd: bigint }
  | { readonly type: 'refuse'; readonly priceMicroUsd: bigint }
  | { readonly type: 'give'; readonly worthMicroUsd: bigint }

/** The most free jobs in one state, and tokens in one. */
export const probeLimits = { jobs: 3, tokens: 16 } as const

/** Jobs in one lease, so that its records have a limit. */
export const jobLimit = 1_000_000

/** The meter of a lease that has just opened. */
export function start(now: number): Meter {
  return {
    state: 'open',
    since: now,
    readyAt: 0,
    probes: 0,
    jobs: 0,
    deliveredMicroUsd: 0n,
    paidMicroUsd: 0n,
    refusedMicroUsd: 0n,
    givenMicroUsd: 0n,
  }
}

/** The meter after an event; undefined when the event cannot happen in this state. */
export function next(meter: Meter, event: Event, now: number): Meter | undefined {
  switch (event.type) {
    case 'ready':
      if (meter.state === 'ready') return meter
      if (over(meter)) return undefined
      return { ...enter(meter, 'ready', now), readyAt: now }
    case 'pause':
      return meter.state === 'ready' ? enter(meter, 'paused', now) : meter
    case 'close':
      return over(meter) ? meter : enter(meter, 'closing', now)
    case 'settle':
      return meter.state === 'settled' ? meter : enter(meter, 'settled', now)
    case 'probe':
      return over(meter) || meter.state === 'ready'
        ? undefined
        : { ...meter, probes: meter.probes + 1 }
    case 'deliver':
      if (meter.state === 'settled') return undefined
      return {
        ...meter,
        jobs: meter.jobs + 1,
        deliveredMicroUsd: meter.deliveredMicroUsd + event.priceMicroUsd,
      }
    case 'pay':
      if (meter.state === 'settled' || event.cumulativeMicroUsd < meter.paidMicroUsd)
        return undefined
      return { ...meter, paidMicroUsd: event.cumulativeMicroUsd }
    case 'refuse':
      if (meter.state === 'settled') return undefined
      return { ...meter, refusedMicroUsd: meter.refusedMicroUsd + event.priceMicroUsd }
    case 'give':
      return { ...meter, givenMicroUsd: meter.givenMicroUsd + event.worthMicroUsd }
  }
}

/** Delivered and not paid, whatever the buyer says about it. */
export function unpaidMicroUsd(meter: Meter): bigint {
  return atLeastZero(meter.deliveredMicroUsd - meter.paidMicroUsd)
}

/** Delivered, not paid, and not refused either: what may still come. */
export function awaitedMicroUsd(meter: Meter): bigint {
  return atLeastZero(meter.deliveredMicroUsd - meter.refusedMicroUsd - meter.paidMicroUsd)
}

/**
 * Says whether a job may run: as a free `probe`, `metered`, or not at all.
 *
 * A refused job still counts as unpaid, so that a buyer who never pays gets no more than the credit. For
 * nothing a buyer gets at most as much as the credit and what it has paid.
 */
export function admit(meter: Meter, facts: admit.Facts): admit.Admission {
  const no = (code: Code, message: string) => ({ type: 'refused', code, message }) as const
  const { creditMicroUsd, totalMicroUsd, reservedMicroUsd, worstMicroUsd } = facts
  const livesOnGifts = meter.givenMicroUsd > creditMicroUsd + meter.paidMicroUsd
  const noMoreGifts = () =>
    no(
      'Provider.CreditError',
      `Broken-off jobs and probes were worth ${meter.givenMicroUsd} micro-USD, more than was paid.`,
    )
  switch (meter.state) {
    case 'closing':
    case 'settled':
      return no('Provider.LeaseClosedError', `The lease is ${meter.state}; open another one.`)
    case 'open':
    case 'paused':
      if (facts.maxTokens > probeLimits.tokens)
        return no(
          'Provider.NotReadyError',
          `The lease is ${meter.state}: send a probe of at most ${probeLimits.tokens} tokens, then ready.`,
        )
      if (meter.probes >= probeLimits.jobs)
        return no(
          'Provider.ProbeLimitError',
          `All ${probeLimits.jobs} probes were used; send ready when one passed, or close.`,
        )
      return livesOnGifts ? noMoreGifts() : { type: 'probe' }
    case 'ready':
      break
  }
  const unpaid = unpaidMicroUsd(meter)
  if (unpaid > creditMicroUsd)
    return no(
      'Provider.CreditError',
      `${unpaid} micro-USD of delivered work are unpaid, over the credit of ${creditMicroUsd}; pay first.`,
    )
  if (livesOnGifts) return noMoreGifts()
  const owed = meter.deliveredMicroUsd - meter.refusedMicroUsd
  const spent = owed > meter.paidMicroUsd ? owed : meter.paidMicroUsd
  const left = totalMicroUsd - spent - reservedMicroUsd
  if (worstMicroUsd > left)
    return no(
      'Provider.BudgetError',
      `The job may cost ${worstMicroUsd} micro-USD and ${atLeastZero(left)} are left; raise the lease or ask for fewer tokens.`,
    )
  if (meter.jobs >= jobLimit)
    return no('Provider.BudgetError', `The lease has had its ${jobLimit} jobs; open another one.`)
  return { type: 'metered' }
}

export declare namespace admit {
  type Facts = {
    readonly maxTokens: number
    /** What the lease reserves. */
    readonly totalMicroUsd: bigint
    readonly creditMicroUsd: bigint
    /** The most that the jobs running now may cost. */
    readonly reservedMicroUsd: bigint
    /** The most that this job may cost. */
    readonly worstMicroUsd: bigint
  }
  type Admission =
    | { readonly type: 'probe' | 'metered' }
    | { readonly type: 'refused'; readonly code: Code; readonly message: string }
}

/** Whether no new work may come. */
function over(meter: Meter): boolean {
  return meter.state === 'closing' || meter.state === 'settled'
}

function enter(meter: Meter, state: State, now: number): Meter {
  return { ...meter, state, since: now, probes: 0 }
}

function atLeastZero(amount: bigint): bigint {
  return amount > 0n ? amount : 0n
}
