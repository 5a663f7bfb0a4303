import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Meter from './Meter.ts'

const facts: Meter.admit.Facts = {
  maxTokens: 16,
  totalMicroUsd: 1_000n,
  creditMicroUsd: 100n,
  reservedMicroUsd: 0n,
  worstMicroUsd: 10n,
}
const after = (...events: readonly Meter.Event[]) =>
  events.reduce<Meter.Meter>((meter, event, index) => {
    const reached = Meter.next(meter, event, 100 + index)
    if (!reached) throw new Error(`${event.type} cannot happen in ${meter.state}`)
    return reached
  }, Meter.start(1))
const ready = after({ type: 'ready' })

describe('start', () => {
  test('opens with nothing delivered and nothing paid', () => {
    expect(Meter.start(7)).toMatchObject({ state: 'open', since: 7, readyAt: 0, probes: 0 })
    expect(Meter.unpaidMicroUsd(Meter.start(7))).toBe(0n)
  })
})

describe('next', () => {
  test('goes from open to settled the long way', () => {
    const events: readonly Meter.Event[] = [
      { type: 'probe' },
      { type: 'ready' },
      { type: 'pause' },
      { type: 'ready' },
      { type: 'close' },
      { type: 'settle' },
    ]
    const states = events.map((_, index) => after(...events.slice(0, index + 1)).state)
    expect(states).toEqual(['open', 'ready', 'paused', 'ready', 'closing', 'settled'])
  })

  test('remembers when it last became ready', () => {
    expect(after({ type: 'ready' }, { type: 'pause' }, { type: 'ready' }).readyAt).toBe(102)
  })

  test('leaves a ready lease as it is when it is called ready again', () => {
    expect(Meter.next(ready, { type: 'ready' }, 999)).toBe(ready)
  })

  test('starts to count probes anew in each state', () => {
    const paused = after({ type: 'probe' }, { type: 'ready' }, { type: 'pause' })
    expect(paused.probes).toBe(0)
  })

  test('takes no probe in a lease that is ready or over', () => {
    expect(Meter.next(ready, { type: 'probe' }, 5)).toBeUndefined()
    expect(Meter.next(after({ type: 'close' }), { type: 'probe' }, 5)).toBeUndefined()
  })

  test('never comes back from closing', () => {
    const closing = after({ type: 'close' })
    expect(Meter.next(closing, { type: 'ready' }, 5)).toBeUndefined()
    expect(Meter.next(closing, { type: 'pause' }, 5)).toBe(closing)
    expect(Meter.next(closing, { type: 'close' }, 5)).toBe(closing)
  })

  test('takes work and payment while it is closing, and neither once it is settled', () => {
    const deliver = { type: 'deliver', priceMicroUsd: 5n } as const
    const pay = { type: 'pay', cumulativeMicroUsd: 5n } as const
    const closing = after({ type: 'ready' }, { type: 'close' }, deliver, pay)
    expect(closing).toMatchObject({ deliveredMicroUsd: 5n, paidMicroUsd: 5n })
    const settled = after({ type: 'settle' })
    expect(Meter.next(settled, deliver, 5)).toBeUndefined()
    expect(Meter.next(settled, pay, 5)).toBeUndefined()
    expect(Meter.next(settled, { type: 'refuse', priceMicroUsd: 1n }, 5)).toBeUndefined()
  })

  test('does not take a payment that goes down, and takes an equal one', () => {
    const paid = after({ type: 'pay', cumulativeMicroUsd: 9n })
    expect(Meter.next(paid, { type: 'pay', cumulativeMicroUsd: 8n }, 5)).toBeUndefined()
    expect(Meter.next(paid, { type: 'pay', cumulativeMicroUsd: 9n }, 5)).toEqual(paid)
  })

  test('sums never go down, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(events(), { maxLength: 60 }), (history) => {
        let meter = Meter.start(0)
        for (const event of history) {
          const reached = Meter.next(meter, event, 1) ?? meter
          for (const sum of sums) expect(reached[sum]).toBeGreaterThanOrEqual(meter[sum])
          if (meter.state === 'settled') expect(reached.state).toBe('settled')
          meter = reached
        }
      }),
    )
  })
})

describe('unpaidMicroUsd', () => {
  test('counts what the buyer refuses, but never below zero', () => {
    const meter = after(
      { type: 'deliver', priceMicroUsd: 30n },
      { type: 'refuse', priceMicroUsd: 10n },
      { type: 'pay', cumulativeMicroUsd: 15n },
    )
    expect(Meter.unpaidMicroUsd(meter)).toBe(15n)
    expect(Meter.unpaidMicroUsd(after({ type: 'pay', cumulativeMicroUsd: 1n }))).toBe(0n)
  })
})

describe('awaitedMicroUsd', () => {
  test('leaves out what the buyer refuses', () => {
    const meter = after(
      { type: 'deliver', priceMicroUsd: 30n },
      { type: 'refuse', priceMicroUsd: 10n },
      { type: 'pay', cumulativeMicroUsd: 15n },
    )
    expect(Meter.awaitedMicroUsd(meter)).toBe(5n)
  })
})

describe('admit', () => {
  test('takes small jobs for nothing while the lease is open or paused', () => {
    expect(Meter.admit(Meter.start(0), facts).type).toBe('probe')
    expect(Meter.admit(after({ type: 'ready' }, { type: 'pause' }), facts).type).toBe('probe')
  })

  test('refuses a job of more tokens than a probe has', () => {
    const admission = Meter.admit(Meter.start(0), { ...facts, maxTokens: 17 })
    expect(admission).toMatchObject({ code: 'Provider.NotReadyError' })
  })

  test('refuses the fourth probe in one state', () => {
    const probe = { type: 'probe' } as const
    const admission = Meter.admit(after(probe, probe, probe), facts)
    expect(admission).toMatchObject({ code: 'Provider.ProbeLimitError' })
  })

  test('meters jobs of any size once it is ready', () => {
    expect(Meter.admit(ready, { ...facts, maxTokens: 4_096 }).type).toBe('metered')
  })

  test('refuses more once unpaid work is over the credit, also refused work', () => {
    const deliver = { type: 'deliver', priceMicroUsd: 101n } as const
    const unpaid = after({ type: 'ready' }, deliver)
    expect(Meter.admit(unpaid, facts)).toMatchObject({ code: 'Provider.CreditError' })
    const refused = after({ type: 'ready' }, deliver, { type: 'refuse', priceMicroUsd: 101n })
    expect(Meter.admit(refused, facts)).toMatchObject({ code: 'Provider.CreditError' })
    const paid = after({ type: 'ready' }, deliver, { type: 'pay', cumulativeMicroUsd: 1n })
    expect(Meter.admit(paid, facts).type).toBe('metered')
  })

  test('takes one job at a time from who has no credit', () => {
    const none = { ...facts, creditMicroUsd: 0n }
    expect(Meter.admit(ready, none).type).toBe('metered')
    const one = after({ type: 'ready' }, { type: 'deliver', priceMicroUsd: 1n })
    expect(Meter.admit(one, none)).toMatchObject({ code: 'Provider.CreditError' })
  })

  test('gives for nothing no more than the credit and what was paid', () => {
    const broken = after({ type: 'ready' }, { type: 'give', worthMicroUsd: 101n })
    expect(Meter.admit(broken, facts)).toMatchObject({ code: 'Provider.CreditError' })
    const paused = after(
      { type: 'ready' },
      { type: 'give', worthMicroUsd: 101n },
      { type: 'pause' },
    )
    expect(Meter.admit(paused, facts)).toMatchObject({ code: 'Provider.CreditError' })
    const payer = after(
      { type: 'ready' },
      { type: 'give', worthMicroUsd: 101n },
      { type: 'pay', cumulativeMicroUsd: 50n },
    )
    expect(Meter.admit(payer, facts).type).toBe('metered')
  })

  test('refuses a job that may cost more than what is left', () => {
    const full = { ...facts, reservedMicroUsd: 995n }
    expect(Meter.admit(ready, full)).toMatchObject({ code: 'Provider.BudgetError' })
    expect(Meter.admit(ready, { ...full, reservedMicroUsd: 990n }).type).toBe('metered')
  })

  test('serves nothing in a lease that is over', () => {
    for (const type of ['close', 'settle'] as const)
      expect(Meter.admit(after({ type }), facts)).toMatchObject({
        code: 'Provider.LeaseClosedError',
      })
  })

  test('never lets metered work exceed the funds, whatever is paid or refused', () => {
    fc.assert(
      fc.property(fc.array(events(), { maxLength: 60 }), (history) => {
        let meter: Meter.Meter = ready
        let owed = 0n
        for (const event of history) {
          if (event.type === 'deliver') {
            const job = { ...facts, worstMicroUsd: event.priceMicroUsd, creditMicroUsd: 10_000n }
            if (Meter.admit(meter, job).type !== 'metered') continue
            owed += event.priceMicroUsd
            expect(owed - meter.refusedMicroUsd).toBeLessThanOrEqual(job.totalMicroUsd)
          }
          if (event.type === 'refuse') continue
          meter = Meter.next(meter, event, 1) ?? meter
        }
      }),
    )
  })
})

const sums = [
  'jobs',
  'deliveredMicroUsd',
  'paidMicroUsd',
  'refusedMicroUsd',
  'givenMicroUsd',
] as const

function events(): fc.Arbitrary<Meter.Event> {
  const amount = fc.bigInt({ min: 0n, max: 300n })
  return fc.oneof(
    fc.constantFrom<Meter.Event>(
      { type: 'ready' },
      { type: 'pause' },
      { type: 'close' },
      { type: 'settle' },
      { type: 'probe' },
    ),
    amount.map((priceMicroUsd) => ({ type: 'deliver', priceMicroUsd }) as const),
    amount.map((cumulativeMicroUsd) => ({ type: 'pay', cumulativeMicroUsd }) as const),
    amount.map((priceMicroUsd) => ({ type: 'refuse', priceMicroUsd }) as const),
    amount.map((worthMicroUsd) => ({ type: 'give', worthMicroUsd }) as const),
  )
}
