import * as z from 'zod/mini'
import * as Completion from '../protocol/Completion.ts'
import * as Json from '../protocol/Json.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Store } from '../runtime/Store.ts'
import type { ApiKey } from './keys.ts'
import type { ResponseObject } from './responseAnswer.ts'
import type { Message } from './responses.ts'

/** Responses kept for their key with `store: true`, on this machine alone; see and delete them by id. */
export type ResponseStore = {
  /** Keeps a response; the key's oldest go when there are more than the limit. */
  save(key: ApiKey, response: ResponseObject, messages: readonly Message[]): Promise<void>
  /** Undefined when it was never stored, is deleted or too old, or belongs to another key. */
  load(key: ApiKey, id: string): Promise<StoredResponse | undefined>
  /** Whether there was one. */
  remove(key: ApiKey, id: string): Promise<boolean>
}

export type StoredResponse = {
  readonly response: Readonly<Record<string, unknown>>
  /** The whole conversation, the answer included. */
  readonly messages: readonly Message[]
}

/** Opens the stored responses. */
export function responseStore(
  { store, clock }: { store: Store; clock: Clock },
  options: responseStore.Options = {},
): ResponseStore {
  const { limit = 256, retentionMs = 30 * 24 * 3600 * 1000 } = options
  return {
    async save(key, response, messages) {
      const { id } = response
      const savedAt = clock.now()
      const order = `${key.id}/${savedAt.toString().padStart(15, '0')}/${id}`
      const older = await store.list(tables.order, { prefix: `${key.id}/`, limit: limit + 16 })
      const spare = older.slice(0, Math.max(0, older.length + 1 - limit))
      await store.write([
        ...spare.flatMap(({ key: old }) => [
          { table: tables.order, key: old, value: undefined },
          { table: tables.responses, key: `${key.id}/${idIn(old)}`, value: undefined },
        ]),
        { table: tables.order, key: order, value: '' },
        {
          table: tables.responses,
          key: `${key.id}/${id}`,
          value: Json.stringify({ response, messages, savedAt }),
        },
      ])
    },
    async load(key, id) {
      const found = await read(store, key, id)
      return found && found.savedAt + retentionMs > clock.now() ? found : undefined
    },
    async remove(key, id) {
      const found = await read(store, key, id)
      if (!found) return false
      const order = `${key.id}/${found.savedAt.toString().padStart(15, '0')}/${id}`
      await store.write([
        { table: tables.order, key: order, value: undefined },
        { table: tables.responses, key: `${key.id}/${id}`, value: undefined },
      ])
      return true
    },
  }
}

export declare namespace responseStore {
  type Options = {
    /** Responses kept for each key. @default 256 */
    limit?: number | undefined
    /** How long one is kept. @default 30 days */
    retentionMs?: number | undefined
  }
}

const tables = { responses: 'gateway-responses', order: 'gateway-response-order' } as const

const schema = z.strictObject({
  response: z.record(z.string(), z.unknown()),
  messages: z.array(Completion.message),
  savedAt: z.int(),
})

async function read(store: Store, key: ApiKey, id: string) {
  const value = await store.get(tables.responses, `${key.id}/${id}`)
  if (value === undefined) return undefined
  return Json.parse(schema, JSON.parse(value), { what: 'stored response' })
}

function idIn(order: string): string {
  return order.slice(order.lastIndexOf('/') + 1)
}
