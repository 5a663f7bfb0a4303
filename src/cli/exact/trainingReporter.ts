import type { Claim, Origin } from '../../exact/run/Claim.ts'
import type { StepReport } from '../../exact/train/startRun.ts'
import { progressBar } from '../progressBar.ts'
import { sparkline } from './sparkline.ts'

/** Tells whoever started a run how it goes. */
export type TrainingReporter = {
  start(about: About): void
  step(report: StepReport & { readonly root: string }): void
  checkpoint(steps: number, path: string): void
  remark(text: string): void
  stopped(steps: number): void
  end(claim: Claim, files: { readonly folder: string; readonly picture: string }): void
}

export type About = {
  readonly folder: string
  readonly origin: Origin
  readonly backend: string
  readonly memoryBytes: number
  readonly weights: number
  readonly data: { readonly file: string; readonly bytes: number }
  readonly profile: string
  readonly steps: number
  /** Losses of the steps that are done already. */
  readonly losses: readonly number[]
  readonly tokensPerStep: number
}

/** One JSON object a line. */
export function jsonReporter(write: (text: string) => void): TrainingReporter {
  const say = (event: string, fields: object) => write(`${JSON.stringify({ event, ...fields })}\n`)
  return {
    start: ({ losses, origin, ...rest }) =>
      say('run-start', { ...rest, ...origin, stepsDone: losses.length }),
    step: (report) => say('step-end', report),
    checkpoint: (steps, path) => say('checkpoint-end', { steps, path }),
    remark: (text) => say('remark', { text }),
    stopped: (steps) => say('run-stopped', { steps }),
    end: (claim, files) => say('run-end', { ...claim, ...files }),
  }
}

/** Words, and on a terminal a bar that moves. */
export function wordReporter({
  write,
  isTerminal,
  columns,
  now,
}: wordReporter.Ports): TrainingReporter {
  let [about, losses, startedAt, shownAt]: [About | undefined, number[], number, number] = [
    undefined,
    [],
    0,
    0,
  ]
  let first = 0
  const clear = () => (isTerminal ? '\r\u001b[K' : '')
  const say = (text: string) => write(`${clear()}${text}\n`)
  const show = () => {
    const { steps, tokensPerStep } = about!
    const done = losses.length
    const seconds = Math.max(1e-3, (now() - startedAt) / 1000)
    const perSecond = (done - first) / seconds
    const left = spell((steps - done) / perSecond)
    const rate = `${Math.round(perSecond * tokensPerStep).toLocaleString('en')} tokens/s`
    const words = `${done}/${steps}  loss ${shownLoss(losses.at(-1))}`
    const time = done < steps ? `${left} left` : `took ${spell(seconds)}`
    if (!isTerminal) return write(`  ${words}  ${rate}  ${time}\n`)
    const line = `  ${progressBar(done / steps)} ${words}  ${sparkline(losses, 16)}  ${rate}  ${time}`
    return write(`${clear()}${line.slice(0, columns - 1)}`)
  }
  return {
    start(told) {
      about = told
      losses = [...told.losses]
      first = losses.length
      startedAt = now()
      const { weights, profile, data, backend, memoryBytes, folder, steps } = told
      say(
        `  ${(weights / 1e6).toFixed(2)} M weights in ${profile}, ${mega(memoryBytes)} of memory, ${backend}`,
      )
      say(`  ${data.bytes.toLocaleString('en')} bytes of ${data.file}, run in ${folder}`)
      if (first > 0) say(`  going on after step ${first} of ${steps}`)
    },
    step({ loss }) {
      losses.push(loss)
      const done = losses.length
      const isLast = done === about!.steps
      const isDue = isTerminal
        ? now() - shownAt >= 100
        : done % Math.ceil(about!.steps / 10) === 0 || now() - shownAt >= 30_000
      if (!isLast && !isDue) return
      shownAt = now()
      show()
      if (isLast && isTerminal) write('\n')
    },
    checkpoint() {},
    remark: (text) => say(`  ${text}`),
    stopped: (steps) => say(`  Stopped after step ${steps}; the same command goes on from there.`),
    end({ graphCid, graphRoot, startRoot, dataRoot, finalRoot, runRoot }, { folder, picture }) {
      say(
        `\n  loss ${shownLoss(losses[0])} ${sparkline(losses, 40)} ${shownLoss(mean(losses.slice(-Math.ceil(losses.length / 20))))}\n`,
      )
      const rows = { graph: graphCid, 'graph root': graphRoot, start: startRoot, data: dataRoot }
      for (const [name, value] of Object.entries({
        ...rows,
        final: finalRoot,
        'run root': runRoot,
      }))
        say(`  ${name.padEnd(11)} ${value}`)
      say(`  picture     ${picture}\n`)
      say(`  Try it:   weft exact generate ${quoted(folder)} --prompt "Once"`)
      say(`  Check it: weft exact verify ${quoted(folder)}`)
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

function shownLoss(loss: number | undefined): string {
  return loss === undefined || !Number.isFinite(loss) ? 'not a number' : loss.toFixed(3)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function mega(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`
}

function spell(time: number): string {
  const seconds = Math.ceil(time)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
