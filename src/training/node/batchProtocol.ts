import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import type { Log } from '../log/openLog.ts'

/** The protocol by which the nodes of a run hand out its log, a page at a time. */
export const protocol = '/weft/training/1'

/** Hands out the log to whoever asks, from any batch on. */
export function serveBatches(
  { network }: { network: Network },
  log: Pick<Log, 'run' | 'from'>,
): AsyncDisposable {
  return network.handle(protocol, async function* (body) {
    const { run, from } = Json.decode(question, body, { what: 'request for batches' })
    const batches = run === log.run ? log.from(from, pageBatches) : []
    yield Json.toBytes({ batches: fitting(batches) })
  })
}

/** Asks a node of a run for a page of its log; nothing of it is checked but its form. */
export async function fetchPage(
  { network }: { network: Network },
  { peer, run, from, signal }: Place,
): Promise<readonly Batch.Batch[]> {
  const body = Json.toBytes({ run, from } satisfies z.infer<typeof question>)
  const reply = await ask(network, peer, protocol, body, { signal, idleTimeoutMs })
  return Json.decode(answer, reply, { what: 'batches of a run' }).batches
}

/**
 * Asks a node of a run for all of its log from a batch on.
 *
 * @param options.previous what the first must follow; where it follows something else there are none.
 * @param options.most batches that are taken at most, give or take those of one page.
 */
export async function fetchBatches(
  ports: { network: Network },
  { previous, most = 32_768, ...place }: fetchBatches.Options,
): Promise<readonly Batch.Batch[]> {
  const all: Batch.Batch[] = []
  while (all.length < most) {
    const page = await fetchPage(ports, { ...place, from: place.from + all.length })
    const [first] = page
    if (!first) break
    if (all.length === 0 && first.head.message.previous !== previous) break
    all.push(...page)
  }
  return all
}

export declare namespace fetchBatches {
  type Options = Place & {
    previous: Hex.Hex | undefined
    /** @default 32_768 */
    most?: number | undefined
  }
}

type Place = {
  readonly peer: string
  readonly run: Hex.Hex
  /** Sequence number of the first. */
  readonly from: number
  readonly signal?: AbortSignal | undefined
}

/** Of one page, which is at least one batch. */
const pageBatches = 32
const pageBytes = 2 * 1024 * 1024
const idleTimeoutMs = 5_000

const question = z.strictObject({
  run: z.custom<Hex.Hex>((value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)),
  from: z.int().check(z.minimum(0)),
})
const answer = z.strictObject({ batches: z.array(Batch.schema).check(z.maxLength(pageBatches)) })

/** As many of the first as fit into a page. */
function fitting(batches: readonly Batch.Batch[]): readonly Batch.Batch[] {
  let bytes = 0
  const end = batches.findIndex((batch) => (bytes += Batch.serialize(batch).byteLength) > pageBytes)
  return end < 0 ? batches : batches.slice(0, Math.max(1, end))
}
