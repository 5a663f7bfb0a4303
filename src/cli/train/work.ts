import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Chain } from '../../chain/Chain.ts'
import type { Backend } from '../../exact/Backend.ts'
import { count } from '../../exact/Tensor.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { fileLock } from '../../runtime/fileLock.ts'
import { pinoLogger } from '../../runtime/pinoLogger.ts'
import { systemClock } from '../../runtime/systemClock.ts'
import { hashOf, type Replica } from '../../training/Replica.ts'
import { neededContents } from '../../training/node/neededContents.ts'
import { startEvaluator } from '../../training/startEvaluator.ts'
import { connectChain } from '../connectChain.ts'
import { wordsOf } from '../dispute/reportDispute.ts'
import { onDisk } from '../exact/DiskError.ts'
import { lossChart } from '../exact/lossChart.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import type * as NetworkFile from '../NetworkFile.ts'
import { checkBackend } from './checkBackend.ts'
import type { Prepared } from './prepareRun.ts'
import { jsonReporter, type Outcome, type Reporter, wordReporter } from './reporter.ts'
import { privacyOf, wordsOf as privacyWords } from './privacy.ts'
import * as RoundsFile from './RoundsFile.ts'
import * as RunFile from './RunFile.ts'
import { commandOf, type ProcessTrainer, startProcessTrainer } from './startProcessTrainer.ts'
import { startNode, type TrainingNode } from './startNode.ts'
import { untilOver } from './untilOver.ts'
import { modelName, writeModel } from './writeModel.ts'
import { expectNetwork } from './startPay.ts'

/** What `run` and `join` have in common on the command line. */
export type NodeOptions = {
  data?: string
  out?: string
  host?: string
  listen?: readonly string[]
  steps?: number
  cheatSteps?: number
  trainer?: string
  uploadMbit?: number
  downloadMbit?: number
  threads?: number
  backend: string
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  json?: boolean
  exitWithParent?: boolean
}

/** Takes part in a run until it is over or the user stops it; the same call goes on after a crash. */
export async function work(plan: Plan, options: NodeOptions): Promise<Outcome> {
  const { folder, prepared, identity, backend, isFirst, relays = [] } = plan
  const { layout, model, heldOut, recipe } = prepared
  const clock = systemClock()
  const logger = pinoLogger({ name: 'train', level: options.logLevel })
  const reporter = reporterOf(options)
  await using stack = new AsyncDisposableStack()
  const compliance = await checkBackend(backend)
  const file = RoundsFile.open(folder)
  const before = file.rounds.at(-1) ?? { sentBytes: 0, receivedBytes: 0 }
  const { rows, length } = recipe
  const evaluator = isFirst
    ? stack.use(await startEvaluator({ backend }, { model, data: heldOut, rows, length }))
    : undefined
  const chain = await chainOf(plan, { identity, clock })
  if (chain) stack.use(chain)
  const trainer = stack.use(await trainerFor(plan, options))
  const told: Replica[] = []
  let node: TrainingNode | undefined
  let marked: ReadonlySet<Hex.Hex> = new Set()

  /** Notes a state; those that come while the node starts are noted when it has. */
  async function note(replica: Replica): Promise<void> {
    if (!node) return void told.push(replica)
    const { rounds } = replica
    await prune(node)
    const name = hashOf(layout, replica)
    if (file.rounds.some((each) => each.round === rounds && each.replica === name)) return
    const closed = node.log
      .decisions()
      .findLast((each) => each.kind === 'round-close' && each.round === rounds - 1)
    const accepted = closed?.kind === 'round-close' ? closed.accepted : []
    const { sentBytes, receivedBytes } = node.bulk.traffic()
    const round = {
      round: rounds,
      loss: evaluator?.loss(replica.parameters) ?? null,
      workerLoss: node.worker.loss() ?? null,
      workers: accepted.length,
      steps: accepted.reduce((sum, { weight }) => sum + weight, 0),
      sentBytes: before.sentBytes + sentBytes,
      receivedBytes: before.receivedBytes + receivedBytes,
      replica: name,
      at: clock.now(),
    }
    file.append(round)
    reporter.round(round)
    if (rounds > 0 && rounds % plan.checkpointEvery === 0)
      writeModel(join(plan.folder, modelName), { ...plan, layout }, replica)
  }

  /** Removes what was not needed after this round and not after the one before. */
  async function prune({ log, contents, worker }: TrainingNode): Promise<void> {
    const { payloadRounds } = plan
    const options = { own: identity.address, payloadRounds }
    const needed = neededContents(log.state(), log.from(0, Infinity), options)
    const states = new Set(worker.kept())
    const spare = contents.held().filter((hash) => !needed.has(hash) && !states.has(hash))
    for (const hash of spare) if (marked.has(hash)) await contents.remove(hash)
    marked = new Set(spare)
  }

  node = stack.use(
    await startNode(
      {
        identity,
        clock,
        logger,
        prepared,
        backend,
        compliance,
        chain,
        trainer: trainer?.train,
      },
      {
        folder,
        file: plan.file,
        host: options.host,
        listen: options.listen,
        steps: options.steps,
        cheatSteps: options.cheatSteps,
        uploadMbit: options.uploadMbit,
        downloadMbit: options.downloadMbit,
        bootstrap: relays,
        // Who others are reached through must be dialled itself.
        relay: isFirst && relays.length === 0,
        onDecisions: (decisions) => decisions.forEach((each) => reporter.decision(each)),
        onReplica: note,
        onDispute: (report) => reporter.remark(wordsOf(report)),
        onStep: (report) => reporter.step(report),
        measured: ({ sentBytes, receivedBytes }) => ({
          heldOut: file.rounds.at(-1)?.loss ?? undefined,
          sentBytes: before.sentBytes + sentBytes,
          receivedBytes: before.receivedBytes + receivedBytes,
        }),
      },
    ),
  )
  const peers = isFirst ? await placesOf(node, { clock, relays }) : plan.file.peers
  RunFile.write(join(folder, 'run.json'), { ...plan.file, peers })
  const trained = model.parameters.filter(({ isTrained }) => isTrained)
  reporter.start({
    folder,
    runFile: plan.runFile,
    run: node.log.run,
    address: identity.address,
    rounds: node.log.order.rounds,
    weights: trained.reduce((sum, { slot }) => sum + count(slot.shape), 0),
    peers: node.network.addresses(),
    done: file.rounds,
  })
  // The newest once more: a crash may have come between a state and the note of it.
  for (const replica of [...told, node.worker.replica()]) await note(replica)
  const onRemark = (text: string) => reporter.remark(text)
  const { log, worker, sync } = node
  const outcome = await untilStopped(options, (signal) =>
    untilOver({ log, worker, sync, clock }, { own: identity.address, layout, signal, onRemark }),
  )
  if (outcome === 'ended' && !(await node.sync.agree()))
    reporter.remark(
      'Fewer than half of the other workers could be asked whether they came to the same end.',
    )
  if (outcome === 'stopped') await node.leave()
  // Its own disputes go on when the run does not.
  const disputes =
    outcome === 'stopped'
      ? 0
      : await node.claims?.settle({ leastMs: outcome === 'convicted' ? heardMs : 0 })
  const settledMicroUsd = outcome === 'ended' ? await node.pay?.settle() : undefined
  const replica = node.worker.replica()
  const files = [
    writeModel(join(plan.folder, modelName), { ...plan, layout }, replica),
    ...(isFirst ? [writeChart(plan, file.rounds)] : []),
  ]
  for (const words of privacyWords(privacyOf(node.log.order, node.log.state())))
    reporter.remark(words)
  const { workers, numbers } = node.log.state()
  const number = numbers.get(identity.address)
  const result: Outcome = {
    outcome,
    rounds: replica.rounds,
    replica: hashOf(layout, replica),
    earnedMicroUsd: number === undefined ? 0n : workers[number]!.earnedMicroUsd,
    settledMicroUsd,
    disputes,
    files,
  }
  // Others may not have the last state yet.
  if (outcome === 'ended') await clock.sleep(lingerMs)
  reporter.end(result)
  return result
}

export type Plan = {
  readonly folder: string
  readonly runFile: string
  readonly file: RunFile.RunFile
  readonly prepared: Prepared
  readonly backend: Backend
  readonly identity: Identity
  /** Whether this is the buyer's node, which others dial first and which measures the loss. */
  readonly isFirst: boolean
  /** The network that the run is paid in. */
  readonly network?: NetworkFile.NetworkFile | undefined
  /** Nodes to dial through which the first one is reached. @default none, it is the relay of the others */
  readonly relays?: readonly string[] | undefined
  readonly payloadRounds?: number | undefined
  readonly checkpointEvery: number
}

/** Where others dial the first node, through a relay too once one has a place for it. */
async function placesOf(
  { network }: TrainingNode,
  { clock, relays }: { clock: Clock; relays: readonly string[] },
): Promise<string[]> {
  const end = clock.now() + reservationMs
  const isRelayed = () => network.addresses().some((each) => each.includes('/p2p-circuit/'))
  while (relays.length > 0 && !isRelayed() && clock.now() < end) await clock.sleep(100)
  return [...network.addresses(), ...relays].slice(0, 64)
}

/** Connects to the chain that the run is paid over, if it is paid. */
async function chainOf(
  { network, file }: Plan,
  ports: { identity: Identity; clock: Clock },
): Promise<Chain | undefined> {
  if (!network && file.order.message.tier === 'exact') throw new NoChainError()
  if (!network) return undefined
  expectNetwork(network, file)
  const { priceMicroUsd, tier } = file.order.message
  return priceMicroUsd > 0n || tier === 'exact' ? await connectChain(network, ports) : undefined
}

/** The user's own trainer, where the run takes any. */
async function trainerFor(
  { file, folder, prepared }: Plan,
  { trainer, threads }: NodeOptions,
): Promise<ProcessTrainer | undefined> {
  if (trainer === undefined) return undefined
  if (file.order.message.trainer !== 'any') throw new ExactRunError()
  const { recipe, run } = prepared
  const command = commandOf(trainer, { threads })
  return startProcessTrainer({ command, recipe, graph: run.graph, folder: join(folder, 'trainer') })
}

/** Takes the folder of a node for this process. */
export function takeFolder(folder: string): Disposable {
  return onDisk(folder, 'The folder cannot be used', () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return fileLock(join(folder, 'lock'))
  })
}

const lingerMs = 3_000
/** How long a challenge of ours may take to be heard of. */
const heardMs = 20_000
/** How long a relay may take to give the first node a place. */
const reservationMs = 15_000
/** Runs a task that is told when the user wants no more of it. */
async function untilStopped<result>(
  { exitWithParent }: NodeOptions,
  task: (signal: AbortSignal) => Promise<result>,
): Promise<result> {
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  if (exitWithParent) process.stdin.resume().once('end', onSignal).once('error', onSignal)
  try {
    return await task(stop.signal)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
    if (exitWithParent) process.stdin.destroy()
  }
}

function writeChart({ folder }: Plan, rounds: readonly RoundsFile.Round[]): string {
  const path = join(folder, 'loss.svg')
  const losses = rounds.map(({ loss }) => loss ?? Number.NaN)
  const chart = lossChart(losses, { title: `${basename(folder)}: held-out loss by round` })
  onDisk(folder, 'The picture cannot be written', () => writeAtomically(path, chart))
  return path
}

function reporterOf({ json }: NodeOptions): Reporter {
  const write = (text: string) => process.stdout.write(text)
  if (json) return jsonReporter(write)
  const { isTTY: isTerminal } = process.stdout
  // A pipe has no columns.
  const columns = isTerminal ? process.stdout.columns : 80
  return wordReporter({ write, isTerminal, columns, now: () => performance.now() })
}

/** Thrown when a run's segments have to be exact, and another program is to compute them. */
class ExactRunError extends BaseError {
  override readonly code = 'Cli.ExactRunError'

  constructor() {
    super('The segments of this run are computed exactly: leave --trainer out.', {
      metaMessages: ['A run takes others where `any` is the trainer in its settings.'],
    })
  }
}

/** Thrown when segments are to be claimed, and no chain is named that decides about them. */
class NoChainError extends BaseError {
  override readonly code = 'Cli.NoChainError'

  constructor() {
    super('Segments of this run are claims that a chain decides about: give --network FILE.')
  }
}
