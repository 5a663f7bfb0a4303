import { describe, expect, test } from 'vitest'
import type { DisputeState } from '../chain/Chain.ts'
import { mayWait, planDispute } from './planDispute.ts'

const state: DisputeState = {
  state: 'open',
  position: '0x',
  number: 4,
  turn: 'claimant',
  claimantSeconds: 100,
  challengerSeconds: 50,
  movedAtSeconds: 1_000,
}
const facts: planDispute.Facts = {
  role: 'claimant',
  state,
  claim: 'challenged',
  nowSeconds: 1_010,
  newestNumber: 0,
  isOffChain: false,
}

describe('planDispute', () => {
  test('moves in our turn, and waits in that of the other', () => {
    expect(planDispute(facts)).toBe('move')
    expect(planDispute({ ...facts, role: 'challenger' })).toBe('wait')
  })

  test('brings what both have signed before it moves, if it is newer', () => {
    expect(planDispute({ ...facts, newestNumber: 5 })).toBe('adopt')
    expect(planDispute({ ...facts, newestNumber: 5, role: 'challenger' })).toBe('adopt')
    expect(planDispute({ ...facts, newestNumber: 4 })).toBe('move')
  })

  test('ends what the other let run out, once it is over', () => {
    const theirs = { ...facts, role: 'challenger' } as const
    expect(planDispute({ ...theirs, nowSeconds: 1_100 })).toBe('wait')
    expect(planDispute({ ...theirs, nowSeconds: 1_101 })).toBe('timeout')
    expect(planDispute({ ...facts, nowSeconds: 1_101 })).toBe('wait')
    const ours = { ...state, turn: 'challenger' } as const
    expect(planDispute({ ...facts, state: ours, nowSeconds: 1_051 })).toBe('timeout')
  })

  test('does nothing while it is played off the chain', () => {
    expect(planDispute({ ...facts, isOffChain: true, newestNumber: 9 })).toBe('wait')
  })

  test('closes when the claim fell elsewhere, and settles when it is over', () => {
    const rejected = { ...facts, claim: 'rejected', isOffChain: true } as const
    expect(planDispute(rejected)).toBe('close')
    for (const end of ['claimant-won', 'challenger-won', 'closed', 'none'] as const)
      expect(planDispute({ ...rejected, state: { ...state, state: end } })).toBe('settle')
  })
})

describe('mayWait', () => {
  const first = { ...state, number: 0 }
  const at = { nowSeconds: 1_020, heardAtSeconds: 0, quietSeconds: 30 }

  test('gives the challenger time to begin, and to go on', () => {
    expect(mayWait(first, at)).toBe(true)
    expect(mayWait(first, { ...at, nowSeconds: 1_030 })).toBe(false)
    expect(mayWait(first, { ...at, nowSeconds: 1_040, heardAtSeconds: 1_020 })).toBe(true)
  })

  test('never takes more than half the clock for it', () => {
    const heard = { nowSeconds: 1_050, heardAtSeconds: 1_049, quietSeconds: 30 }
    expect(mayWait(first, heard)).toBe(false)
  })

  test('does not wait once it goes on on the chain', () => {
    expect(mayWait(state, at)).toBe(false)
  })
})
