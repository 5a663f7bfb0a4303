/**
 * The root of every error this project throws.
 *
 * @example
 * ```ts
 * try {
 *   for await (const event of buyer.complete(request)) show(event)
 * } catch (error) {
 *   if (error instanceof Errors.BaseError && error.code === 'Buyer.NoProviderError') retryLater()
 * }
 * ```
 */
export abstract class BaseError extends Error {
  /** Stable, namespaced name of the error. Survives a trip over the network, where classes do not. */
  abstract readonly code: string
  /** What went wrong, in one sentence. */
  readonly shortMessage: string

  constructor(shortMessage: string, options: BaseError.Options = {}) {
    const { cause, metaMessages = [] } = options
    super([shortMessage, ...metaMessages].join('\n'), { cause })
    this.name = new.target.name
    this.shortMessage = shortMessage
  }
}

export declare namespace BaseError {
  type Options = {
    /** The error that caused this one. */
    cause?: unknown
    /** Facts that help the reader fix the problem, one per line. */
    metaMessages?: readonly string[] | undefined
  }
}

/** The stable code of anything thrown; `Internal.UnknownError` when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof BaseError ? error.code : 'Internal.UnknownError'
}

/** One sentence about anything thrown, safe to show to a peer or a user. */
export function messageOf(error: unknown): string {
  if (error instanceof BaseError) return error.shortMessage
  return error instanceof Error ? error.message : String(error)
}
