import type { StepReport } from '../../exact/train/startRun.ts'
import type { Decision } from '../../training/coordinator/State.ts'
import { formatUsd } from '../money.ts'
import { progressBar } from '../progressBar.ts'
import { sparkline } from '../exact/sparkline.ts'
import type * as RoundsFile from './RoundsFile.ts'

/** Tells whoever started a node how the run goes. */
export type Reporter = {
  start(about: About): void
  step(report: StepReport): void
  decision(decision: Decision): void
  round(round: RoundsFile.Round): void
  remark(text: string): void
  end(outcome: Outcome): void
}

export type About = {
  readonly folder: string
  readonly runFile: string
  readonly run: string
  readonly address: string
  readonly rounds: number
  readonly weights: number
  readonly peers: readonly string[]
  /** Rounds that are done already. */
  readonly done: readonly RoundsFile.Round[]
}

export type Outcome = {
  readonly outcome: 'ended' | 'stopped' | 'convicted' | 'left-behind'
  readonly rounds: number
  readonly replica: string
  readonly earnedMicroUsd: bigint
  /** What the buyer promised to all, or the worker claimed on the chain; undefined when nobody pays. */
  readonly settledMicroUsd?: bigint | undefined
  /** Disputes about segments that it was a party of. */
  readonly disputes?: number | undefined
  readonly files: readonly string[]
}

/** One JSON object a line. */
export function jsonReporter(write: (text: string) => void): Reporter {
  const say = (event: string, fields: object) =>
    write(
      `${JSON.stringify({ event, ...fields }, (_, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
      )}\n`,
    )
  return {
    start: ({ done, ...about }) => say('node-start', { ...about, roundsDone: done.length }),
    step: (report) => say('step-end', report),
    decision: ({ kind, ...decision }) => say(kind, decision),
    round: (round) => say('round-end', round),
    remark: (text) => say('remark', { text }),
    end: ({ outcome, ...rest }) => say('node-end', { outcome, ...rest }),
  }
}

/** Words, and on a terminal a line that moves. */
export function wordReporter({ write, isTerminal, columns, now }: wordReporter.Ports): Reporter {
  let about: About | undefined
  let rounds: RoundsFile.Round[] = []
  let [phase, shownAt, workers] = ['gathering', -Infinity, 0]
  let last: StepReport | undefined
  const clear = () => (isTerminal ? '\r\u001b[K' : '')
  const say = (text: string) => write(`${clear()}  ${text}\n`)
  const show = () => {
    if (!isTerminal || now() - shownAt < 100) return
    shownAt = now()
    const [round] = rounds.slice(-1)
    const done = round?.round ?? 0
    const { sentBytes = 0, receivedBytes = 0 } = round ?? {}
    const losses = rounds.flatMap(({ loss, workerLoss }) => loss ?? workerLoss ?? [])
    const loss = losses.at(-1) ?? last?.loss
    const words = [
      `${progressBar(done / about!.rounds)} ${done}/${about!.rounds}`,
      phase === 'round' ? '' : phase,
      loss === undefined ? '' : `loss ${loss.toFixed(3)} ${sparkline(losses, 16)}`,
      many(workers, 'worker'),
      `${size(sentBytes)} sent, ${size(receivedBytes)} received`,
    ]
    write(`${clear()}  ${words.filter((each) => each !== '').join('  ')}`.slice(0, columns - 1))
  }
  return {
    start(told) {
      about = told
      rounds = [...told.done]
      say(
        `${(told.weights / 1e6).toFixed(2)} M weights; run ${told.run.slice(0, 18)} in ${told.folder}`,
      )
      if (rounds.length > 0) say(`going on after round ${rounds.at(-1)!.round} of ${told.rounds}`)
      show()
    },
    step(report) {
      last = report
      show()
    },
    decision(decision) {
      if (decision.kind === 'phase') phase = decision.phase
      if (decision.kind === 'worker-joined') workers++
      if (decision.kind === 'worker-dropped' || decision.kind === 'worker-convicted') workers--
      const text = wordsOf(decision)
      if (text !== undefined) say(text)
      show()
    },
    round(round) {
      rounds.push(round)
      workers = round.workers
      const { loss, sentBytes, receivedBytes } = round
      if (!isTerminal)
        say(
          `round ${round.round}/${about!.rounds}  ${loss === null ? '' : `loss ${loss.toFixed(3)}  `}` +
            `${many(round.workers, 'worker')}  ${size(sentBytes)} sent, ${size(receivedBytes)} received`,
        )
      show()
    },
    remark: (text) => say(text),
    end({ outcome, rounds: done, replica, earnedMicroUsd, settledMicroUsd, disputes = 0, files }) {
      const words = {
        ended: `The run is over after ${many(done, 'round')}.`,
        stopped: `Stopped after ${many(done, 'round')}; the same command goes on from there.`,
        convicted: 'Others found our work wrong; it is not paid, and we are out of the run.',
        'left-behind': 'The run is over, but nobody is there to have its last state from.',
      }
      say(words[outcome])
      say(`model   ${replica}`)
      say(`earned  ${formatUsd(earnedMicroUsd)}, by the log`)
      if (disputes > 0) say(`disputes ${disputes}, about segments (\`weft dispute status --all\`)`)
      if (settledMicroUsd !== undefined) say(`settled ${formatUsd(settledMicroUsd)}, on the chain`)
      for (const file of files) say(`file    ${file}`)
    },
  }
}

export declare namespace wordReporter {
  type Ports = {
    write: (text: string) => unknown
    isTerminal: boolean
    columns: number
    now: () => number
  }
}

/** What a person wants to hear of a decision. */
export function wordsOf(decision: Decision): string | undefined {
  switch (decision.kind) {
    case 'worker-joined':
      return `worker ${decision.worker} joins from round ${decision.firstRound + 1} on`
    case 'worker-dropped':
      return `worker ${decision.worker} is out: ${decision.reason}`
    case 'worker-convicted':
      return decision.by === 'scores'
        ? `worker ${decision.worker} is convicted: round after round its updates do not come from the pages it was given`
        : `worker ${decision.worker} is convicted: its work of round ${decision.round + 1} is wrong`
    case 'round-repeated':
      return `round ${decision.round + 1} once more: nobody's work was held by enough`
    case 'auditor-outvoted':
      return (
        `worker ${decision.auditor} is not drawn as an auditor any more: two others contradict what it found ` +
        `of worker ${decision.worker} in round ${decision.round + 1}`
      )
    case 'unpaid':
      // Of whom is convicted it has been said.
      if (decision.reason === 'convicted') return undefined
      return `worker ${decision.worker} is not paid for round ${decision.round + 1}: ${decision.reason}`
    case 'entry-refused':
    case 'phase':
    case 'round-close':
    case 'audit-assigned':
    case 'scores-asked':
    case 'scored':
    case 'paid':
    case 'run-end':
      return undefined
  }
}

/** Bytes as people read them. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
