import type * as Hex from '../../protocol/Hex.ts'
import { BaseError } from '../../runtime/Errors.ts'

/** Thrown when a dispute cannot be played because nothing is known of the run that it is about. */
export class UnknownRunError extends BaseError {
  override readonly code = 'Dispute.UnknownRunError'

  constructor(claim: Hex.Hex) {
    super('Nothing here says what the run of the claim follows from, so no move can be computed.', {
      metaMessages: [
        `Claim: ${claim}`,
        'Fix: `weft dispute play` with --run FOLDER of the same training run, or, for an answer, --model FILE',
        'and the request: `weft dispute open` with the job, or with a file that has the request beside the claim.',
      ],
    })
  }
}

/** Thrown when claims should be disputed without the engine that computes them. */
export class NotExactError extends BaseError {
  override readonly code = 'Dispute.NotExactError'

  constructor() {
    super('Only exact work can be disputed, and nothing here computes it.', {
      metaMessages: ['Fix: add --exact, or --engine exact.'],
    })
  }
}
