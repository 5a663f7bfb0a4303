import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import * as Json from '../../protocol/Json.ts'
import type * as Hex from '../../protocol/Hex.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import { protocol } from './batchProtocol.ts'

/** Where the nodes of a run tell each other how they are dialled. */
export const peersTopic = 'weft/training-peers/1'

/**
 * Makes the nodes of a run know each other, so that they stay in touch when the one that they all dialled
 * first is gone: each tells its addresses from time to time, and calls those that it hears of.
 *
 * @param options.onPeer is told of the addresses of each peer that was reached.
 */
export async function startAcquaintance(
  ports: startAcquaintance.Ports,
  { run, intervalMs = 5_000, onPeer }: startAcquaintance.Options,
): Promise<AsyncDisposable> {
  const { network, clock, logger } = ports
  const controller = new AbortController()
  const { signal } = controller
  const calledAt = new Map<string, number>()

  async function tell(): Promise<void> {
    const addresses = network.addresses().slice(0, addressLimit)
    await network.publish(peersTopic, Json.toBytes({ run, addresses }))
  }

  async function hear(body: Uint8Array, { from }: { from: string }): Promise<void> {
    const told = decode(body)
    if (told.run !== run || from === network.self) return
    network.learn(from, told.addresses)
    if (clock.now() - (calledAt.get(from) ?? -Infinity) < callMs) return
    if (calledAt.size >= peerLimit) calledAt.delete(calledAt.keys().next().value!)
    calledAt.set(from, clock.now())
    try {
      // A question that costs little: the connection that it makes is what counts.
      const body = Json.toBytes({ run, from: 2 ** 31 })
      await ask(network, from, protocol, body, { signal, idleTimeoutMs: 5_000 })
      onPeer?.(from, told.addresses)
    } catch (error) {
      logger.debug({ peer: from, code: codeOf(error), reason: messageOf(error) }, 'Not reached.')
    }
  }

  await using stack = new AsyncDisposableStack()
  stack.use(network.subscribe(peersTopic, hear))
  const onError = (error: unknown) => logger.debug({ reason: messageOf(error) }, 'Not told.')
  const ends = every(clock, intervalMs, tell, { signal, onError })
  stack.defer(() => ends)
  stack.defer(() => controller.abort(new DOMException('The node stops.', 'AbortError')))
  return stack.move()
}

export declare namespace startAcquaintance {
  type Ports = { network: Network; clock: Clock; logger: Logger }
  type Options = {
    run: Hex.Hex
    /** @default 5_000 */
    intervalMs?: number | undefined
    onPeer?: ((peer: string, addresses: readonly string[]) => void) | undefined
  }
}

/**
 * Where the peer can be dialled that says so on `peersTopic`.
 *
 * @throws {Json.MalformedError}
 */
export function addressesOf(body: Uint8Array): readonly string[] {
  return decode(body).addresses
}

function decode(body: Uint8Array) {
  return Json.decode(schema, body, { what: 'addresses of a peer' })
}

/**
 * Waits until one of some peers answers, or `patienceMs` is over: what is said before anybody listens has to be
 * said again.
 *
 * @param options.addresses multiaddrs with peer ids.
 */
export async function meetAny(
  { network, clock }: Pick<startAcquaintance.Ports, 'network' | 'clock'>,
  { run, addresses, patienceMs = 6_000 }: meetAny.Options,
): Promise<boolean> {
  const peers = peersIn(addresses)
  const done = new AbortController()
  const { signal } = done
  const body = Json.toBytes({ run, from: 2 ** 31 })
  for (const peer of peers)
    network.learn(
      peer,
      addresses.filter((each) => each.endsWith(`/p2p/${peer}`)),
    )
  const asked = peers
    .filter((peer) => peer !== network.self)
    .slice(0, addressLimit)
    .map((peer) => ask(network, peer, protocol, body, { signal, idleTimeoutMs: patienceMs }))
  const met = Promise.any(asked).then(
    () => true,
    () => false,
  )
  const waited = clock.sleep(patienceMs, { signal }).then(
    () => false,
    () => false,
  )
  try {
    return await Promise.race([met, waited])
  } finally {
    done.abort(new DOMException('Somebody answered.', 'AbortError'))
    await Promise.allSettled(asked)
  }
}

/** The peers that multiaddrs lead to, each once. */
export function peersIn(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses.flatMap((each) => /\/p2p\/([^/]+)$/.exec(each)?.[1] ?? []))]
}

export declare namespace meetAny {
  type Options = {
    run: Hex.Hex
    addresses: readonly string[]
    /** @default 6_000 */
    patienceMs?: number | undefined
  }
}

const addressLimit = 16
const peerLimit = 1024
/** How often a peer is called; libp2p keeps the connection meanwhile. */
const callMs = 20_000
const schema = z.strictObject({
  run: z.string().check(z.maxLength(66)),
  addresses: z.array(z.string().check(z.maxLength(512))).check(z.maxLength(addressLimit)),
})
