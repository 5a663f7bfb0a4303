import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import * as Hex from '../../protocol/Hex.ts'
import { systemRandom } from '../../runtime/systemRandom.ts'
import { type AuditFinding, auditRun } from '../../training/auditRun.ts'
import { startMeasure } from '../../training/score/startMeasure.ts'
import { startBackend } from '../exact/startBackend.ts'
import { formatUsd } from '../money.ts'
import { parseInteger, parseShare } from '../parseOptions.ts'
import { run } from '../run.ts'
import { openRun } from './openRun.ts'
import { expectOrdered, prepareRun } from './prepareRun.ts'
import { readData } from './readData.ts'
import { MissingDataError } from './run.ts'

type AuditOptions = {
  data?: string
  rate: number
  threads?: number
  backend: string
  json?: boolean
}

/** `weft train audit`: recomputes a run from its log. */
export function auditCommand(): Command {
  return new Command('audit')
    .description('compute a run again from its log; exits with 1 when something differs')
    .argument('<folder>', 'folder of `weft train run` or `weft train join`')
    .option('--data <file>', 'the file that the run learns from')
    .option(
      '--rate <share>',
      'share of the segments to run or score again, from 0 to 1; unless 0, one round at least',
      parseShare,
      0.1,
    )
    .option('--threads <count>', '1 to 8; changes no bit', parseInteger({ min: 1, max: 8 }))
    .option('--backend <name>', 'wasm, or reference (very slow); changes no bit', 'wasm')
    .option('--json', 'print one JSON line for machines')
    .action((folder: string, options: AuditOptions) => run(options, () => audit(folder, options)))
}

async function audit(folder: string, options: AuditOptions): Promise<void> {
  const { data: path, rate, threads, json } = options
  if (path === undefined) throw new MissingDataError()
  const { file, log } = await openRun(folder)
  const { message } = file.order
  const data = readData(path)
  const isPrivate = message.privacy === 'sums'
  await using backend = await startBackend(options.backend, { threads })
  const seed = [message.seed0, message.seed1] as const
  await using prepared = await prepareRun(
    { backend },
    { recipe: file.recipe, seed, data, isPrivate },
  )
  expectOrdered(message, prepared, { dataBytes: data.byteLength, orderedBytes: file.dataBytes })
  const random = systemRandom()
  const { layout, start, training, run: engine } = prepared
  await using measure =
    message.trainer === 'any'
      ? await startMeasure({ backend }, { graph: engine.graph, layout })
      : undefined
  const findings: AuditFinding[] = []
  // One round at least, or the audit of a short run would be of nothing but its sums.
  const drawn = Math.floor(random.next() * log.state().round.number)
  const isChosen = (round: number) => rate > 0 && (round === drawn || random.next() < rate)
  const found = auditRun(
    { log, run: engine, measure, contents: (hash) => contentIn(folder, hash) },
    { layout, start, data: training, isChosen },
  )
  for await (const finding of found) {
    findings.push(finding)
    const text = wordsOf(finding)
    if (!json && text !== undefined) console.log(text)
  }
  const summary = summaryOf(findings)
  const { paidMicroUsd, heldMicroUsd } = log.state()
  if (!summary.good) process.exitCode = 1
  if (json) {
    const paid = paidMicroUsd.toString()
    return console.log(
      JSON.stringify({
        ...summary,
        paidMicroUsd: paid,
        heldMicroUsd: heldMicroUsd.toString(),
        run: log.run,
      }),
    )
  }
  const { rounds, segments, payloads, scored, replica } = summary
  console.log(`${rounds} rounds give the model ${replica ?? 'that they began with'}.`)
  console.log(
    message.trainer === 'any'
      ? `${scored} rounds scored again.`
      : `${segments} segments run again, ${payloads} of them up to the payload.`,
  )
  console.log(`Pay by the log: ${formatUsd(paidMicroUsd)}, as the accepted steps make it.`)
  if (heldMicroUsd > 0n) console.log(`Held until audits were likely: ${formatUsd(heldMicroUsd)}.`)
  console.log(summary.good ? 'The run is good.' : 'The run is NOT good.')
}

/** What an audit came to. */
export function summaryOf(findings: readonly AuditFinding[]) {
  const rounds = findings.filter((each) => each.kind === 'round')
  const segments = findings.filter((each) => each.kind === 'segment')
  const differences = findings.filter((each) => each.kind === 'difference')
  const missing = findings.filter((each) => each.kind === 'missing')
  return {
    good: missing.length === 0 && differences.every(({ known }) => known),
    rounds: rounds.length,
    replica: rounds.at(-1)?.replica,
    segments: segments.length,
    payloads: segments.filter(({ payload }) => payload).length,
    scored: findings.filter(({ kind }) => kind === 'scores').length,
    differences,
    missing,
  }
}

function wordsOf(finding: AuditFinding): string | undefined {
  const { kind, round } = finding
  if (kind === 'missing')
    return `round ${round + 1}: ${finding.what} is not here. Fix: audit the first node's folder, which keeps all payloads.`
  if (kind !== 'difference') return undefined
  const who = finding.worker === undefined ? '' : `worker ${finding.worker}: `
  const known = finding.known ? ' (the log did not pay for it)' : ''
  return `round ${round + 1}: ${who}${finding.reason}${known}`
}

async function contentIn(folder: string, hash: Hex.Hex): Promise<Uint8Array | undefined> {
  const bytes = await readFile(join(folder, 'contents', hash.slice(2))).catch(() => undefined)
  if (!bytes) return undefined
  const found = Hex.from(createHash('sha256').update(bytes).digest())
  return found === hash ? bytes : undefined
}
