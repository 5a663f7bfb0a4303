import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../../runtime/Clock.ts'
import { messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Node } from './node.ts'

/** How often the connection is looked at, and the shortest and longest pause between dials. */
const checkMs = 1000
const leastMs = 200
const mostMs = 5000

/** Keeps a connection to a bootstrap node for as long as the signal lasts: it may die and come back at any time. */
export async function keepConnected(
  ports: { node: Node; clock: Clock; logger: Logger },
  addresses: readonly Multiaddr[],
  options: { signal: AbortSignal },
): Promise<void> {
  const { node, clock, logger } = ports
  const { signal } = options
  let pauseMs = leastMs
  while (!signal.aborted) {
    if (await connected(node, addresses, signal, log)) pauseMs = leastMs
    else pauseMs = Math.min(mostMs, pauseMs * 2)
    const waitMs = pauseMs === leastMs ? checkMs : pauseMs
    await clock.sleep(waitMs, { signal }).catch(() => {})
  }

  function log(reason: string): void {
    logger.debug({ bootstrap: addresses.join(' '), reason }, 'The bootstrap node is out of reach.')
  }
}

async function connected(
  node: Node,
  addresses: readonly Multiaddr[],
  signal: AbortSignal,
  onFailure: (reason: string) => void,
): Promise<boolean> {
  try {
    // Returns at once when there is a connection.
    const { status } = await node.dial([...addresses], { signal })
    return status === 'open'
  } catch (error) {
    if (!signal.aborted) onFailure(messageOf(error))
    return false
  }
}
