import OpenAI from 'openai'
import { createKey } from '../src/gateway/keys.ts'
import { memoryBuyer } from '../src/gateway/memoryBuyer.ts'
import { startGateway, type Gateway } from '../src/gateway/startGateway.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import type { Logger } from '../src/runtime/Logger.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import type { Store } from '../src/runtime/Store.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'

/** A gateway on a memory buyer, listening on a free port, with one key and the official client. */
export async function gatewayOnMemory(options: gatewayOnMemory.Options = {}) {
  const { store = memoryStore(), logger = silentLogger(), key = {} } = options
  const { clock = systemClock() } = options
  const ports = { store, clock, random: systemRandom(), logger }
  const buyer = memoryBuyer(ports, options.buyer)
  const gateway: Gateway = await startGateway({ ...ports, buyer }, options.gateway)
  const { secret, key: apiKey } = await createKey(ports, {
    name: 'test',
    capMicroUsd: 1_000_000n,
    ...key,
  })
  const client = new OpenAI({ apiKey: secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${gateway.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${secret}`, ...(init.headers as object) },
    })
  return {
    ports,
    store,
    buyer,
    gateway,
    secret,
    apiKey,
    client,
    call,
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

export declare namespace gatewayOnMemory {
  type Options = {
    store?: Store
    logger?: Logger
    /** @default the system's */
    clock?: Clock
    buyer?: memoryBuyer.Options
    gateway?: startGateway.Options
    key?: Partial<createKey.Options>
  }
}
