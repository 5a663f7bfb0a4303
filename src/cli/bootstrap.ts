import { Command } from 'commander'
import { libp2pNetwork } from '../network/libp2p.ts'
import { pinoLogger } from '../runtime/pinoLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import * as Home from './Home.ts'
import { networkPath, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import * as NetworkFile from './NetworkFile.ts'
import { parsePort } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

/** `weft bootstrap`: the node others dial first; it also relays for machines behind NAT. */
export function bootstrapCommand(): Command {
  return withPartyOptions(new Command('bootstrap'))
    .description('run a node that others dial first, and that relays for machines behind NAT')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, 4001)
    .option('--add', 'write its address into the network file')
    .action((options: PartyOptions & { host: string; port: number; add?: boolean }) =>
      run(options, async () => {
        const identity = Home.identity(options.home, { random: systemRandom() })
        const { host, port, logLevel } = options
        const network = await libp2pNetwork({
          identity,
          clock: systemClock(),
          logger: pinoLogger({ name: 'bootstrap', level: logLevel }),
          listen: options.listen ?? [`/ip4/${host}/tcp/${port}`],
          bootstrap: [],
          relay: true,
        })
        const addresses = network.addresses()
        if (options.add) addTo(networkPath(options), addresses)
        if (options.json) console.log(JSON.stringify({ ready: 'bootstrap', addresses }))
        else console.log(`Others can dial first:\n${addresses.join('\n')}\nStop with Ctrl-C.`)
        await runUntilStopped(network, options)
      }),
    )
}

function addTo(path: string, addresses: readonly string[]): void {
  const file = NetworkFile.read(path)
  NetworkFile.write(path, {
    ...file,
    bootstrap: [...new Set([...file.bootstrap, ...addresses])],
  })
}
