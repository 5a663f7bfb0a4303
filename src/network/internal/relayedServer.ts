import { open } from 'node:fs/promises'
import * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { semaphore } from '../../runtime/Semaphore.ts'
import type { Handler } from '../Network.ts'
import type { Bandwidth } from './bandwidth.ts'
import { hasChanged, type SharedFile } from './bulkServer.ts'
import { RefusalError } from './bulkSource.ts'
import * as Manifest from './manifest.ts'
import type { TrafficMeter } from './trafficMeter.ts'

/** Shared files for who cannot reach us over HTTPS, or whom we cannot reach. */
export const protocol = '/weft/bulk/1'

/** What is asked for: as `Part`, of the content of a hash. */
export type Question = z.output<typeof question>

const count = z.int().check(z.minimum(0))
const hash = z.string().check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Hex.Hex>
const question = z.discriminatedUnion('what', [
  z.strictObject({ hash, what: z.literal('chunks') }),
  z.strictObject({ hash, what: z.literal('whole') }),
  z.strictObject({ hash, what: z.literal('range'), start: count, length: count }),
])

/** Bytes of one reply, and questions that are answered at once. */
const pieceBytes = 256 * 1024
const runningLimit = 16
const waitingLimit = 256

/** Answers `protocol`. */
export function relayedServer(
  { meter, upload }: { meter: TrafficMeter; upload: Bandwidth },
  shared: ReadonlyMap<Hex.Hex, SharedFile>,
): Handler {
  const places = semaphore(runningLimit)

  return async function* serve(body, { signal }) {
    const asked = Json.decode(question, body, { what: 'question for content' })
    const file = shared.get(asked.hash)
    if (!file || (await hasChanged(file))) throw new RefusalError({ reason: 'It is not here.' })
    if (places.waiting() >= waitingLimit) throw new BusyError()
    await using _place = await places.take(signal)
    for await (const piece of piecesOf(file, asked)) {
      await upload.take(piece.byteLength, { signal })
      meter.add({ sentBytes: piece.byteLength })
      yield piece
    }
  }
}

async function* piecesOf(
  { path, manifest }: SharedFile,
  asked: Question,
): AsyncGenerator<Uint8Array> {
  if (asked.what === 'chunks') {
    const list = new TextEncoder().encode(JSON.stringify(manifest))
    for (let at = 0; at < list.byteLength; at += pieceBytes)
      yield list.subarray(at, at + pieceBytes)
    return
  }
  const whole = { start: 0, length: manifest.bytes }
  const { start, length } = asked.what === 'range' ? asked : whole
  const end = Math.min(start + length, manifest.bytes)
  await using file = await open(path, 'r')
  for (let at = start; at < end; at += pieceBytes)
    yield await Manifest.readChunk(file, at, Math.min(pieceBytes, end - at))
}

/** Thrown when too many want something: later is better. */
class BusyError extends BaseError {
  override readonly code = 'Bulk.BusyError'

  constructor() {
    super('Too many ask for content at once.', { metaMessages: ['Fix: ask again later.'] })
  }
}
