import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { Context } from './Context.ts'
import { RefusedError } from './RefusedError.ts'

/**
 * Hands out what is needed to check a receipt, to the job's buyer and the validators of its order.
 *
 * @throws {RefusedError} when the job is not known here, or the peer may not read it.
 */
export async function answerEvidence(
  { journal, settings }: Context,
  body: Uint8Array,
  reader: Hex.Address,
): Promise<Exchange.Evidence> {
  const { job } = Json.decode(Exchange.evidenceRequest, body, { what: 'EvidenceRequest' })
  const row = await journal.evidence(job)
  const allowed = settings.validators.includes(reader) || row?.readers.includes(reader)
  if (row && allowed) return row.evidence
  if (row)
    throw new RefusedError(
      'Provider.ForbiddenError',
      'Only the buyer and the validators that its order names may read this job.',
    )
  throw new RefusedError('Provider.NoEvidenceError', `There is no evidence of job ${job} here.`)
}
