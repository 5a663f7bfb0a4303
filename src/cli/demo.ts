import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import type { Clock } from '../runtime/Clock.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { askTrained } from './demo/askTrained.ts'
import { buyCompletions } from './demo/buyCompletions.ts'
import { disputeOnce } from './demo/disputeOnce.ts'
import { openLedger } from './demo/openLedger.ts'
import { type Printer, printer } from './demo/printer.ts'
import { type LocalNetwork, startLocalNetwork } from './demo/startLocalNetwork.ts'
import { trainTogether } from './demo/trainTogether.ts'
import { parseInteger, parsePort } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'
import { size } from './train/reporter.ts'

/** Options of `weft demo`. */
export type DemoOptions = {
  home?: string
  once?: boolean
  fresh?: boolean
  jobs: number
  model?: string
  upstream?: string
  dispute: boolean
  training: boolean
  gatewayPort: number
  explorerPort: number
  verdictSeconds: number
  json?: boolean
  exitWithParent?: boolean
}

/** `weft demo`: a whole network on this machine, each part its own process, and twenty completions bought on it. */
export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'bring up a whole network on this machine, buy on it, dispute a wrong answer, train a model and ask it',
    )
    .option(
      '--once',
      'end after the purchases, with one JSON line as the last line (else in summary.json)',
    )
    .option('--jobs <count>', 'completions to buy', parseInteger({ min: 1, max: 10_000 }), 20)
    .option('--model <file>', 'serve this GGUF file instead of the default model')
    .option('--upstream <url>', 'serve what this OpenAI-compatible server serves instead')
    .option(
      '--no-dispute',
      'leave out the wrong exact answer that the chain decides about (sold of the default model only)',
    )
    .option('--no-training', 'leave out the model that four workers train and the network serves')
    .option(
      '--home <dir>',
      'where its state is kept (default: .weft/demo; with --once a new folder)',
    )
    .option('--fresh', 'forget the state of earlier runs')
    .option('--gateway-port <port>', 'port of the OpenAI-compatible endpoint', parsePort, 8787)
    .option('--explorer-port <port>', 'port of the web page', parsePort, 8788)
    .option(
      '--verdict-seconds <count>',
      'how long an answer waits for its verdict, on a machine that all of it shares',
      parseInteger({ min: 1, max: 100 }),
      45,
    )
    .option('--json', 'print nothing but the JSON line')
    .option('--exit-with-parent', 'stop when standard input ends')
    .action((options: DemoOptions) => run(options, () => demo(options)))
}

async function demo(options: DemoOptions): Promise<void> {
  const clock = systemClock()
  const startedAt = clock.now()
  const say = printer({ quiet: options.json === true, clock })
  await using stack = new AsyncDisposableStack()
  const home = chooseHome(options, stack)

  say.title('Weft: a whole network on this machine')
  const network = stack.use(await startLocalNetwork({ clock, say }, { ...options, home }))
  const ledger = openLedger(network)

  const before = await ledger.read()
  say.money('Money on the chain before', before)
  const summary = await buyCompletions({ clock, say }, { network, ledger, jobs: options.jobs })
  const dispute = network.isExact ? await disputeOnce({ clock, say }, { network }) : undefined
  const training = options.training ? await trainAndAsk({ clock, say }, network) : undefined
  const after = await ledger.read()
  say.money('Money on the chain after', after)
  const conserved = after.conserved && before.conserved && after.minted === before.minted

  const seconds = Math.round((clock.now() - startedAt) / 100) / 10
  const line = {
    ...summary,
    conserved,
    ...(dispute ? { dispute } : {}),
    ...(training ? { training } : {}),
    seconds,
  }
  writeFileSync(join(home, 'summary.json'), `${JSON.stringify(line)}\n`)
  if (options.once) {
    await stack.disposeAsync()
    console.log(JSON.stringify(line))
    process.exit(conserved && summary.delivered === options.jobs ? 0 : 1)
  }
  say.invitation(network)
  if (options.json) {
    const { urls, apiKey, model, minted } = network
    const facts = { ...line, ...urls, apiKey, model, mintedMicroUsd: String(minted) }
    console.log(JSON.stringify({ ready: 'demo', ...facts }))
  }
  await runUntilStopped(stack, options)
}

/** Has a model trained, puts it on the network, and asks it a question. */
async function trainAndAsk(ports: { clock: Clock; say: Printer }, network: LocalNetwork) {
  const { say } = ports
  const { explorer } = network.urls
  say.line(
    "  Four workers train a model of this repository's documents; one lies, one will be killed,",
  )
  say.line(`  one comes late. Its loss, live: ${explorer}/#/training`)
  const { folder, ...result } = await trainTogether(ports, { network })
  const asked = await say.step('the model is served, and asked through the gateway', () =>
    askTrained(ports, { network, folder }),
  )
  const { firstLoss, loss, payloadBytes, convicted } = result
  say.line(
    `      loss ${firstLoss.toFixed(2)} -> ${loss.toFixed(2)}, ${size(payloadBytes)} of payloads, ${convicted} convicted`,
  )
  say.line(`      "${asked.question}" ${JSON.stringify(asked.answer)}`)
  say.line(`      by ${asked.model}, ${asked.tier}; ${explorer}/#/training/${result.run}\n`)
  return { ...result, ...asked }
}

function chooseHome(options: DemoOptions, stack: AsyncDisposableStack): string {
  if (options.once && options.home === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'weft-demo-'))
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }
  const home = resolve(options.home ?? join('.weft', 'demo'))
  if (options.fresh) rmSync(home, { recursive: true, force: true })
  return home
}
