import { describe, expect, test } from 'vitest'
import { identityOf } from '../../test/smallMarket.ts'
import * as Settings from './Settings.ts'

describe('from', () => {
  test('fills in what was left out, or left undefined', () => {
    const settings = Settings.from({ verdictTimeoutMs: 5, keepDepositMicroUsd: undefined })
    expect(settings).toMatchObject({ verdictTimeoutMs: 5, providersPerModel: 3 })
    expect(settings.defaultTier).toBe('unverified')
  })

  test('buys checked answers as soon as somebody can check', () => {
    const validators = [identityOf(1).address]
    expect(Settings.from({ validators }).defaultTier).toBe('statistical')
    expect(Settings.from({ validators, defaultTier: 'unverified' }).defaultTier).toBe('unverified')
  })

  test('names no more validators than an order carries', () => {
    const validators = Array.from({ length: 20 }, (_, index) => identityOf(index + 1).address)
    expect(Settings.from({ validators }).validators.length).toBe(16)
  })
})
