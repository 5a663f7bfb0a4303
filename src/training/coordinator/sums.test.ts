import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import { noiseOf } from '../private/Budget.ts'
import { bitmapOf } from './bitmap.ts'
import { type Decision, initial, type State } from './State.ts'
import { tick } from './tick.ts'

const run = Hex.sha256('run')
const start = Hex.sha256('start')
const signature = '0x00'
const addressOf = (number: number) => Hex.from(new Uint8Array(20).fill(number + 1))
const order = trainingOrder({
  buyer: addressOf(0),
  data: Hex.zero,
  rule: 'diloco',
  privacy: 'sums',
  clipMicro: 1_000_000,
  noiseMicro: 1_000_000,
  rhoMicro: 100_000_000,
  deltaPico: 10_000_000,
  minWorkers: 3,
})
const one = noiseOf({ members: 4, noiseMicro: 1_000_000, toleratedMicro: 250_000 }).rho

describe('the sums of a private run', () => {
  test('close a round with all who were ready', () => {
    const log = begin(4)
    log.feed([0, 1, 2, 3].map((number) => ready(log.state, number)))
    expect(log.state.phase).toBe('masking')
    log.feed([0, 1, 2, 3].map((number) => masked(log.state, number)))
    expect(log.state.phase).toBe('witness')
    log.feed([0, 1, 2, 3].map((number) => witness(log.state, number, [0, 1, 2, 3])))
    expect(log.of('round-close')[0]!.accepted.map(({ worker }) => worker)).toEqual([0, 1, 2, 3])
    expect(log.state.spentRho).toBe(one)
  })

  test('go on without who was not ready, but not with fewer than the order wants', () => {
    const log = begin(4)
    log.feed([0, 1].map((number) => ready(log.state, number)))
    log.wait(order.roundMs)
    expect(log.state.phase).toBe('round')
    log.feed([ready(log.state, 2)])
    log.wait(order.roundMs)
    expect(log.state.phase).toBe('masking')
    expect([...log.state.round.ready.keys()]).toEqual([0, 1, 2])
    log.feed([masked(log.state, 3)])
    expect(log.refusals()).toContain('commitment: not-in-the-sum')
  })

  test('cost nothing when somebody is not bound to its vector in time: nothing was shown', () => {
    const log = begin(4)
    log.feed([0, 1, 2, 3].map((number) => ready(log.state, number)))
    log.feed([0, 1, 2].map((number) => masked(log.state, number)))
    log.wait(log.state.policy.witnessMs)
    expect(log.of('worker-dropped')).toMatchObject([{ worker: 3, reason: 'did-not-mask' }])
    expect(log.state).toMatchObject({ phase: 'round', spentRho: 0 })
    expect(log.state.round).toMatchObject({ number: 0, shown: 0 })
    expect(log.state.round.ready.size).toBe(0)
  })

  test('are tried once more without who did not show what it was bound to, and both times cost', () => {
    const log = begin(5)
    for (const members of [
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3],
    ]) {
      log.feed(members.map((number) => ready(log.state, number)))
      log.feed(members.map((number) => masked(log.state, number)))
      expect(log.state.phase).toBe('witness')
      log.feed(members.map((number) => witness(log.state, number, members.slice(0, -1))))
    }
    expect(log.of('worker-dropped').map(({ worker }) => worker)).toEqual([4, 3])
    expect(log.of('round-repeated').length).toBe(1)
    // The second time the round is over, and leaves the model as it is.
    expect(log.of('round-close')).toMatchObject([{ round: 0, accepted: [] }])
    expect(log.state.spentRho).toBeGreaterThan(one * 1.9)
    expect(log.state.round.number).toBe(1)
  })

  test('take no masked vector of another round, attempt or branch', () => {
    const log = begin(4)
    const early = masked(log.state, 0)
    log.feed([early])
    expect(log.refusals()).toEqual(['commitment: not-now'])
    log.feed([0, 1, 2, 3].map((number) => ready(log.state, number)))
    log.feed([early])
    expect(log.refusals().at(-1)).toBe('commitment: another-branch')
    const before = masked(log.state, 0)
    log.wait(log.state.policy.witnessMs)
    expect(log.state.phase).toBe('gathering')
    log.feed([before])
    expect(log.refusals().at(-1)).toMatch(/^commitment/)
  })

  test('count the same for all: nobody is paid for more steps', () => {
    const log = begin(4)
    log.feed([0, 1, 2, 3].map((number) => ready(log.state, number)))
    log.feed([masked(log.state, 0, order.steps * 2)])
    expect(log.refusals()).toEqual(['commitment: steps-out-of-range'])
  })

  test('fall back to gathering when too few are left', () => {
    const log = begin(3)
    log.feed([0, 1, 2].map((number) => ready(log.state, number)))
    log.feed([0, 1].map((number) => masked(log.state, number)))
    log.wait(log.state.policy.witnessMs)
    expect(log.state.phase).toBe('gathering')
    log.wait(log.state.policy.gatherMs * 2)
    expect(log.state.phase).toBe('gathering')
  })
})

/** A log in which so many workers have joined and begun the first round. */
function begin(workers: number) {
  let now = 1000
  let batch = 0
  const decisions: Decision[] = []
  const log = {
    state: initial(run, { ...order, minWorkers: Math.min(workers, 3) }),
    feed(inbox: readonly Entry.Entry[]) {
      const next = tick(log.state, { now: (now += 10), seed: Hex.sha256(`${batch++}`), inbox })
      log.state = next.state
      decisions.push(...next.outbox)
    },
    wait(ms: number) {
      now += ms
      log.feed([])
    },
    of: <K extends Decision['kind']>(kind: K) =>
      decisions.filter((each): each is Extract<Decision, { kind: K }> => each.kind === kind),
    refusals: () => log.of('entry-refused').map(({ reason }) => reason),
  }
  const all = Array.from({ length: workers }, (_, number) => number)
  log.feed(all.map(join))
  log.feed(all.map((number) => applied(log.state, number)))
  expect(log.state.phase).toBe('round')
  return log
}

function join(number: number): Entry.Entry {
  const message = {
    run,
    worker: addressOf(number),
    peer: `peer ${number}`,
    url: 'https://localhost',
    certificate: Hex.zero,
    graph: order.graph,
    data: Hex.zero,
    compliance: Hex.zero,
    attempt: 0,
  }
  return { kind: 'join', signed: { message, signature } }
}

function ready({ round, began: batch }: State, number: number): Entry.Entry {
  const key = Hex.sha256(`key ${number}`)
  const worker = addressOf(number)
  const message = { run, worker, round: round.number, batch, parent: start, key }
  return { kind: 'ready', signed: { message, signature } }
}

function masked({ round, began: batch }: State, number: number, steps = order.steps): Entry.Entry {
  const message = {
    run,
    worker: addressOf(number),
    round: round.number,
    batch,
    parent: start,
    steps,
    payload: Hex.sha256(`payload ${number}`),
    payloadBytes: 100,
    end: Hex.zero,
    errorBefore: Hex.zero,
    errorIfAccepted: Hex.zero,
    errorIfLate: Hex.zero,
    claim: Hex.zero,
  }
  return { kind: 'commitment', signed: { message, signature } }
}

function witness(
  { round, began: batch }: State,
  number: number,
  held: readonly number[],
): Entry.Entry {
  const worker = addressOf(number)
  const message = { run, worker, round: round.number, batch, held: bitmapOf(held) }
  return { kind: 'witness', signed: { message, signature } }
}

function applied({ round: { number: rounds, batch } }: State, number: number): Entry.Entry {
  const said = { lossMicro: 0, heldOutMicro: 0, sentBytes: 0, receivedBytes: 0 }
  const message = { run, worker: addressOf(number), rounds, replica: start, batch, ...said }
  return { kind: 'applied', signed: { message, signature } }
}
