import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import { protocol } from './startLogSync.ts'

/**
 * Asks a node of a run for its log from a batch on; nothing of it is checked but its form.
 *
 * @param options.most batches that are taken at most, give or take those of one reply.
 */
export async function fetchBatches(
  { network }: { network: Network },
  { peer, run, from, most = 32_768, signal }: fetchBatches.Options,
): Promise<readonly Batch.Batch[]> {
  const all: Batch.Batch[] = []
  while (all.length < most) {
    const request = Json.toBytes({ run, from: from + all.length })
    const reply = await ask(network, peer, protocol, request, { signal, idleTimeoutMs: 5_000 })
    const { batches } = Json.decode(replySchema, reply, { what: 'batches of a run' })
    if (batches.length === 0) break
    all.push(...batches)
  }
  return all
}

export declare namespace fetchBatches {
  type Options = {
    peer: string
    run: Hex.Hex
    /** Sequence number of the first. */
    from: number
    /** @default 32_768 */
    most?: number | undefined
    signal?: AbortSignal | undefined
  }
}

const replySchema = z.strictObject({ batches: z.array(Batch.schema).check(z.maxLength(32)) })
