import { basename, extname, join, relative } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Command } from 'commander'
import * as DataRoot from '../../exact/commit/DataRoot.ts'
import { batchOf, DataError } from '../../exact/data.ts'
import { encode } from '../../exact/encode.ts'
import type { Graph } from '../../exact/Graph.ts'
import type { Model } from '../../exact/models/decoder.ts'
import { type Claim, differences, hashOf, type Origin, originOf } from '../../exact/run/Claim.ts'
import { OtherRunError } from '../../exact/run/Checkpoint.ts'
import { startStateRoots } from '../../exact/run/startStateRoots.ts'
import { build } from '../../exact/train/Recipe.ts'
import { type Run, startRun } from '../../exact/train/startRun.ts'
import { train } from '../../exact/train/train.ts'
import { count } from '../../exact/Tensor.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { parseInteger } from '../parseOptions.ts'
import { readBytes } from '../readBytes.ts'
import { run } from '../run.ts'
import * as Config from './Config.ts'
import { defaultConfig } from './defaultConfig.ts'
import { onDisk } from './DiskError.ts'
import { lossChart } from './lossChart.ts'
import * as RunFile from './RunFile.ts'
import * as RunFolder from './RunFolder.ts'
import { startBackend } from './startBackend.ts'
import { jsonReporter, type TrainingReporter, wordReporter } from './trainingReporter.ts'
import { writeAtomically } from './writeAtomically.ts'

type TrainOptions = Config.Overrides & {
  data?: string
  config?: string
  out?: string
  backend: string
  printConfig?: boolean
  json?: boolean
}

/** `weft exact train`: trains a decoder on the bytes of a file. */
export function trainCommand(): Command {
  const many = parseInteger({ min: 1, max: 2 ** 31 })
  return new Command('train')
    .description(
      'train a small language model on the bytes of a file; the same bits on any machine',
    )
    .option('--data <file>', 'what to learn from; a text, or bytes of another sort')
    .option('--config <file>', 'settings in YAML (default: those of --print-config)')
    .option('--out <dir>', 'folder of the run (default: the name of the data and .run)')
    .option('--steps <count>', 'how many steps, instead of what the settings say', many)
    .option(
      '--seed <number>',
      'seed of weights and data order',
      parseInteger({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    )
    .option('--threads <count>', '1 to 8; changes no bit', parseInteger({ min: 1, max: 8 }))
    .option('--checkpoint-every <steps>', 'how often the state is kept', many)
    .option('--backend <name>', 'wasm, or reference (very slow); changes no bit', 'wasm')
    .option('--print-config', 'print the default settings, with what each is for, and stop')
    .option('--json', 'print JSON lines for machines')
    .addHelpText('after', help)
    .action((options: TrainOptions) =>
      run(options, async () => {
        if (options.printConfig) return void process.stdout.write(defaultConfig)
        await start(options)
      }),
    )
}

const help = `
The folder holds run.json (what the run follows from and came to), steps.jsonl (loss and state root
of every step), the two newest checkpoints (safetensors) and, at the end, loss.svg.
When it is interrupted, by Ctrl-C, kill -9 or a full disk, the same command goes on, to the same bits.

Examples:
  weft exact train --data book.txt
  weft exact train --print-config > small.yaml
  weft exact train --data book.txt --config small.yaml --steps 1000 --out book-1000
`

async function start(options: TrainOptions): Promise<void> {
  const { data: file, config, json } = options
  if (file === undefined) throw new MissingDataError()
  const settings = Config.parse(config ? new TextDecoder().decode(readBytes(config)) : '', {
    steps: options.steps,
    seed: options.seed,
    threads: options.threads,
    checkpointEvery: options.checkpointEvery,
  })
  const data = readBytes(file)
  check(data, settings)
  const folder = options.out ?? `${basename(file, extname(file))}.run`
  const reporter = json
    ? jsonReporter((text) => process.stdout.write(text))
    : wordReporter({
        write: (text) => process.stdout.write(text),
        isTerminal: process.stdout.isTTY,
        columns: process.stdout.columns ?? 80,
        now: () => performance.now(),
      })
  await using backend = await startBackend(options.backend, settings)
  const { model, graph } = build(settings.recipe)
  const { seed } = settings
  await using training = await startRun({ backend }, { graph, ...model, seed })
  const stateRoot = startStateRoots(training)
  const dataRoot = DataRoot.from(data).root
  const origin = originOf(graph, { startRoot: stateRoot(), dataRoot, seed })
  await follow(
    { run: training, stateRoot, reporter, model },
    { folder, file, data, settings, origin, backend: backend.name },
  )
}

type Parts = {
  readonly run: Run
  readonly stateRoot: () => Uint8Array
  readonly reporter: TrainingReporter
  readonly model: Model
}
type Plan = {
  readonly folder: string
  readonly file: string
  readonly data: Uint8Array
  readonly settings: Config.Settings
  readonly origin: Origin
  readonly backend: string
}

/** Goes through the steps that are left, noting each, and says what the run came to. */
async function follow(parts: Parts, plan: Plan): Promise<void> {
  const { run: training, stateRoot, reporter } = parts
  const { folder: path, settings, origin, data } = plan
  const { graph } = training
  const existing = expectSameRun(plan)
  const about = { model: JSON.stringify(settings.recipe.model) }
  using folder = RunFolder.open(path, { graph, origin, about })
  // A claim of fewer steps would name the roots of more.
  const { steps: done = 0 } = folder.resumed ?? {}
  if (done > settings.steps) throw new StepsDoneError(done, plan)
  if (existing !== 'finished') writeStart(plan, graph)
  if (folder.resumed) training.restore(folder.resumed.state)
  for (const remark of folder.remarks) reporter.remark(remark)
  reporter.start(aboutOf(parts, plan, lossesOf(folder)))
  let root = folder.resumed ? hashOf(stateRoot()) : origin.startRoot
  let kept = done
  const keep = () => {
    const steps = training.stepsDone()
    if (steps <= kept) return
    const state = graph.state.map((_, index) => training.readState(index))
    reporter.checkpoint(steps, folder.checkpoint({ origin, steps, stateRoot: root, state }))
    kept = steps
  }
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  try {
    await train(training, {
      data,
      seed: settings.seed,
      steps: settings.steps,
      signal: stop.signal,
      async onStep(report) {
        root = hashOf(stateRoot())
        folder.append({ step: report.step, loss: report.loss, root })
        reporter.step({ ...report, root })
        if (training.stepsDone() % settings.checkpointEvery === 0) keep()
        // A step is synchronous: this lets a signal be heard.
        await setImmediate()
      },
    })
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error
    keep()
    reporter.stopped(training.stepsDone())
    process.exitCode = 130
    return
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
  keep()
  const claim: Claim = {
    ...origin,
    steps: settings.steps,
    finalRoot: root,
    runRoot: folder.runRoot(),
  }
  const picture = join(path, 'loss.svg')
  const chart = lossChart(lossesOf(folder), { title: basename(plan.file) })
  onDisk(path, 'The picture cannot be written', () => writeAtomically(picture, chart))
  RunFile.write(path, { ...fileOf(plan), ...claim })
  reporter.end(claim, { folder: path, picture })
}

/** What is in the folder already, which has to be of the same run. */
function expectSameRun({ folder, origin, settings }: Plan): 'nothing' | 'unfinished' | 'finished' {
  if (!RunFile.exists(folder)) return 'nothing'
  const existing = RunFile.read(folder)
  const differing = differences(RunFile.originOf(existing), origin)
  if (differing.length > 0) {
    const details =
      existing.kind === 'training'
        ? changes(existing.recipe, settings.recipe)
        : ['It is a generation.']
    throw new OtherRunError(differing, { what: folder, details })
  }
  return existing.runRoot !== undefined && existing.steps === settings.steps
    ? 'finished'
    : 'unfinished'
}

/** Which settings differ, a line each. */
function changes(before: unknown, after: unknown, path = ''): readonly string[] {
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null
  if (isRecord(before) && isRecord(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...names].flatMap((name) =>
      changes(before[name], after[name], path ? `${path}.${name}` : name),
    )
  }
  if (before === after) return []
  const shown = (value: unknown) => JSON.stringify(value) ?? 'not set'
  return [`${path} is ${shown(before)} there, ${shown(after)} here.`]
}

function writeStart(plan: Plan, graph: Graph): void {
  const { folder } = plan
  onDisk(folder, 'The graph cannot be written', () =>
    writeAtomically(join(folder, 'graph.cbor'), encode(graph)),
  )
  RunFile.write(folder, fileOf(plan))
}

function fileOf({ folder, file, data, settings, origin }: Plan): RunFile.Training {
  const { recipe, steps } = settings
  const place = { file: relative(folder, file), bytes: data.byteLength }
  return { kind: 'training', version: 1, ...origin, steps, data: place, recipe }
}

function aboutOf({ run: training, model }: Parts, plan: Plan, losses: readonly number[]) {
  const { folder, origin, backend, file, data, settings } = plan
  const { recipe, steps } = settings
  const trained = model.parameters.filter(({ isTrained }) => isTrained)
  return {
    folder,
    origin,
    backend,
    memoryBytes: training.memoryBytes,
    weights: trained.reduce((sum, { slot }) => sum + count(slot.shape), 0),
    data: { file, bytes: data.byteLength },
    profile: [...new Set(Object.values(recipe.model.profiles))].join(', '),
    steps,
    losses,
    tokensPerStep: recipe.rows * recipe.length,
  }
}

function lossesOf({ entries }: RunFolder.RunFolder): readonly number[] {
  return entries.map(({ loss = Number.NaN }) => loss)
}

/** Finds what is wrong with the data before anything is made. */
function check(data: Uint8Array, { recipe, seed }: Config.Settings): void {
  batchOf(data, { seed, step: 0, rows: 1, length: recipe.length + 1 })
  const { vocabulary } = recipe.model
  const unknown = data.findIndex((byte) => byte >= vocabulary)
  if (unknown >= 0)
    throw new DataError(
      `Byte ${unknown} of the data is ${data[unknown]}, not below the vocabulary of ${vocabulary}: make model.vocabulary 256.`,
    )
}

/** Thrown when there is nothing to learn from. */
class MissingDataError extends BaseError {
  override readonly code = 'Cli.MissingDataError'

  constructor() {
    super('There is nothing to learn from: give --data FILE.', {
      metaMessages: ['Any file will do; a megabyte of text is a good beginning.'],
    })
  }
}

/** Thrown when a run has more steps behind it than it is asked for. */
class StepsDoneError extends BaseError {
  override readonly code = 'Cli.StepsDoneError'

  constructor(done: number, { folder, settings }: Plan) {
    super(`The run in ${folder} has ${done} steps behind it, more than ${settings.steps}.`, {
      metaMessages: ['Fix: ask for as many steps or more, or name another folder with --out.'],
    })
  }
}
