import { describe, expect, test } from 'vitest'
import { identityOf } from '../../test/providerWorld.ts'
import { receiptOf } from '../../test/receipts.ts'
import type * as Receipt from '../protocol/Receipt.ts'
import { verifyReceipt } from './verifyReceipt.ts'

const failures = (
  { domain, receipt, facts }: ReturnType<typeof receiptOf>,
  given: verifyReceipt.Facts = facts,
) =>
  verifyReceipt(domain, receipt, given)
    .filter(({ ok }) => !ok)
    .map(({ code }) => code)

describe('verifyReceipt', () => {
  test('finds nothing wrong with an honest receipt', () => {
    const { domain, receipt, facts } = receiptOf()
    const checks = verifyReceipt(domain, receipt, facts)
    expect(checks.filter(({ ok }) => !ok)).toEqual([])
    expect(checks.length).toBeGreaterThan(15)
    expect(checks[0]).toEqual({
      what: `Provider ${receipt.message.provider} signed it, for this network`,
      code: 'Receipt.NotSigned',
      ok: true,
    })
  })

  test('checks only what is at hand', () => {
    const { domain, receipt, facts } = receiptOf()
    const { request, output } = facts
    expect(verifyReceipt(domain, receipt)).toHaveLength(4)
    expect(verifyReceipt(domain, receipt, { request }).length).toBeLessThan(
      verifyReceipt(domain, receipt, { request, output }).length,
    )
  })

  test('finds a receipt that was changed after it was signed', () => {
    const made = receiptOf()
    const message = { ...made.receipt.message, priceMicroUsd: 1n }
    const receipt = { ...made.receipt, message }
    expect(failures({ ...made, receipt })).toEqual(['Receipt.NotSigned'])
  })

  test('finds a receipt of another network', () => {
    const made = receiptOf()
    expect(failures({ ...made, domain: { ...made.domain, chainId: 1 } })).toContain(
      'Receipt.NotSigned',
    )
  })

  test.each<[string, Partial<Receipt.Receipt>]>([
    ['Receipt.TooManyTokens', { maxTokens: 1, outputTokens: 2 }],
    ['Receipt.TimesDisordered', { startedAt: 2_000, endedAt: 1_000 }],
    ['Receipt.ProbeCharged', { readyAt: 0, priceMicroUsd: 1n }],
    ['Receipt.JobDiffers', { job: `0x${'11'.repeat(32)}` }],
    ['Receipt.LeaseDiffers', { lease: `0x${'11'.repeat(32)}` }],
    ['Receipt.BuyerDiffers', { buyer: identityOf('other').address }],
    ['Receipt.RequestDiffers', { request: `0x${'11'.repeat(32)}` }],
    ['Receipt.ModelDiffers', { model: 'other' }],
    ['Receipt.SeedDiffers', { seed: 1 }],
    ['Receipt.TemperatureDiffers', { temperatureMicro: 1 }],
    ['Receipt.TopPDiffers', { topPMicro: 1 }],
    ['Receipt.MaxTokensDiffers', { maxTokens: 9_999 }],
    ['Receipt.OutputDiffers', { output: `0x${'11'.repeat(32)}` }],
    ['Receipt.TokensMissing', { outputTokens: 0 }],
  ])('finds %s', (code, changes) => {
    expect(failures(receiptOf(changes))).toContain(code)
  })

  test('finds a receipt that another provider signed', () => {
    const made = receiptOf({ provider: identityOf('other').address })
    expect(failures(made)).toEqual(['Receipt.NotSigned', 'Receipt.ProviderDiffers'])
  })

  test('finds a job that its buyer did not sign', () => {
    const made = receiptOf()
    const job = { ...made.facts.job, signature: made.receipt.signature }
    expect(failures(made, { job })).toEqual(['Job.NotSigned'])
  })

  test('says what is there and what should be', () => {
    const { domain, receipt, facts } = receiptOf({ seed: 1 })
    const failed = verifyReceipt(domain, receipt, facts).find(({ ok }) => !ok)
    expect(failed).toMatchObject({
      what: 'Its seed is that of the request',
      reason: '1 instead of 7',
    })
  })
})
