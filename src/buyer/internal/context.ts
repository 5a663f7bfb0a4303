import type { Chain } from '../../chain/Chain.ts'
import type { Network } from '../../network/Network.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import type { Clock } from '../../runtime/Clock.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Random } from '../../runtime/Random.ts'
import type { Settings } from '../Settings.ts'
import type { Background } from './background.ts'
import type { Bell } from './bell.ts'
import type { Held } from './held.ts'
import type { Journal } from './journal.ts'
import type { Payments } from './payments.ts'
import type { Providers } from './providers.ts'
import type { Timeline } from './timeline.ts'

/** What every part of one buyer works with. */
export type Context = {
  readonly identity: Identity
  readonly chain: Chain
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: Settings
  readonly journal: Journal
  readonly providers: Providers
  readonly timeline: Timeline
  readonly background: Background
  /** Rings when a lease, a place in one, or an offer has changed. */
  readonly bell: Bell
  /** Leases that are not settled, by id. */
  readonly leases: Map<Hex.Hex, Held>
  readonly payments: Payments
  /** What vouchers promised in leases that are over for good. */
  readonly spent: { settledMicroUsd: bigint }
}
