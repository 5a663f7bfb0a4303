import { Command } from 'commander'
import type { Decision } from '../../training/coordinator/State.ts'
import type { Log } from '../../training/log/openLog.ts'
import { commitmentsIn } from '../../training/node/neededContents.ts'
import { comingMicroUsd } from '../../training/pay/payProtocol.ts'
import { formatUsd } from '../money.ts'
import { run } from '../run.ts'
import { openRun } from './openRun.ts'
import { size } from './reporter.ts'
import { privacyOf, wordsOf as privacyWords } from './privacy.ts'
import * as RoundsFile from './RoundsFile.ts'

/** `weft train status`: what the log of a run says. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show how a run goes: rounds, workers, who was dropped and why, bytes, pay')
    .argument('<folder>', 'folder of `weft train run` or `weft train join`')
    .option('--json', 'print one JSON line for machines')
    .action((folder: string, options: { json?: boolean }) =>
      run(options, async () => {
        const { log } = await openRun(folder)
        const status = statusOf(log, RoundsFile.read(folder))
        if (options.json) return console.log(JSON.stringify(status))
        for (const line of linesOf(status)) console.log(line)
      }),
    )
}

/** A run as its log and the notes of one node have it. */
export function statusOf(log: Log, noted: readonly RoundsFile.Round[]) {
  const state = log.state()
  const { phase, round, workers, paidMicroUsd, heldMicroUsd } = state
  const decisions = log.decisions()
  const payloads = [...commitmentsIn(log.from(0, Infinity))]
  const last = noted.at(-1)
  return {
    run: log.run,
    phase,
    round: round.number,
    rounds: log.order.rounds,
    loss: noted.findLast(({ loss }) => loss !== null)?.loss ?? null,
    terms: log.head().term + 1,
    repeated: decisions.filter(({ kind }) => kind === 'round-repeated').length,
    paidMicroUsd: paidMicroUsd.toString(),
    heldMicroUsd: heldMicroUsd.toString(),
    privacy: privacyOf(log.order, state),
    payloadBytes: payloads.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    sentBytes: last?.sentBytes ?? 0,
    receivedBytes: last?.receivedBytes ?? 0,
    workers: workers.map(({ number, address, standing, earnedMicroUsd, outvoted, doubtMilli }) => ({
      number,
      address,
      standing,
      ...accepted(decisions, number),
      earnedMicroUsd: earnedMicroUsd.toString(),
      comingMicroUsd: comingMicroUsd(state, number).toString(),
      outvoted,
      scores: scoresOf(decisions, number),
      doubt: doubtMilli / 1000,
      reasons: reasonsOf(decisions, number),
    })),
  }
}

type Status = ReturnType<typeof statusOf>

function accepted(decisions: readonly Decision[], worker: number) {
  const own = decisions
    .filter((each) => each.kind === 'round-close')
    .flatMap((close) => close.accepted.filter((each) => each.worker === worker))
  return { rounds: own.length, steps: own.reduce((sum, { weight }) => sum + weight, 0) }
}

/** How often a worker was scored, and how many standard errors above chance it came to on average. */
function scoresOf(decisions: readonly Decision[], worker: number) {
  const own = decisions.flatMap((each) =>
    each.kind === 'scored' && each.worker === worker ? [each.errorMilli] : [],
  )
  const mean = own.reduce((sum, each) => sum + each, 0) / Math.max(1, own.length) / 1000
  return { rounds: own.length, mean }
}

function reasonsOf(decisions: readonly Decision[], worker: number): readonly string[] {
  let round = 0
  const unpaid = decisions.filter(
    (each) => each.kind === 'unpaid' && each.worker === worker && each.reason === 'convicted',
  ).length
  return decisions.flatMap((each) => {
    if (each.kind === 'round-close') round = each.round + 1
    if (each.kind === 'auditor-outvoted')
      return each.auditor === worker ? [outvotedWords(each)] : []
    if (!('worker' in each) || each.worker !== worker) return []
    if (each.kind === 'worker-dropped') return [`dropped in round ${round + 1}: ${each.reason}`]
    if (each.kind === 'worker-convicted')
      return [`convicted for its work of round ${each.round + 1}, unpaid for ${unpaid} rounds`]
    return each.kind === 'unpaid' && each.reason !== 'convicted'
      ? [`not paid for round ${each.round + 1}: ${each.reason}`]
      : []
  })
}

function outvotedWords({
  found,
  round,
  worker,
}: Extract<Decision, { kind: 'auditor-outvoted' }>): string {
  return (
    `not drawn as an auditor any more: it found worker ${worker} ${found} in round ${round + 1}, ` +
    'two others found otherwise'
  )
}

function scoreWords({ scores, doubt }: Pick<Status['workers'][number], 'scores' | 'doubt'>) {
  return (
    `scored in ${scores.rounds} rounds: ${scores.mean.toFixed(1)} standard errors above chance, ` +
    `doubt ${doubt.toFixed(1)} of 8`
  )
}

function linesOf(status: Status): readonly string[] {
  const { loss, paidMicroUsd, workers } = status
  const rows = workers.flatMap(({ number, address, standing, rounds, steps, ...rest }) => [
    `  ${String(number).padStart(3)}  ${address}  ${standing.padEnd(9)}  ${rounds} rounds, ${steps} steps, ` +
      `${formatUsd(BigInt(rest.earnedMicroUsd))} and ${formatUsd(BigInt(rest.comingMicroUsd))} not due yet`,
    ...(rest.scores.rounds > 0 ? [`       ${scoreWords(rest)}`] : []),
    ...rest.reasons.map((reason) => `       ${reason}`),
  ])
  return [
    `Run ${status.run}`,
    `${status.phase}, round ${status.round} of ${status.rounds}` +
      (loss === null ? '' : `, held-out loss ${loss.toFixed(3)}`),
    `${size(status.payloadBytes)} of payloads in all; this node sent ${size(status.sentBytes)} and received ${size(status.receivedBytes)}`,
    `${status.terms} coordinator terms, ${status.repeated} rounds repeated, ${formatUsd(BigInt(paidMicroUsd))} earned, ` +
      `${formatUsd(BigInt(status.heldMicroUsd))} held until audits were likely`,
    ...privacyWords(status.privacy),
    'Workers:',
    ...rows,
  ]
}
