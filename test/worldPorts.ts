import type { Chain } from '../src/chain/Chain.ts'
import type { Network } from '../src/network/Network.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import { WriteError, type Store, type Write } from '../src/runtime/Store.ts'

/** What one life of a party works with. */
export type Ports = {
  readonly clock: Clock
  readonly chain: Chain
  readonly network: Network
  readonly store: Store
}

/** What the world wants to hear of. */
export type Witness = {
  wrote(writes: readonly Write[]): void
  published(topic: string, body: Uint8Array): void
  sent(action: Parameters<Chain['send']>[0]): void
  /** Whether the disk is full. */
  full(): boolean
}

/**
 * Ports that end like a process under `kill -9`: after `kill` nothing they were asked for is ever
 * answered, so that the code that waits never runs on; what was written or sent before has happened.
 */
export function worldPorts(
  ports: Ports,
  witness: Witness,
): { readonly ports: Ports; kill(): void } {
  let alive = true
  const never = new Promise<never>(() => {})

  /** Starts nothing, and comes back to nobody, once dead. */
  async function living<result>(work: () => Promise<result>): Promise<result> {
    if (!alive) return never
    try {
      const result = await work()
      return alive ? result : await never
    } catch (error) {
      if (!alive) return never
      throw error
    }
  }

  const { clock, chain, network, store } = ports
  return {
    kill: () => void (alive = false),
    ports: {
      clock: {
        now: () => clock.now(),
        sleep: (ms, options) => living(() => clock.sleep(ms, options)),
      },
      chain: {
        ...chain,
        head: () => living(() => chain.head()),
        deposit: (buyer) => living(() => chain.deposit(buyer)),
        lease: (key) => living(() => chain.lease(key)),
        earned: (provider) => living(() => chain.earned(provider)),
        registration: (provider) => living(() => chain.registration(provider)),
        balance: (holder) => living(() => chain.balance(holder)),
        events: (range) => living(() => chain.events(range)),
        send: (action, options) =>
          living(() => {
            witness.sent(action)
            return chain.send(action, options)
          }),
      },
      network: {
        ...network,
        async publish(topic, body) {
          if (!alive) return never
          witness.published(topic, body)
          await network.publish(topic, body)
        },
      },
      store: {
        get: (table, key) => living(() => store.get(table, key)),
        list: (table, options) => living(() => store.list(table, options)),
        write: (writes) =>
          living(async () => {
            if (witness.full())
              throw new WriteError({ cause: new Error('disk full'), path: 'memory' })
            witness.wrote(writes)
            await store.write(writes)
          }),
        async [Symbol.asyncDispose]() {},
      },
    },
  }
}
