/** A process that can die between any two calls it makes to the outside world, as `kill -9` does. */
import type { Chain } from '../src/chain/Chain.ts'
import type { Network } from '../src/network/Network.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import type { Store } from '../src/runtime/Store.ts'

export type Mortal = {
  readonly dead: () => boolean
  /** Calls made so far. */
  readonly calls: () => number
  readonly store: (store: Store) => Store
  readonly chain: (chain: Chain) => Chain
  readonly network: (network: Network) => Network
}

/**
 * Dies at its `call`-th call to store, chain or network: before the call has an effect, or right after it.
 * A write takes its time, so that whoever answers before it is done is found out. What a dead process asked for never comes back, and `onDeath` is called at once.
 */
export function mortal({
  clock,
  call = Number.POSITIVE_INFINITY,
  when = 'before',
  onDeath = () => {},
}: {
  /** Whose time a write takes; without it a write takes none. */
  clock?: Clock | undefined
  call?: number | undefined
  when?: 'before' | 'after'
  onDeath?: () => void
}): Mortal {
  let calls = 0
  let dead = false
  const forever = () => new Promise<never>(() => {})
  const die = () => {
    dead = true
    onDeath()
    return forever()
  }

  async function through<result>(effect: () => Promise<result>): Promise<result> {
    if (dead) return await forever()
    const isLast = ++calls === call
    if (isLast && when === 'before') return await die()
    const result = await effect()
    return isLast ? await die() : dead ? await forever() : result
  }

  return {
    dead: () => dead,
    calls: () => calls,
    store: (store) => ({
      get: (table, key) => through(() => store.get(table, key)),
      list: (table, options) => through(() => store.list(table, options)),
      async write(writes) {
        await clock?.sleep(5)
        await through(() => store.write(writes))
      },
      [Symbol.asyncDispose]: async () => {},
    }),
    chain: (chain) => ({
      ...chain,
      head: () => through(() => chain.head()),
      lease: (key) => through(() => chain.lease(key)),
      registration: (provider) => through(() => chain.registration(provider)),
      send: (action, options) => through(() => chain.send(action, options)),
    }),
    network: (network) => ({
      ...network,
      publish: (topic, body) => through(() => network.publish(topic, body)),
    }),
  }
}
