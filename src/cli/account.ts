import { Command } from 'commander'
import { systemRandom } from '../runtime/systemRandom.ts'
import * as Home from './Home.ts'
import { run } from './run.ts'

/** `weft account`: who we are, on the chain and in the network. Makes a key at the first call. */
export function accountCommand(): Command {
  return new Command('account')
    .description('show this account; makes its key at the first call')
    .option('--home <dir>', 'folder with the key', process.env['WEFT_HOME'] ?? Home.defaultPath)
    .option('--json', 'print JSON for machines')
    .action((options: { home: string; json?: boolean }) =>
      run(options, async () => {
        const { address, peerId } = Home.identity(options.home, { random: systemRandom() })
        if (options.json)
          return console.log(JSON.stringify({ address, peerId, home: options.home }))
        console.log(`account  ${address}\npeer id  ${peerId}\nhome     ${options.home}`)
      }),
    )
}
