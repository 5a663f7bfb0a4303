import { NoProviderError } from '../buyer/Buyer.ts'
import { BaseError, codeOf, messageOf } from '../runtime/Errors.ts'
import { InvalidKeyError, type ApiKey } from './keys.ts'

/** An error as OpenAI's clients know it: a status, a body, and what helps the client decide to retry. */
export type Problem = {
  readonly status: number
  readonly body: {
    readonly error: {
      readonly message: string
      readonly type: string
      readonly param: string | null
      readonly code: string
    }
  }
  readonly headers: Readonly<Record<string, string>>
}

/** The problem that anything thrown becomes at the edge. What is not ours says nothing of its inside. */
export function from(error: unknown): Problem {
  if (error instanceof RequestError)
    return make(error.status, error.openaiCode, error.message, error)
  if (error instanceof InvalidKeyError) {
    const code = {
      unknown: 'invalid_api_key',
      revoked: 'revoked_api_key',
      expired: 'expired_api_key',
    }
    return make(401, code[error.why], error.message)
  }
  const ours = causeOf(error)
  const known = table.find(([pattern]) => pattern.test(ours))
  if (known) {
    const [, status, code, retry] = known
    return make(status, code, textOf(error), retry === undefined ? {} : { retry })
  }
  const { code = '', statusCode = 500 } = (error ?? {}) as { code?: string; statusCode?: number }
  const http = fastifyProblems[code] ?? (statusCode < 500 ? [statusCode, 'invalid_request'] : null)
  if (http) return make(http[0], http[1], messageOf(error))
  return make(
    500,
    'internal_error',
    'The gateway failed; its log has the request id and the reason.',
  )
}

/** Nobody serves a buyer without money: the missing money is what to tell. */
function causeOf(error: unknown): string {
  const own = error instanceof NoProviderError ? error.reasons : []
  return own.find(({ code }) => code === 'Buyer.DepositError')?.code ?? codeOf(error)
}

/** Whether the problem is ours, and so belongs in the log as an error. */
export function isOurs({ status }: Problem): boolean {
  return status === 500
}

/**
 * Lets operator keys pass.
 *
 * @throws {RequestError} 403 for any other.
 */
export function requireOperator({ operator }: ApiKey, what: string): void {
  if (operator) return
  throw new RequestError(`${what} for operator keys.`, {
    status: 403,
    code: 'operator_key_required',
    metaMessages: ['Fix: make one with `weft keys create --operator`.'],
  })
}

type Retry = 'no' | number

/** From the stable code of an error to its status and OpenAI's code; first match. `no`: repeating is useless; a number: seconds to wait. */
const table: readonly (readonly [RegExp, number, string, Retry?])[] = [
  [/^Gateway\.CapError$/, 429, 'insufficient_quota', 'no'],
  [/^Gateway\.(BacklogError|HeldError)$/, 429, 'rate_limit_exceeded', 1],
  [/^Gateway\.DeadlineError$/, 504, 'timeout', 'no'],
  [/^Gateway\.StoppingError$/, 503, 'stopping', 2],
  [/^Buyer\.NoProviderError$/, 503, 'no_provider', 2],
  [/^Buyer\.BusyError$/, 503, 'overloaded', 1],
  [/^(Chain\.Insufficient|Buyer\.DepositError$)/, 402, 'gateway_out_of_funds', 'no'],
  [/^Engine\.ContextLengthError$/, 400, 'context_length_exceeded'],
  [/^Engine\.UnsupportedError$/, 400, 'unsupported_parameter'],
  [/^Chain\.UnavailableError$/, 503, 'chain_unavailable', 2],
  [/^Store\./, 503, 'storage_failed', 5],
  [/TimeoutError$/, 504, 'provider_timeout'],
  [/^(Buyer\.InterruptedError|Network\.|Provider\.|Engine\.)/, 502, 'provider_failed'],
]

const fastifyProblems: Readonly<Record<string, readonly [number, string] | undefined>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [413, 'request_too_large'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, 'unsupported_media_type'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, 'invalid_json'],
  FST_ERR_CTP_INVALID_JSON_BODY: [400, 'invalid_json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'invalid_request'],
  FST_ERR_CTP_INVALID_TYPE: [415, 'unsupported_media_type'],
  FST_ERR_BAD_URL: [400, 'invalid_url'],
}

function make(
  status: number,
  code: string,
  message: string,
  options: { param?: string | undefined; retry?: Retry | undefined } = {},
): Problem {
  const { param, retry } = options
  const headers: Record<string, string> = {}
  if (retry === 'no') headers['x-should-retry'] = 'false'
  else if (retry !== undefined) headers['retry-after'] = String(retry)
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  return {
    status,
    body: { error: { message, type: typeOf(status, code), param: param ?? null, code } },
    headers,
  }
}

function typeOf(status: number, code: string): string {
  if (code === 'insufficient_quota') return 'insufficient_quota'
  if (status === 429) return 'requests'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** All facts of our own errors: they are written for the reader and hold no secrets. */
function textOf(error: unknown): string {
  return error instanceof BaseError ? error.message.slice(0, 4096) : messageOf(error)
}

/** Thrown when a request cannot be served as it stands. `param` names the field at fault. */
export class RequestError extends BaseError {
  override readonly code = 'Gateway.RequestError'
  readonly status: number
  readonly openaiCode: string
  readonly param: string | undefined
  readonly retry: Retry | undefined

  constructor(
    shortMessage: string,
    facts: {
      status?: number
      code: string
      param?: string | undefined
      retry?: Retry | undefined
      metaMessages?: readonly string[]
    },
  ) {
    super(shortMessage, { metaMessages: facts.metaMessages })
    this.status = facts.status ?? 400
    this.openaiCode = facts.code
    this.param = facts.param
    this.retry = facts.retry
  }
}

/** Thrown when an answer takes longer than the gateway waits. */
export class DeadlineError extends BaseError {
  override readonly code = 'Gateway.DeadlineError'

  constructor({ timeoutMs }: { timeoutMs: number }) {
    super('The answer took too long; nothing undelivered is charged.', {
      metaMessages: [`Waited: ${timeoutMs} ms`, 'Fix: ask for fewer tokens.'],
    })
  }
}

/** Thrown to requests in flight when the gateway stops. */
export class StoppingError extends BaseError {
  override readonly code = 'Gateway.StoppingError'

  constructor() {
    super('The gateway stops; nothing undelivered is charged.', {
      metaMessages: ['Fix: send the request again.'],
    })
  }
}
