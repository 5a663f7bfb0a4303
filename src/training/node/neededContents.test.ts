import { describe, expect, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import * as Commitment from '../../protocol/training/Commitment.ts'
import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { initial, type State } from '../coordinator/State.ts'
import { commitmentsIn, neededContents } from './neededContents.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const
const worker = Identity.from(new Uint8Array(32).fill(1))
const run = Hex.sha256('run')
const nameOf = (what: string, round: number) => Hex.sha256(`${what} ${round}`)
const batches = Array.from({ length: 10 }, (_, round) => batchOf(round))

describe('neededContents', () => {
  test('keeps payloads of the last rounds, or of all, and error vectors of the last four', () => {
    const few = neededContents(stateIn(10), batches, { own: worker.address, payloadRounds: 6 })
    expect(few.has(nameOf('payload', 3))).toBe(false)
    expect(few.has(nameOf('payload', 4))).toBe(true)
    expect(few.has(nameOf('accepted', 5))).toBe(false)
    expect(few.has(nameOf('accepted', 6))).toBe(true)
    const all = neededContents(stateIn(10), batches, { own: worker.address })
    expect(all.has(nameOf('payload', 0))).toBe(true)
    expect(all.has(nameOf('late', 0))).toBe(false)
    expect(all.has(Hex.zero)).toBe(false)
  })

  test('keeps what audits of an open round may ask for, however old, and our own error vector', () => {
    const open = [{ number: 2, closedAt: 0, batch: run, contributions: new Map(), groups: [] }]
    const own = { number: 0, error: nameOf('accepted', 0) } as State['workers'][number]
    const state = { ...stateIn(10), open, workers: [own], numbers: new Map([[worker.address, 0]]) }
    const needed = neededContents(state, batches, { own: worker.address, payloadRounds: 4 })
    expect(needed.has(nameOf('late', 2))).toBe(true)
    expect(needed.has(nameOf('payload', 2))).toBe(true)
    expect(needed.has(nameOf('payload', 1))).toBe(false)
    expect(needed.has(nameOf('accepted', 0))).toBe(true)
  })
})

describe('commitmentsIn', () => {
  test('gives those of all batches in order', () => {
    expect([...commitmentsIn(batches)].map(({ round }) => round)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ])
  })
})

function stateIn(round: number): State {
  const state = initial(run, {} as TrainingOrder)
  return { ...state, round: { ...state.round, number: round } }
}

function batchOf(round: number): Batch.Batch {
  const message: Commitment.Commitment = {
    run,
    worker: worker.address,
    round,
    batch: run,
    parent: Hex.zero,
    steps: 1,
    payload: nameOf('payload', round),
    payloadBytes: 1,
    end: Hex.zero,
    errorBefore: Hex.zero,
    errorIfAccepted: nameOf('accepted', round),
    errorIfLate: nameOf('late', round),
    claim: Hex.zero,
  }
  const entries = [
    { kind: 'commitment', signed: Commitment.sign(domain, message, worker) },
  ] as const
  const head = { run, term: 0, sequence: round, previous: Hex.zero, now: round }
  return Batch.sign(domain, { head, entries }, worker)
}
