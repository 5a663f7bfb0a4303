import { BaseError } from '../../runtime/Errors.ts'

/** Thrown when a payload is not what a worker of the run could have sent. */
export class PayloadError extends BaseError {
  override readonly code = 'Training.PayloadError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
