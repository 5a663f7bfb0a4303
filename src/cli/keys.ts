import { Command } from 'commander'
import { createKey as makeKey, listKeys, revokeKey, type ApiKey } from '../gateway/keys.ts'
import * as Json from '../protocol/Json.ts'
import { sqliteStore } from '../runtime/sqliteStore.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import * as Home from './Home.ts'
import { formatUsd, parseUsd } from './money.ts'
import { parseInteger } from './parseOptions.ts'
import { run } from './run.ts'

/** `weft keys`: API keys of the gateway in this home, each with a spend cap. */
export function keysCommand(): Command {
  const command = new Command('keys').description('create, list and revoke API keys of a gateway')
  withHome(command.command('create'))
    .description('make a key; it is shown once and kept only as a hash')
    .argument('<name>', 'what to call it')
    .option('--cap <usd>', 'the most that may be spent with it', parseUsd, 5_000_000n)
    .option('--expires-in <days>', 'days it is good for', parseInteger({ min: 1, max: 36_500 }))
    .option('--concurrency <count>', 'answers at once', parseInteger({ min: 1, max: 10_000 }))
    .option('--operator', 'lets it see metrics and the balance')
    .action((name: string, options: CreateOptions) =>
      run(options, async () => {
        const secret = await createKey(options.home, { ...options, name, capMicroUsd: options.cap })
        if (options.json) return console.log(JSON.stringify({ secret }))
        console.log(
          `${secret}\nKeep it now: it cannot be shown again. Cap: ${formatUsd(options.cap)}.`,
        )
      }),
    )
  withHome(command.command('list'))
    .description('list keys')
    .action((options: HomeOptions) =>
      run(options, async () => {
        await using store = openStore(options.home)
        const keys = await listKeys({ store })
        if (options.json) return console.log(Json.stringify(keys))
        if (keys.length === 0) console.log('No keys yet: make one with `weft keys create NAME`.')
        for (const key of keys) console.log(describe(key))
      }),
    )
  withHome(command.command('revoke'))
    .description('revoke a key; a running gateway obeys with the next request')
    .argument('<id>', 'its id, as `weft keys list` shows it')
    .action((id: string, options: HomeOptions) =>
      run(options, async () => {
        await using store = openStore(options.home)
        const key = await revokeKey({ store, clock: systemClock() }, id)
        console.log(options.json ? Json.stringify(key) : `Revoked ${key.name} (${key.id}).`)
      }),
    )
  return command
}

type HomeOptions = { home: string; json?: boolean }
type CreateOptions = HomeOptions & {
  cap: bigint
  expiresIn?: number
  concurrency?: number
  operator?: boolean
}

/** Makes an API key in the store of a gateway's home and returns its secret. */
export async function createKey(
  home: string,
  options: {
    name: string
    capMicroUsd: bigint
    expiresIn?: number | undefined
    concurrency?: number | undefined
    operator?: boolean | undefined
  },
): Promise<string> {
  const clock = systemClock()
  const { expiresIn, ...rest } = options
  await using store = openStore(home)
  const { secret } = await makeKey(
    { store, clock, random: systemRandom() },
    { ...rest, expiresAt: expiresIn === undefined ? undefined : clock.now() + expiresIn * dayMs },
  )
  return secret
}

const dayMs = 86_400_000

function withHome(command: Command): Command {
  return command
    .option('--home <dir>', 'home of the gateway', process.env['WEFT_HOME'] ?? Home.defaultPath)
    .option('--json', 'print JSON for machines')
}

function openStore(home: string) {
  Home.create(home)
  return sqliteStore(`${home}/gateway.sqlite`)
}

function describe(key: ApiKey): string {
  const state = key.revokedAt === undefined ? '' : '  revoked'
  return `${key.id}  ${key.prefix}...  cap ${formatUsd(key.capMicroUsd)}  ${key.name}${state}`
}
