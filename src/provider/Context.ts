import type { Chain } from '../chain/Chain.ts'
import type { Engine } from '../engine/Engine.ts'
import type { Network } from '../network/Network.ts'
import type { Bulk } from '../network/Bulk.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { BidBook } from './answerOrder.ts'
import type { Journal } from './Journal.ts'
import type { LeaseBook } from './LeaseBook.ts'
import type { Outbox } from './Outbox.ts'
import type { Settings } from './Settings.ts'
import type { Turns } from './turns.ts'

/** What every part of one provider works with. */
export type Context = {
  readonly identity: Identity
  readonly chain: Chain
  readonly network: Network
  readonly engine: Engine
  readonly bulk: Bulk | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: Settings
  readonly journal: Journal
  readonly book: LeaseBook
  readonly bids: BidBook
  readonly outbox: Outbox
  /** Lease requests and payments of one lease wait for each other. */
  readonly inTurn: Turns
  /** Ends when the provider does. */
  readonly signal: AbortSignal
  /** Places for jobs that are taken. */
  readonly places: { taken: number }
}
