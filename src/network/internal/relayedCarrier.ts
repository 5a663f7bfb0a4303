import { codeOf } from '../../runtime/Errors.ts'
import * as Json from '../../protocol/Json.ts'
import type { Network } from '../Network.ts'
import type { Bandwidth } from './bandwidth.ts'
import { type Carrier, gather, RefusalError, stallMs } from './bulkSource.ts'
import { protocol, type Question } from './relayedServer.ts'
import type { TrafficMeter } from './trafficMeter.ts'

/**
 * Carries parts over the network's own streams, through a relay where there must be one: slower than HTTPS, but
 * it reaches peers that nobody can dial.
 */
export function relayedCarrier(
  { network, meter, download }: relayedCarrier.Ports,
  peer: string,
): Carrier {
  return async (hash, part, { signal, limitBytes }) => {
    const question: Question = { hash, ...part }
    const options = { signal, idleTimeoutMs: stallMs }
    const replies = network.request(peer, protocol, Json.toBytes(question), options)
    try {
      return await gather(replies, limitBytes, (bytes) => {
        meter.add({ receivedBytes: bytes })
        return download.take(bytes, { signal })
      })
    } catch (error) {
      const isFinal = ['Bulk.RefusalError', 'Network.NoHandlerError'].includes(codeOf(error))
      if (isFinal) throw new RefusalError({ reason: 'It does not have it.' })
      throw error
    }
  }
}

export declare namespace relayedCarrier {
  type Ports = { network: Pick<Network, 'request'>; meter: TrafficMeter; download: Bandwidth }
}
