import type { DisputeParameters } from '../../chain/Chain.ts'
import { BaseError } from '../../runtime/Errors.ts'

/**
 * For how many seconds a claim can be challenged: what was asked for, or half of what the chain allows.
 *
 * @throws {WindowTooLongError} when it is longer than the stake is held.
 */
export function windowFor(
  { windowSeconds }: Pick<DisputeParameters, 'windowSeconds'>,
  asked = Math.ceil(windowSeconds / 2),
): number {
  if (asked > windowSeconds) throw new WindowTooLongError(asked, windowSeconds)
  return asked
}

/** Thrown when a claim would be open to challenge longer than the stake is held. */
class WindowTooLongError extends BaseError {
  override readonly code = 'Cli.WindowTooLongError'

  constructor(asked: number, most: number) {
    super('Nobody would answer for a claim with so long a window: the stake may be gone by then.', {
      metaMessages: [
        `Asked: ${asked} seconds; the most here: ${most}`,
        'Fix: give a shorter window.',
      ],
    })
  }
}
