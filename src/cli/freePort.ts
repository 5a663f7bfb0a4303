import { createServer, type AddressInfo } from 'node:net'

/** A port of this machine that nobody listens on at this moment: the preferred one, or any other. */
export async function freePort(preferred = 0): Promise<number> {
  try {
    return await listenOnce(preferred)
  } catch {
    return await listenOnce(0)
  }
}

function listenOnce(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
