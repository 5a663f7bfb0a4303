import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import { LogError } from '../log/openLog.ts'

/** The protocol by which somebody who only heard of a run asks one of its nodes what was ordered. */
const orderProtocol = '/weft/training-order/1'

/** Tells whoever asks of a run what was ordered. */
export function serveOrder(
  { network }: { network: Network },
  { run, order }: { run: Hex.Hex; order: Signed<TrainingOrder.TrainingOrder> },
): AsyncDisposable {
  return network.handle(orderProtocol, async function* (body) {
    const asked = Json.decode(request, body, { what: 'question for an order' })
    if (asked.run !== run) throw new LogError('This node takes no part in the run.')
    yield TrainingOrder.serialize(order)
  })
}

/**
 * Asks a node of a run what was ordered.
 *
 * @throws {LogError} when it is not the order of this run.
 */
export async function fetchOrder(
  { network, domain }: { network: Network; domain: Domain.Domain },
  { peer, run, signal }: { peer: string; run: Hex.Hex; signal?: AbortSignal | undefined },
): Promise<Signed<TrainingOrder.TrainingOrder>> {
  const question = Json.toBytes({ run } satisfies z.infer<typeof request>)
  const reply = await ask(network, peer, orderProtocol, question, { signal, idleTimeoutMs: 5_000 })
  const order = TrainingOrder.deserialize(reply)
  if (TrainingOrder.hash(domain, TrainingOrder.verify(domain, order)) !== run)
    throw new LogError('The order is that of another run.')
  return order
}

const request = z.strictObject({ run: z.string().check(z.maxLength(66)) })
