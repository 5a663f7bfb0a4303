import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import { initial, type State, type Worker } from '../coordinator/State.ts'
import { isBetter, type Link } from './isBetter.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const
const buyer = Identity.from(new Uint8Array(32).fill(1))
const run = Hex.sha256('run')
const addressOf = (number: number) => `0x${(number + 1).toString(16).padStart(40, '0')}` as const

describe('isBetter', () => {
  test('prefers the branch that more of the crew have seen, whatever its term and length', () => {
    const few = branch('a', { length: 9, term: 5, voters: [0, 1] })
    const many = branch('b', { length: 3, term: 1, voters: [2, 3, 4] })
    expect(isBetter(many, few, forkWith(5))).toBe(true)
    expect(isBetter(few, many, forkWith(5))).toBe(false)
  })

  test('counts a worker once, only if it was there at the fork, and only for what it saw past the fork', () => {
    const loud = branch('a', { length: 3, term: 2, voters: [0, 0, 0, 7, 8, 9] })
    const two = branch('b', { length: 3, term: 1, voters: [1, 2] })
    expect(isBetter(loud, two, forkWith(5))).toBe(false)
    const gone = forkWith(5, { standing: 'gone', accepted: 1 })
    const never = forkWith(5, { standing: 'gone', accepted: 0 })
    expect(isBetter(two, branch('d', { length: 9, term: 9, voters: [3] }), gone)).toBe(true)
    expect(isBetter(two, branch('d', { length: 9, term: 9, voters: [3] }), never)).toBe(false)
    const early = branch('c', { length: 3, term: 9, voters: [0, 1, 3], seen: Hex.sha256('before') })
    expect(isBetter(early, two, forkWith(5))).toBe(false)
  })

  test('decides between equals by term, then length, then hash, the same from either side', () => {
    const fork = forkWith(4)
    const base = branch('a', { length: 3, term: 1, voters: [0, 1] })
    const higher = branch('b', { length: 2, term: 2, voters: [2, 3] })
    const longer = branch('c', { length: 4, term: 1, voters: [2, 3] })
    expect([isBetter(higher, base, fork), isBetter(base, higher, fork)]).toEqual([true, false])
    expect([isBetter(longer, base, fork), isBetter(base, longer, fork)]).toEqual([true, false])
    const other = branch('d', { length: 3, term: 1, voters: [2, 3] })
    expect(isBetter(other, base, fork)).not.toBe(isBetter(base, other, fork))
  })

  test('does not let one who was alone at the fork undo rounds of those who came later', () => {
    const alone = branch('a', { length: 99, term: 9, voters: [0] })
    const round = closed(branch('b', { length: 3, term: 0, voters: [1, 2] }), [1, 2, 3])
    expect(isBetter(alone, round, forkWith(1))).toBe(false)
    expect(isBetter(alone, round, forkWith(0))).toBe(false)
    expect(isBetter(alone, closed(round, [1]), forkWith(1))).toBe(true)
  })
})

function forkWith(crew: number, change: Partial<Worker> = {}): State {
  const state = initial(run, trainingOrder({ buyer: buyer.address }))
  const workers = Array.from({ length: crew }, (_, number) => ({
    address: addressOf(number),
    standing: 'active',
    accepted: 0,
    ...change,
  })) as unknown as readonly Worker[]
  return { ...state, workers }
}

type Options = {
  length: number
  term: number
  voters: readonly number[]
  seen?: Hex.Hex
}

/** Batches in whose last one voters say that they have seen the first. */
function branch(name: string, { length, term, voters, seen }: Options): readonly Link[] {
  return Array.from({ length }, (_, sequence) => {
    const head = { run, term, sequence, previous: run, now: 0 }
    const hash = Hex.sha256(`${name} ${sequence}`)
    const first = seen ?? Hex.sha256(`${name} 0`)
    return {
      batch: Batch.sign(domain, { head, entries: [] }, buyer),
      hash,
      state: forkWith(0),
      decisions: [],
      inbox: sequence === length - 1 ? voters.map((number) => witness(number, first)) : [],
    }
  })
}

function witness(number: number, batch: Hex.Hex): Entry.Entry {
  const message = { run, worker: addressOf(number), round: 0, batch, held: '' }
  return { kind: 'witness', signed: { message, signature: '0x' } }
}

/** A branch that has closed a round of three, after which some reported. */
function closed(links: readonly Link[], reporters: readonly number[]): readonly Link[] {
  const accepted = [1, 2, 3].map((worker) => ({ worker, weight: 1, payload: run }))
  const reports = new Map(reporters.map((worker) => [worker, run]))
  return links.map((link) => ({
    ...link,
    decisions: [{ kind: 'round-close', round: 0, accepted }],
    state: { ...link.state!, round: { ...link.state!.round, number: 1, reports } },
  }))
}
