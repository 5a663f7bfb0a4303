import { BaseError } from '../runtime/Errors.ts'

/** Every code with which a provider says no. Buyers act on them, so they never change. */
export type Code =
  /** All places are taken; ask again or elsewhere. */
  | 'Provider.BusyError'
  /** Too much delivered work of this lease is unpaid; pay first. */
  | 'Provider.CreditError'
  /** The job could cost more than what is left of the lease's funds; raise the lease. */
  | 'Provider.BudgetError'
  /** The lease is not ready: only probes of a few tokens are served before `ready`. */
  | 'Provider.NotReadyError'
  /** All probes of this state of the lease were used; send `ready` or `close`. */
  | 'Provider.ProbeLimitError'
  /** The job has been sent before and was not delivered; send a new one. */
  | 'Provider.ReplayError'
  /** Not the party this message must come from, or not meant for this provider. */
  | 'Provider.ForbiddenError'
  /** The message has expired, or comes from the future. */
  | 'Provider.ExpiredError'
  | 'Provider.UnknownLeaseError'
  | 'Provider.UnknownBidError'
  /** The lease is signed, but not on the chain yet; send it again. */
  | 'Provider.LeaseNotOpenError'
  /** The chain has lost the lease and did not take it back; what is delivered in it could not be paid. */
  | 'Provider.UnsecuredError'
  /** The lease is closing, closed or too close to its expiry. */
  | 'Provider.LeaseClosedError'
  /** The lease does not fit the bid it names. */
  | 'Provider.TermsError'
  /** The job does not fit the lease, or its request does not have the hash that was signed. */
  | 'Provider.JobError'
  /** The model of the lease is not served any more, or with other weights. */
  | 'Provider.ModelChangedError'
  /** A voucher promises less than an earlier one. */
  | 'Provider.VoucherDownError'
  /** A voucher promises more than the lease reserves. */
  | 'Provider.VoucherOverTotalError'
  /** The job is not known, was not delivered, or its evidence is no longer kept. */
  | 'Provider.NoEvidenceError'
  /** The engine broke a rule: too many tokens, no end, nonsense. Nothing is charged. */
  | 'Provider.EngineFaultError'
  /** Nothing moved for too long: the engine made no token, or the buyer read none. Nothing is charged. */
  | 'Provider.StalledError'

/** Thrown when a provider does not do what a peer asks. Its code and its sentence reach the peer. */
export class RefusedError extends BaseError {
  override readonly code: Code

  constructor(code: Code, sentence: string) {
    super(sentence)
    this.code = code
  }
}
