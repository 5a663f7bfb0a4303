import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Clock } from '../runtime/Clock.ts'
import { messageOf } from '../runtime/Errors.ts'
import { StartError } from './anvil.ts'
import type { Devnet, DevnetOptions } from './devnet.ts'
import { createEvmChain, RpcError } from './evmChain.ts'
import { evmRpc } from './evmRpc.ts'

/**
 * Starts a chain inside this process, for machines that anvil has no binary for: slower, but plain
 * JavaScript. It answers the part of Ethereum's JSON-RPC that `viemChain` uses. With a state file it
 * goes on where it was; `kill -9` loses nothing, because every block is written before it is told.
 *
 * @throws {StartError} when the port is taken.
 */
export async function startEvm(
  { clock }: { clock: Clock },
  options: DevnetOptions = {},
): Promise<Devnet> {
  const { port = 0, chainId = 31_337, blockTimeSeconds = 1, statePath, signal } = options
  signal?.throwIfAborted()
  await using stack = new AsyncDisposableStack()
  const automine = blockTimeSeconds === 0
  const chain = await createEvmChain({ clock, chainId, automine, statePath })
  const rpc = evmRpc(chain, { chainId })
  const server = createServer((request, response) => {
    void answer(rpc, request).then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(400).end(messageOf(error)),
    )
  })
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening').catch((error: unknown) => {
    throw new StartError({ rpcUrl: `http://127.0.0.1:${port}`, reason: messageOf(error) })
  })

  const stop = new AbortController()
  const mining = automine ? undefined : mine(rpc, clock, blockTimeSeconds, stop)
  const ended = Promise.withResolvers<string>()
  stack.defer(async () => {
    stop.abort(new Error('stopped'))
    await mining
    ended.resolve('stopped')
  })
  const owned = stack.move()
  const { port: listening } = server.address() as AddressInfo
  return {
    rpcUrl: `http://127.0.0.1:${listening}`,
    port: listening,
    chainId,
    pid: process.pid,
    exited: ended.promise,
    save: async () => {},
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A block in every interval, until told to stop. */
async function mine(
  rpc: Rpc,
  clock: Clock,
  blockTimeSeconds: number,
  { signal }: AbortController,
): Promise<void> {
  for (;;) {
    await clock.sleep(blockTimeSeconds * 1000, { signal }).catch(() => undefined)
    if (signal.aborted) return
    await rpc('evm_mine', [])
  }
}

type Rpc = ReturnType<typeof evmRpc>

const bodyLimitBytes = 4 * 1024 * 1024

async function answer(rpc: Rpc, request: IncomingMessage): Promise<unknown> {
  if (Number(request.headers['content-length'] ?? 0) > bodyLimitBytes)
    throw new RangeError(`More than ${bodyLimitBytes} bytes.`)
  const { id, method, params } = (await json(request)) as Record<string, unknown>
  try {
    if (typeof method !== 'string') throw new RpcError(-32_600, 'not a request')
    const result = await rpc(method, Array.isArray(params) ? params : [])
    return { jsonrpc: '2.0', id, result }
  } catch (error) {
    const known = error instanceof RpcError ? error : undefined
    const { rpcCode: code = -32_603, data } = known ?? {}
    return { jsonrpc: '2.0', id, error: { code, message: messageOf(error), data } }
  }
}
