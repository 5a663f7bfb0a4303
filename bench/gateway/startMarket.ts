import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../src/cli/freePort.ts'
import * as Home from '../../src/cli/Home.ts'
import * as NetworkFile from '../../src/cli/NetworkFile.ts'
import { startSupervisor } from '../../src/cli/startSupervisor.ts'
import { createKey } from '../../src/gateway/keys.ts'
import { sqliteStore } from '../../src/runtime/sqliteStore.ts'
import { systemClock } from '../../src/runtime/systemClock.ts'
import { systemRandom } from '../../src/runtime/systemRandom.ts'
import type { Target } from './load.ts'

/** The same upstream, asked directly and through the whole market. */
export type Market = AsyncDisposable & { readonly direct: Target; readonly through: Target }

/** Starts upstream, chain, bootstrap node, provider and gateway, each its own process, as people start them. */
export async function startMarket(): Promise<Market> {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const folder = (name: string) => join(home, name)
  mkdirSync(folder('logs'))
  const clock = systemClock()
  const random = systemRandom()
  const party = (name: string) => {
    Home.create(folder(name))
    return Home.identity(folder(name), { random })
  }
  const upstream = stack.use(await startUpstream())
  const supervisor = stack.use(
    startSupervisor({ clock }, { logDirectory: folder('logs'), statusFile: folder('processes') }),
  )
  const network = join(home, 'network.json')
  const start = (name: string, command: string, ...options: readonly string[]) =>
    supervisor.start(name, [command, '--home', folder(name), '--network', network, ...options])

  const mints = ['provider', 'gateway'].flatMap((name) => [
    '--mint',
    `${party(name).address}=100000000`,
  ])
  await start('chain', 'chain', '--port', `${await freePort()}`, ...mints)
  const port = await freePort()
  const { peerId } = party('bootstrap')
  NetworkFile.write(network, {
    ...NetworkFile.read(network),
    bootstrap: [`/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`],
  })
  await start('bootstrap', 'bootstrap', '--port', `${port}`)
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0']
  const concurrency = ['--concurrency', '64']
  await start('provider', 'provide', '--upstream', upstream.url, ...concurrency, ...listen)

  const apiKey = await makeKey(join(folder('gateway'), 'gateway.sqlite'))
  const free = ['--port', `${await freePort()}`, '--deposit', '50', '--warm', 'bench']
  const gateway = await start('gateway', 'gateway', ...free, ...listen)
  const owned = stack.move()
  return {
    direct: { url: upstream.url, apiKey: 'none', model: 'bench' },
    through: { url: String(gateway['url']), apiKey, model: 'bench' },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A key that no limit stops while it measures. */
async function makeKey(path: string): Promise<string> {
  await using store = sqliteStore(path)
  const { secret } = await createKey(
    { store, clock: systemClock(), random: systemRandom() },
    { name: 'bench', capMicroUsd: 50_000_000n, concurrency: 1_000, requestsPerMinute: 10_000_000 },
  )
  return secret
}

async function startUpstream() {
  const program = join(import.meta.dirname, 'upstream.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    url: (JSON.parse(line) as { url: string }).url,
    async [Symbol.asyncDispose]() {
      const exit = once(child, 'exit')
      child.kill()
      await exit
    },
  }
}
