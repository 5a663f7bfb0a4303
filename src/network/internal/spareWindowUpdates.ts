import type { Stream } from '@libp2p/interface'
import { StreamState, YamuxStream } from '@libp2p/yamux/stream'

/**
 * Lets a stream tell its peer of room only when half of the room is used, as yamux in Go does. @libp2p/yamux
 * 8.0 answers every frame with an update, which is encrypted, sent and read like a message.
 */
export function spareWindowUpdates(stream: Stream): void {
  if (!(stream instanceof YamuxStream)) return
  const send = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    // In other states the update carries a flag, or marks a time.
    const half = stream['recvWindow'] / 2
    if (stream.state === StreamState.Established && stream['recvWindowCapacity'] > half) return
    send()
  }
}
