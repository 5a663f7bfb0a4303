import { Command } from 'commander'
import * as z from 'zod/mini'
import * as Completion from '../protocol/Completion.ts'
import * as Json from '../protocol/Json.ts'
import * as Receipt from '../protocol/Receipt.ts'
import { verifyReceipt } from '../verification/verifyReceipt.ts'
import * as Home from './Home.ts'
import { networkPath } from './joinNetwork.ts'
import * as NetworkFile from './NetworkFile.ts'
import { readBytes } from './readBytes.ts'
import { run } from './run.ts'

type VerifyOptions = {
  home: string
  network?: string
  request?: string
  output?: string
  json?: boolean
}

/** `weft receipt`: what can be done with a receipt, offline. */
export function receiptCommand(): Command {
  const command = new Command('receipt').description('check a receipt, offline')
  command
    .command('verify')
    .description('check a receipt: its signature, its sums, and what it says against what you hold')
    .argument('<file>', 'the signed receipt, as JSON')
    .option(
      '--home <dir>',
      'folder with the network file',
      process.env['WEFT_HOME'] ?? Home.defaultPath,
    )
    .option('--network <file>', 'network file (default: network.json in the home)')
    .option('--request <file>', 'the request, as JSON, to compare with the receipt')
    .option('--output <file>', 'the answer, as JSON, to compare with the receipt')
    .option('--json', 'print JSON for machines')
    .action((file: string, options: VerifyOptions) => run(options, () => verify(file, options)))
  return command
}

async function verify(file: string, options: VerifyOptions): Promise<void> {
  const network = NetworkFile.read(networkPath(options))
  const signed = read(file, Receipt.schema, 'receipt')
  const request = options.request && read(options.request, Completion.request, 'request')
  const output = options.output && read(options.output, Completion.output, 'output')
  const checks = verifyReceipt(NetworkFile.domainOf(network), signed, {
    ...(request ? { request } : {}),
    ...(output ? { output } : {}),
  })
  const good = checks.every((check) => check.ok)
  if (options.json) console.log(Json.stringify({ good, checks }))
  else {
    for (const check of checks) console.log(`${check.ok ? 'ok    ' : 'FAILED'}  ${check.what}`)
    console.log(good ? 'The receipt is good.' : 'The receipt is NOT good.')
  }
  if (!good) process.exitCode = 1
}

function read<type>(path: string, schema: z.ZodMiniType<type>, what: string): type {
  return Json.decode(schema, readBytes(path), { what })
}
