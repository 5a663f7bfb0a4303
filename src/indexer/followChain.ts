import { UnavailableError, type Chain, type ChainEvent } from '../chain/Chain.ts'
import type { Clock } from '../runtime/Clock.ts'
import { messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Change, ChainStatus, Conservation } from './Api.ts'
import * as ledger from './ledger.ts'
import type { Database } from './openDatabase.ts'
import * as tables from './tables/chainTables.ts'

/** Reads the chain's events into the tables, again and again, until `signal` aborts. */
export async function followChain(
  ports: followChain.Ports,
  options: followChain.Options,
): Promise<void> {
  const { clock, logger } = ports
  const { onStatus, pollMs, signal } = options
  let reachable = true
  while (!signal.aborted) {
    try {
      const head = await syncChain(ports, options)
      onStatus({ state: 'live', ...head })
      if (!reachable) logger.info({}, 'The chain answers again.')
      reachable = true
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof UnavailableError)
        onStatus({ state: 'unreachable', block: null, at: null })
      if (reachable) logger.warn({ error }, `The chain cannot be read: ${messageOf(error)}`)
      reachable = false
    }
    await clock.sleep(pollMs, { signal }).catch(() => undefined)
  }
}

export declare namespace followChain {
  type Ports = { chain: Chain; clock: Clock; logger: Logger; database: Database }
  type Options = {
    readonly onChange: (changes: readonly Change[]) => void
    readonly onStatus: (status: ChainStatus) => void
    readonly pollMs: number
    /** How many blocks are compared with the chain on every look; deeper ones only when these differ. */
    readonly depth: number
    /** How many blocks one request asks for. */
    readonly pageBlocks: number
    readonly signal: AbortSignal
  }
}

/**
 * One look at the chain. Events of the last `depth` blocks are compared with those in the tables; where
 * they part, the tables are rolled back and filled again. When even the oldest of them differs, the look
 * goes back four times as far, to the first block if need be: a chain that was restarted is found out.
 */
export async function syncChain(
  { chain, database, logger }: Pick<followChain.Ports, 'chain' | 'database' | 'logger'>,
  { onChange, depth, pageBlocks, signal }: Omit<followChain.Options, 'onStatus' | 'pollMs'>,
): Promise<{ block: number; at: number }> {
  const head = await chain.head()
  const number = Number(head.number)
  const status = { block: number, at: head.timestampSeconds * 1000 }
  const cursor = tables.readCursor(database)
  if (cursor?.block === number && cursor.hash === head.hash) return status

  let from = cursor ? Math.max(0, Math.min(cursor.block, number) - depth) : 0
  for (let looks = 0; looks < 32; looks++) {
    signal.throwIfAborted()
    const to = Math.min(number, from + pageBlocks - 1)
    const events = await chain.events({ from: BigInt(from), to: BigInt(to) })
    const stored = tables.placesFrom(database, from)
    const known = stored.filter((place) => place.block <= to)
    const parting = partingOf(known, events)
    if (parting === 0 && known.length > 0 && from > 0) {
      from = Math.max(0, number - 4 * (number - from + 1))
      continue
    }
    // Rows beyond the head belong to blocks that are no more; a page in the middle has nothing to say of them.
    const gone = to === number ? stored.find((place) => place.block > number)?.block : undefined
    const at = Math.min(partingBlock(known, events, parting), gone ?? Number.MAX_SAFE_INTEGER)
    const fresh = events.filter((event) => Number(event.block) >= at)
    if (known.length > parting || gone !== undefined)
      logger.warn({ block: at }, 'The chain was reorganised; the tables follow it.')
    const next = { block: to, hash: to === number ? head.hash : null }
    onChange(tables.replaceEvents(database, { from: at, events: fresh, cursor: next }))
    if (to === number) {
      onChange([{ kind: 'chain', id: String(number) }])
      await checkConservation(chain, database, status, head.hash)
      return status
    }
    looks = 0
    from = to + 1
  }
  return status
}

/** Index of the first event in which both lists differ; their length when they do not. */
function partingOf(stored: readonly tables.Place[], events: readonly ChainEvent[]): number {
  const length = Math.min(stored.length, events.length)
  for (let index = 0; index < length; index++) {
    const place = stored[index]!
    const event = events[index]!
    if (
      place.blockHash !== event.blockHash ||
      place.transaction !== event.transaction ||
      place.type !== event.type
    )
      return index
  }
  return length
}

function partingBlock(
  stored: readonly tables.Place[],
  events: readonly ChainEvent[],
  parting: number,
): number {
  const event = events[parting]
  return Math.min(
    stored[parting]?.block ?? Number.MAX_SAFE_INTEGER,
    event ? Number(event.block) : Number.MAX_SAFE_INTEGER,
  )
}

/** Compares the vault's balance with its books, unless the chain moved on while it was asked. */
async function checkConservation(
  chain: Chain,
  database: Database,
  { block, at }: { block: number; at: number },
  hash: string,
): Promise<void> {
  const balance = await chain.balance(chain.domain.vault)
  const after = await chain.head()
  if (after.hash !== hash) return
  const expected = ledger.owed(tables.readMoney(database))
  const check: Conservation = {
    block,
    at,
    balance: String(balance),
    expected: String(expected),
    difference: String(balance - expected),
    conserved: balance >= expected,
  }
  tables.writeConservation(database, check)
}
