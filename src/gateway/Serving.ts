import type { ServerResponse } from 'node:http'
import type { Buyer } from '../buyer/Buyer.ts'
import type * as Completion from '../protocol/Completion.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Stamp } from './completionAnswer.ts'
import type { ApiKey } from './keys.ts'
import type { Limits } from './limits.ts'
import type { Context } from './parameters.ts'
import type { Problem } from './Problem.ts'
import type { ResponseStore } from './responseStore.ts'
import type { Spending } from './startSpending.ts'
import type { WeftField } from './weftField.ts'

/** What the routes share while the gateway runs. */
export type Serving = {
  readonly buyer: Buyer
  readonly spending: Spending
  readonly responses: ResponseStore
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly context: Context
  readonly stallTimeoutMs: number
  /** A fresh id and the time. */
  readonly stamp: () => Stamp
  /** Counts an answer that was delivered. */
  readonly count: (usage: Completion.Usage, weft: WeftField) => void
  /** Watches over one request: aborts its signal when the client goes, the time is up or we stop. */
  readonly takeOff: (raw: ServerResponse) => Flight
  /** What an error is to the client; errors that are ours are logged. */
  readonly problem: (error: unknown, requestId: string) => Problem
}

/** A request being answered. */
export type Flight = Disposable & {
  readonly signal: AbortSignal
  readonly clientGone: () => boolean
  /** The answer has ended: whatever of it still runs is aborted. */
  readonly land: () => void
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. The hook that sets it lets nobody through without, except on open routes. */
    apiKey: ApiKey
  }
  interface FastifyContextConfig {
    /** Whether a route answers without a key. */
    open?: boolean
  }
}
