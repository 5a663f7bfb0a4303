import { basename, dirname, extname, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { BaseError } from '../../runtime/Errors.ts'
import { systemRandom } from '../../runtime/systemRandom.ts'
import { startBackend } from '../exact/startBackend.ts'
import { type Bit, flippedBit, parseBit } from '../flippedBit.ts'
import * as Home from '../Home.ts'
import * as NetworkFile from '../NetworkFile.ts'
import { parseInteger } from '../parseOptions.ts'
import { run } from '../run.ts'
import { expectOrdered, prepareRun } from './prepareRun.ts'
import { MissingDataError, withNodeOptions } from './run.ts'
import { readData } from './readData.ts'
import * as RunFile from './RunFile.ts'
import { type NodeOptions, takeFolder, work } from './work.ts'

type JoinOptions = NodeOptions & {
  home?: string
  network?: string
  keepRounds: number
  cheatBit?: Bit
}

/** `weft train join`: works on somebody's run. */
export function joinCommand(): Command {
  return withNodeOptions(new Command('join'))
    .description('work on a run that somebody began; the same command goes on')
    .argument('<run.json>', 'the file that `weft train run` wrote')
    .option(
      '--data <path>',
      'the same file that the run learns from; in a private run, your own texts',
    )
    .option(
      '--keep-rounds <count>',
      'payloads of how many rounds stay on the disk',
      parseInteger({ min: 4, max: 1_000_000 }),
      16,
    )
    .option(
      '--network <file>',
      'network that the run is paid in; without it the work is given away',
    )
    .option(
      '--cheat-steps <count>',
      'for testing audits: claim this many steps a round, whatever was taken',
      parseInteger({ min: 1, max: 4000 }),
    )
    .addOption(
      new Option(
        '--cheat-bit <tensor:bit>',
        'for testing disputes: compute with one bit of a tensor wrong',
      ).argParser(parseBit),
    )
    .action((place: string, options: JoinOptions) => run(options, () => start(place, options)))
}

async function start(place: string, options: JoinOptions): Promise<void> {
  const { data: path, threads } = options
  if (path === undefined) throw new MissingDataError()
  const file = RunFile.read(place)
  const { order, recipe, dataBytes } = file
  const { message } = order
  const folder = options.out ?? `${basename(path, extname(path))}.join`
  if (resolve(folder) === resolve(dirname(place))) throw new OwnFolderError(folder)
  const data = readData(path)
  const isPrivate = message.privacy === 'sums'
  if (isPrivate && options.steps !== undefined) throw new EqualStepsError()
  using _folder = takeFolder(folder)
  await using sound = await startBackend(options.backend, { threads })
  const backend = options.cheatBit ? flippedBit(sound, options.cheatBit) : sound
  const seed = [message.seed0, message.seed1] as const
  await using prepared = await prepareRun({ backend }, { recipe, seed, data, isPrivate })
  expectOrdered(message, prepared, { dataBytes: data.byteLength, orderedBytes: dataBytes })
  const identity = Home.identity(options.home ?? folder, { random: systemRandom() })
  const { outcome } = await work(
    {
      folder,
      runFile: place,
      file,
      prepared,
      backend,
      identity,
      isFirst: false,
      network: options.network ? NetworkFile.read(options.network) : undefined,
      payloadRounds: options.keepRounds,
      checkpointEvery: 100,
    },
    options,
  )
  if (outcome === 'stopped') process.exitCode = 130
  else if (outcome !== 'ended') process.exitCode = 1
}

/** Thrown when somebody joins a run in the folder of its first node. */
class OwnFolderError extends BaseError {
  override readonly code = 'Cli.OwnFolderError'

  constructor(folder: string) {
    super(`${folder} is the folder of the run's first node: give --out another folder.`)
  }
}

/** Thrown when a worker of a private run is to take other steps than all. */
class EqualStepsError extends BaseError {
  override readonly code = 'Cli.EqualStepsError'

  constructor() {
    super('In a private run everybody takes the same steps: leave --steps out.')
  }
}
