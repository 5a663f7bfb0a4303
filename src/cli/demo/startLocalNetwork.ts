import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Chain } from '../../chain/Chain.ts'
import * as Identity from '../../protocol/Identity.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { systemRandom } from '../../runtime/systemRandom.ts'
import { connectChain } from '../connectChain.ts'
import { createKey } from '../keys.ts'
import * as Home from '../Home.ts'
import * as NetworkFile from '../NetworkFile.ts'
import { freePort } from '../freePort.ts'
import { startSupervisor, type Supervisor } from '../startSupervisor.ts'
import { makeModels, type DemoModels } from './makeModels.ts'
import type { Printer } from './printer.ts'

/** A running network of processes on this machine. */
export type LocalNetwork = AsyncDisposable & {
  readonly supervisor: Supervisor
  readonly chain: Chain
  readonly buyer: Hex.Address
  readonly providers: readonly Hex.Address[]
  /** The provider that serves another model than it says; undefined with `--upstream`. */
  readonly cheat: Hex.Address | undefined
  /** Micro-USD made for the parties when the chain began. */
  readonly minted: bigint
  readonly model: string
  readonly apiKey: string
  readonly urls: { readonly gateway: string; readonly explorer: string }
}

/** What each party begins with on the local chain, and what a provider stakes of it. */
const walletMicroUsd = 100_000_000n
const stakeUsd = '20'

/** Starts anvil, contracts, a bootstrap node, three providers, a validator, a gateway and the explorer, each its own process. */
export async function startLocalNetwork(
  { clock, say }: { clock: Clock; say: Printer },
  options: startLocalNetwork.Options,
): Promise<LocalNetwork> {
  await using stack = new AsyncDisposableStack()
  const { home } = options
  const folder = (name: string) => join(home, name)
  mkdirSync(folder('logs'), { recursive: true, mode: 0o700 })
  const random = systemRandom()
  const party = (name: string) => Home.identity(folder(name), { random })
  const names = ['provider-1', 'provider-2', 'provider-3'] as const
  const providers = names.map((name) => party(name))
  const [buyer, validator, bootstrap] = ['gateway', 'validator', 'bootstrap'].map(party) as [
    Identity.Identity,
    Identity.Identity,
    Identity.Identity,
  ]
  const models = await say.step('model files are ready', () =>
    makeModels(folder('models'), options),
  )
  const supervisor = stack.use(
    startSupervisor(
      { clock },
      {
        logDirectory: folder('logs'),
        statusFile: folder('processes.json'),
        onRestart: (name, reason) => say.line(`  ${name} died (${reason}); starting it again`),
      },
    ),
  )

  const paid = [...providers, buyer]
  const { chain, file } = await say.step('chain and contracts are up', async () => {
    const port = await freePort()
    const network = join(home, 'network.json')
    const mints = paid.flatMap(({ address }) => ['--mint', `${address}=${walletMicroUsd}`])
    await supervisor.start('chain', [
      'chain',
      '--home',
      folder('chain'),
      '--network',
      network,
      '--port',
      `${port}`,
      ...mints,
    ])
    return {
      file: network,
      chain: stack.use(await connectChain(NetworkFile.read(network), { identity: buyer, clock })),
    }
  })

  const common = (name: string) => [
    ...['--home', folder(name), '--network', file, '--log-level', 'info'],
    ...['--listen', '/ip4/127.0.0.1/tcp/0'],
  ]
  await say.step('bootstrap node is up', async () => {
    const port = await freePort()
    const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${bootstrap.peerId}`
    NetworkFile.write(file, {
      ...NetworkFile.read(file),
      bootstrap: [address],
      validators: models.verifiable ? [validator.address] : [],
    })
    await supervisor.start('bootstrap', [
      ...['bootstrap', '--home', folder('bootstrap'), '--network', file],
      ...['--port', `${port}`, '--log-level', 'info'],
    ])
  })

  await say.step('three providers have registered and sell', () =>
    Promise.all(
      names.map((name, index) =>
        supervisor.start(name, [
          'provide',
          ...common(name),
          '--stake',
          stakeUsd,
          '--region',
          'local',
          '--claim-after',
          '3',
          ...providerArguments(models, index),
        ]),
      ),
    ).then(() => undefined),
  )

  const apiKey = await createKey(folder('gateway'), {
    name: 'demo',
    capMicroUsd: 50_000_000n,
    operator: true,
  })
  const gatewayPort = await freePort(options.gatewayPort)
  const explorerPort = await freePort(options.explorerPort)
  const urls = await say.step('validator, gateway and explorer are up', async () => {
    const checks = models.verifiable
      ? [
          supervisor.start('validator', [
            'validate',
            ...common('validator'),
            '--weights',
            models.weights,
          ]),
        ]
      : []
    const [gateway, explorer] = await Promise.all([
      supervisor.start('gateway', [
        'gateway',
        ...common('gateway'),
        '--port',
        `${gatewayPort}`,
        '--deposit',
        '40',
        '--tier',
        models.verifiable ? 'statistical' : 'unverified',
        '--warm',
        models.id,
      ]),
      supervisor.start('explorer', [
        'explorer',
        ...common('explorer'),
        '--port',
        `${explorerPort}`,
      ]),
      ...checks,
    ])
    return { gateway: String(gateway?.['url']), explorer: String(explorer?.['url']) }
  })

  const owned = stack.move()
  return {
    supervisor,
    chain,
    buyer: buyer.address,
    providers: providers.map(({ address }) => address),
    cheat: models.verifiable ? providers[2]!.address : undefined,
    minted: walletMicroUsd * BigInt(paid.length),
    model: models.id,
    apiKey,
    urls,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startLocalNetwork {
  type Options = {
    home: string
    model?: string | undefined
    upstream?: string | undefined
    gatewayPort: number
    explorerPort: number
  }
}

/** The third provider says it serves the model and serves another one. */
function providerArguments(models: DemoModels, index: number): readonly string[] {
  const price = [
    '--price-input',
    `${0.1 + index * 0.02}`,
    '--price-output',
    `${0.4 + index * 0.05}`,
  ]
  if (!models.verifiable) return ['--upstream', models.upstream, ...price]
  const file = ['--model', models.path, '--model-id', models.id]
  return [...file, ...(index === 2 ? ['--cheat-with', models.otherPath] : []), ...price]
}
