import { join } from 'node:path'
import { Command } from 'commander'
import { startExplorer } from '../indexer/startExplorer.ts'
import { startIndexer } from '../indexer/startIndexer.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { parsePort } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

/** `weft explorer`: the web page of a network, and the API behind it. */
export function explorerCommand(): Command {
  return withPartyOptions(new Command('explorer'))
    .description('show a network as a web page: providers, jobs, receipts, money')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, 8788)
    .action((options: PartyOptions & { host: string; port: number }) =>
      run(options, async () => {
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('explorer', options))
        const { chain, clock, logger } = party
        const network = await party.network()
        const indexer = stack.use(
          await startIndexer(
            { chain, network, clock, logger },
            { path: join(party.home, 'explorer.sqlite'), validators: party.file.validators },
          ),
        )
        const { host, port } = options
        const explorer = stack.use(await startExplorer({ indexer, clock, logger }, { host, port }))
        if (options.json) console.log(JSON.stringify({ ready: 'explorer', url: explorer.url }))
        else console.log(`The network can be seen at ${explorer.url}`)
        await runUntilStopped(stack, options)
      }),
    )
}
