import { describe, expect, test } from 'vitest'
import { identityOf } from '../../test/smallMarket.ts'
import * as Settings from './Settings.ts'

const parameters = { disputes: { windowSeconds: 1_800 } }

describe('from', () => {
  test('fills in what was left out, or left undefined', () => {
    const settings = Settings.from(
      { verdictTimeoutMs: 5, keepDepositMicroUsd: undefined },
      parameters,
    )
    expect(settings).toMatchObject({ verdictTimeoutMs: 5, providersPerModel: 3 })
    expect(settings.defaultTier).toBe('unverified')
  })

  test('buys checked answers as soon as somebody can check', () => {
    const validators = [identityOf(1).address]
    expect(Settings.from({ validators }, parameters).defaultTier).toBe('statistical')
    expect(Settings.from({ validators, defaultTier: 'unverified' }, parameters).defaultTier).toBe(
      'unverified',
    )
  })

  test('names no more validators than an order carries', () => {
    const validators = Array.from({ length: 20 }, (_, index) => identityOf(index + 1).address)
    expect(Settings.from({ validators }, parameters).validators.length).toBe(16)
  })

  test('wants a quarter of the time that the chain allows for challenges, unless it is told', () => {
    expect(Settings.from({}, parameters).minChallengeWindowMs).toBe(450_000)
    expect(Settings.from({ minChallengeWindowMs: 5 }, parameters).minChallengeWindowMs).toBe(5)
  })
})
