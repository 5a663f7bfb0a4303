import type * as Domain from '../protocol/Domain.ts'
import type { Evidence, Reason } from '../protocol/Exchange.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { verifyReceipt } from './verifyReceipt.ts'

/**
 * Says why what a provider handed out is not what its receipt is about: every hash, signature and sum
 * that does not fit. Empty when all of it does.
 */
export function checkEvidence(
  domain: Domain.Domain,
  receipt: Signed<Receipt.Receipt>,
  evidence: Evidence,
): readonly Reason[] {
  const id = Receipt.hash(domain, receipt.message)
  const other = Receipt.hash(domain, evidence.receipt.message)
  if (id !== other)
    return [
      {
        code: 'Evidence.ReceiptDiffers',
        message: `It is about receipt ${other}; asked was for ${id}.`,
      },
    ]
  const { job, request, output } = evidence
  return verifyReceipt(domain, receipt, { job, request, output }).flatMap(
    ({ ok, code, what, reason }) => (ok ? [] : [{ code, message: `Not so: ${what}. ${reason}` }]),
  )
}
