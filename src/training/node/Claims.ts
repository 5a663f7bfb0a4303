import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import type { Replica } from '../Replica.ts'
import type { SegmentClaim } from '../segmentClaim.ts'

/** How a worker answers for its segments on a chain, and has false claims of others decided there. */
export type Claims = {
  /**
   * Signs what a segment of ours came to, and keeps what its defence takes.
   *
   * @param begin the state that the segment began with, moments left out.
   */
  sign(segment: SegmentClaim, begin: Replica): Promise<Signed<ExactClaim>>
  /** Why nobody answers for a claim of another: its bond, its window, its signer's credit; undefined when somebody does. */
  obstacle(claim: ExactClaim): Promise<string | undefined>
  /** Has the chain decide about a claim that is false. Twice is once. */
  challenge(claim: Signed<ExactClaim>, begin: Replica): Promise<void>
}
