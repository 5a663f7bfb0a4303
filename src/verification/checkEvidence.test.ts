import { describe, expect, test } from 'vitest'
import { receiptOf } from '../../test/receipts.ts'
import { checkEvidence } from './checkEvidence.ts'

describe('checkEvidence', () => {
  test('finds nothing against evidence that fits', () => {
    const { domain, receipt, facts } = receiptOf()
    expect(checkEvidence(domain, receipt, { ...facts, receipt })).toEqual([])
  })

  test('finds evidence of another receipt', () => {
    const { domain, receipt, facts } = receiptOf()
    const other = receiptOf({ endedAt: 4_000 }).receipt
    expect(checkEvidence(domain, receipt, { ...facts, receipt: other })).toMatchObject([
      { code: 'Evidence.ReceiptDiffers' },
    ])
  })

  test('finds every part that was swapped', () => {
    const { domain, receipt, facts } = receiptOf()
    const codes = (changes: Partial<typeof facts>) =>
      checkEvidence(domain, receipt, { ...facts, ...changes, receipt }).map(({ code }) => code)
    expect(codes({ output: { ...facts.output, text: 'a loam' } })).toEqual([
      'Receipt.OutputDiffers',
    ])
    expect(codes({ request: { ...facts.request, seed: 8 } })).toEqual([
      'Receipt.RequestDiffers',
      'Receipt.SeedDiffers',
    ])
    const message = { ...facts.job.message, expiresAt: 1 }
    expect(codes({ job: { ...facts.job, message } })).toEqual([
      'Job.NotSigned',
      'Receipt.JobDiffers',
    ])
  })
})
