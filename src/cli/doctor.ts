import { Command } from 'commander'
import { collectFacts } from './doctor/collectFacts.ts'
import { examine, format, isHealthy } from './doctor/checks.ts'
import * as Home from './Home.ts'
import { networkPath } from './joinNetwork.ts'
import { run } from './run.ts'

/** `weft doctor`: what is missing on this machine, and the exact fix. Exits with 1 when something is. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what is missing on this machine, and the exact fix')
    .option(
      '--home <dir>',
      'folder with the key and the journal',
      process.env['WEFT_HOME'] ?? Home.defaultPath,
    )
    .option(
      '--network <file>',
      'network file (default: $WEFT_NETWORK, or network.json in the home)',
    )
    .option('--json', 'print one JSON line for machines')
    .action((options: { home: string; network?: string | undefined; json?: boolean | undefined }) =>
      run(options, async () => {
        const facts = await collectFacts({
          home: options.home,
          networkPath: networkPath(options),
          ports: wantedPorts,
        })
        const findings = examine(facts)
        const healthy = isHealthy(findings)
        console.log(options.json ? JSON.stringify({ healthy, findings }) : format(findings))
        if (!healthy) process.exitCode = 1
      }),
    )
}

/** What `weft demo` listens on when nobody says otherwise. */
const wantedPorts = [
  { port: 8787, use: 'the gateway' },
  { port: 8788, use: 'the explorer' },
]
