import type { Clock } from '../../runtime/Clock.ts'
import type { Source } from '../Bulk.ts'
import { type BulkSource, bulkSource, type Carrier, LiarError, RefusalError } from './bulkSource.ts'
import { httpsCarrier } from './httpsCarrier.ts'
import { relayedCarrier } from './relayedCarrier.ts'

/** The sources that we talk to, with the connections to them, from one content to the next. */
export type SourcePool = Disposable & {
  /**
   * A source, for as long as it is held.
   *
   * @throws {RefusalError} while it is left alone.
   * @throws {StrangerError} when its address is none.
   */
  take(source: Source): BulkSource & Disposable
  /** Leaves a source alone for a while: it has sent what cannot be right. */
  leaveAlone(source: BulkSource, reason: string): void
}

/** Sources whose connections are kept while nobody needs them, and for how long liars are left alone. */
const kept = 64
const aloneMs = 60_000

/** Creates an empty pool. */
export function sourcePool(ports: sourcePool.Ports): SourcePool {
  const { clock } = ports
  const entries = new Map<string, Entry>()
  const entryOf = new WeakMap<BulkSource, Entry>()

  function open({ url, certificate, peer }: Source): Pick<Entry, 'carry' | 'close'> {
    const relayed =
      peer === undefined || !ports.network
        ? undefined
        : relayedCarrier({ ...ports, network: ports.network }, peer)
    try {
      const direct = httpsCarrier({ url, certificate }, ports)
      const carry = relayed ? either(clock, direct.carry, relayed) : direct.carry
      return { carry, close: () => direct[Symbol.dispose]() }
    } catch (error) {
      if (!relayed) throw error
      return { carry: relayed, close: () => {} }
    }
  }

  function forget(): void {
    for (const [key, { users, aloneUntil, close }] of entries) {
      if (entries.size <= kept) return
      if (users > 0 || (aloneUntil > clock.now() && entries.size <= 2 * kept)) continue
      close()
      entries.delete(key)
    }
  }

  return {
    take(source) {
      const key = `${source.url} ${source.certificate} ${source.peer ?? ''}`
      const entry = entries.get(key) ?? { users: 0, aloneUntil: 0, reason: '', ...open(source) }
      if (entry.aloneUntil > clock.now())
        throw new RefusalError({ reason: `It is left alone for a minute: ${entry.reason}` })
      // The one that was needed longest ago is forgotten first.
      entries.delete(key)
      entries.set(key, entry)
      entry.users++
      forget()
      const release = () => void entry.users--
      const taken = { ...bulkSource(source.url, entry.carry), [Symbol.dispose]: release }
      entryOf.set(taken, entry)
      return taken
    },
    leaveAlone(source, reason) {
      const entry = entryOf.get(source)
      if (entry) Object.assign(entry, { aloneUntil: clock.now() + aloneMs, reason })
    },
    [Symbol.dispose]() {
      for (const { close } of entries.values()) close()
      entries.clear()
    },
  }
}

export declare namespace sourcePool {
  type Ports = httpsCarrier.Options &
    Omit<relayedCarrier.Ports, 'network'> & {
      clock: Clock
      network?: relayedCarrier.Ports['network'] | undefined
    }
}

type Entry = {
  users: number
  aloneUntil: number
  reason: string
  readonly carry: Carrier
  readonly close: () => void
}

/** Over HTTPS, and for a while over the network when that fails; the longer, the more often it failed. */
function either(clock: Clock, direct: Carrier, relayed: Carrier): Carrier {
  let [failures, relayedUntil] = [0, 0]
  return async (hash, part, options) => {
    if (clock.now() < relayedUntil) return await relayed(hash, part, options)
    try {
      const bytes = await direct(hash, part, options)
      failures = 0
      return bytes
    } catch (error) {
      options.signal.throwIfAborted()
      if (error instanceof LiarError || error instanceof RefusalError) throw error
      relayedUntil = clock.now() + Math.min(mostMs, firstMs * 4 ** failures++)
      return await relayed(hash, part, options)
    }
  }
}

const firstMs = 5_000
const mostMs = 300_000
