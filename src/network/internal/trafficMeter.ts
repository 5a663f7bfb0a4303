import type { Socket } from 'node:net'
import type { Traffic } from '../Bulk.ts'

/** Counts the bytes of TCP connections, open ones and closed ones, and what went another way. */
export type TrafficMeter = {
  watch(this: void, socket: Socket): void
  add(this: void, bytes: Partial<Traffic>): void
  read(this: void): Traffic
}

/** Creates a meter that has seen nothing yet. */
export function trafficMeter(): TrafficMeter {
  const open = new Set<Socket>()
  let [sentBytes, receivedBytes] = [0, 0]
  return {
    watch(socket) {
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        sentBytes += socket.bytesWritten
        receivedBytes += socket.bytesRead
      })
    },
    add(bytes) {
      sentBytes += bytes.sentBytes ?? 0
      receivedBytes += bytes.receivedBytes ?? 0
    },
    read() {
      const now = { sentBytes, receivedBytes }
      for (const { bytesWritten, bytesRead } of open) {
        now.sentBytes += bytesWritten
        now.receivedBytes += bytesRead
      }
      return now
    },
  }
}
