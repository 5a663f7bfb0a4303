import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectTexts } from '../../engine/firstModel.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { sparkline } from '../exact/sparkline.ts'
import { openRun } from '../train/openRun.ts'
import * as RoundsFile from '../train/RoundsFile.ts'
import { statusOf } from '../train/status.ts'
import type { Printer } from './printer.ts'
import type { LocalNetwork } from './startLocalNetwork.ts'
import { beginStory, type Story } from './trainingStory.ts'

/** What the run came to; numbers of the JSON line. */
export type TrainingSummary = {
  readonly run: string
  readonly rounds: number
  readonly workers: number
  /** On text that nobody learned from, nats a byte. */
  readonly firstLoss: number
  readonly loss: number
  readonly payloadBytes: number
  readonly convicted: number
  /** Convicted though they did what they said; always 0, or something is wrong. */
  readonly wronglyConvicted: number
  /** How often a worker was killed and came back. */
  readonly killed: number
  /** The first round of the worker that came late. */
  readonly lateFrom: number
  readonly earnedMicroUsd: string
}

/**
 * Has four workers train a model of the project's documents, each a process of its own: the first orders
 * and pays, the second is killed on the way and comes back, the third claims twice the steps that it takes, the
 * fourth comes late. A run that was cut off goes on; one that is over is only told of.
 *
 * @returns also the folder of the first node.
 */
export async function trainTogether(
  { clock, say }: { clock: Clock; say: Printer },
  { network }: { network: LocalNetwork },
): Promise<TrainingSummary & { readonly folder: string }> {
  const place = join(network.home, 'training')
  const folder = join(place, 'documents.run')
  let killed = 0
  if ((await statusIn(folder))?.phase !== 'ended') {
    await writeInputs(place)
    await using story = beginStory({
      network,
      place,
      folder,
      documents: join(place, documentsName),
      settings: join(place, settingsName),
    })
    await showUntilOver({ clock, say }, story)
    killed = story.killed()
  }
  return { ...(await summaryOf(folder, network)), killed, folder }
}

/** The documents and the settings; those that a run was begun with stay. */
async function writeInputs(place: string): Promise<void> {
  mkdirSync(place, { recursive: true, mode: 0o700 })
  const documents = join(place, documentsName)
  if (existsSync(documents)) return
  const texts = await projectTexts(join(import.meta.dirname, '../../..'))
  writeFileSync(join(place, settingsName), settings)
  // Tables are padded with blanks and dashes, which are no news.
  writeFileSync(documents, texts.join('\n\n').replaceAll(/[ -]{3,}/g, ' '))
}

const documentsName = 'documents.txt'
const settingsName = 'settings.yaml'
/** Small enough to learn in a minute on two cores. */
const settings = `run: { rounds: 12, steps: 25, minWorkers: 3, roundSeconds: 60, auditShare: 0.5, keptLast: 1024, priceUsd: 0.0001 }
model: { width: 96, layers: 1, heads: 3, keyHeads: 3, headSize: 32, hidden: 256, positions: 256 }
schedule: { rate: 0.01, warmupSteps: 4 }
rows: 16
length: 24
threads: 1
`

async function showUntilOver(
  { clock, say }: { clock: Clock; say: Printer },
  story: Story,
): Promise<void> {
  const end = clock.now() + patienceMs
  let shown = -1
  while (story.result() === undefined && clock.now() < end) {
    for (const note of story.notes.splice(0)) say.line(`      ${note}`)
    const { done, of } = story.rounds()
    const last = story.losses.at(-1)
    if (last !== undefined && done > 0 && done !== shown) {
      shown = done
      say.progress(done, of, `rounds, loss ${last.toFixed(2)} ${sparkline(story.losses, 16)}`)
    }
    await clock.sleep(200)
  }
  for (const note of story.notes.splice(0)) say.line(`      ${note}`)
  if (story.result() !== 0) throw new NotTrainedError()
}

const patienceMs = 300_000

async function statusIn(folder: string) {
  if (!existsSync(join(folder, 'run.json'))) return undefined
  const { log } = await openRun(folder)
  return { ...statusOf(log, RoundsFile.read(folder)), decisions: log.decisions() }
}

async function summaryOf(
  folder: string,
  { liar }: LocalNetwork,
): Promise<Omit<TrainingSummary, 'killed'>> {
  const status = (await statusIn(folder))!
  const rounds = RoundsFile.read(folder)
  const convicted = status.workers.filter(({ standing }) => standing === 'convicted')
  const wrongly = convicted.filter(({ address }) => address !== liar)
  const firstRounds = status.decisions.flatMap((each) =>
    each.kind === 'worker-joined' ? [each.firstRound] : [],
  )
  return {
    run: status.run,
    rounds: status.round,
    workers: status.workers.length,
    firstLoss: rounds[0]?.loss ?? Number.NaN,
    loss: status.loss ?? Number.NaN,
    payloadBytes: status.payloadBytes,
    convicted: convicted.length,
    wronglyConvicted: wrongly.length,
    lateFrom: Math.max(...firstRounds),
    earnedMicroUsd: status.paidMicroUsd,
  }
}

/** Thrown when the run does not come to its end. */
class NotTrainedError extends BaseError {
  override readonly code = 'Demo.NotTrainedError'

  constructor() {
    super('The training did not come to its end within five minutes.', {
      metaMessages: [
        'Fix: see the logs of trainer-1 to trainer-4 in the `logs` folder of the home, or leave it out with --no-training.',
      ],
    })
  }
}
