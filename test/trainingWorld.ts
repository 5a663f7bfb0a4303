/** Workers of a training run in one process: real arithmetic, a network and a clock that follow from a seed. */
import * as StateRoot from '../src/exact/commit/StateRoot.ts'
import { DataRoot } from '../src/exact/index.ts'
import type { Backend } from '../src/exact/Backend.ts'
import { rootOf } from '../src/exact/judgeable.ts'
import { decoderOf } from '../src/exact/models/decoderOf.ts'
import { reference } from '../src/exact/reference.ts'
import { build } from '../src/exact/train/Recipe.ts'
import { drawParameters, type Run, startRun } from '../src/exact/train/startRun.ts'
import { type Faults, memoryNetwork, type MemoryNetwork } from '../src/network/memory.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as TrainingOrder from '../src/protocol/training/TrainingOrder.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import type { Store } from '../src/runtime/Store.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import type { Facts } from '../src/runtime/Logger.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { trainingOrder } from './trainingOrder.ts'
import type { Contents } from '../src/training/node/Contents.ts'
import type { Policy } from '../src/training/coordinator/State.ts'
import { type LogSync, startLogSync } from '../src/training/node/startLogSync.ts'
import { startWorker } from '../src/training/node/startWorker.ts'
import type { startEarnings } from '../src/training/pay/startEarnings.ts'
import { type Log, openLog } from '../src/training/log/openLog.ts'
import { type Measure, startMeasure } from '../src/training/score/startMeasure.ts'
import type { Layout, Replica } from '../src/training/Replica.ts'

export type TrainingWorld = AsyncDisposable & {
  readonly nowMs: () => number
  readonly clock: Clock
  readonly nodes: readonly WorldNode[]
  /** Runs the world on; ends early when `until` says so. */
  advance(ms: number, until?: () => boolean): Promise<void>
  readonly network: MemoryNetwork
  /** `kill -9`: what is on disk stays. */
  kill(number: number): void
  /** Starts a node again, or for the first time. */
  start(number: number): Promise<void>
  /** What it takes to audit the run: the first node's log and contents, and an engine. */
  audit(): {
    readonly log: Log
    readonly run: Run
    readonly measure: Promise<Measure> | undefined
    readonly contents: (hash: Hex.Hex) => Promise<Uint8Array | undefined>
    readonly layout: Layout
    readonly start: readonly Uint8Array[]
    readonly data: Uint8Array
  }
}

export type WorldNode = {
  readonly identity: Identity.Identity
  readonly log: () => Log
  readonly replica: () => Replica | undefined
  readonly layout: Layout
  readonly isAlive: () => boolean
  readonly isCoordinator: () => boolean
  /** Codes of the errors that it told its user of. */
  readonly errors: ReadonlySet<string>
  readonly agree: () => Promise<boolean>
  readonly isShared: () => Promise<boolean>
}

/** Creates a world of `workers` nodes of which the first is the buyer's, too. */
export async function trainingWorld({
  workers,
  order: changes = {},
  faults = {},
  backend = reference,
  workshop,
  liar,
  seed: worldSeed = 7,
  absent = [],
  skewsMs = [],
  stepMs = [],
  policy,
  pay,
  texts,
  text = 'the cat sat on the mat and the dog lay on the log. ',
}: trainingWorld.Options): Promise<TrainingWorld> {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(worldSeed), faults })
  const own = workshop ?? (await startWorkshop(backend))
  const { graph, layout, start, seed } = own
  const bytesOf = (words: string) => new TextEncoder().encode(words.repeat(4))
  const data = bytesOf(text)
  const people = Array.from({ length: workers }, (_, number) => identityOf(number))
  const message = trainingOrder({
    buyer: people[0]!.address,
    graph: Hex.from(rootOf(graph)),
    start: Hex.from(StateRoot.from(layout.slots, start)),
    data: texts ? Hex.zero : Hex.from(DataRoot.from(data).root),
    seed0: seed[0],
    seed1: seed[1],
    rounds: 4,
    steps: 2,
    keptLast: 256,
    minWorkers: workers,
    roundMs: 60_000,
    priceMicroUsd: 10n,
    ...changes,
  })
  const order = TrainingOrder.sign(domain, message, people[0]!)
  const measureOf = (number: number) =>
    message.trainer === 'any' ? own.measure?.(number) : undefined
  const everywhere = new Map<string, ReadonlyMap<Hex.Hex, Uint8Array>>()
  const seats = await Promise.all(
    people.map(async (identity, number) => {
      const run = await own.run(number)
      const shelf = new Map<Hex.Hex, Uint8Array>()
      everywhere.set(identity.peerId, shelf)
      const lies = liar?.number === number ? liar : undefined
      return { identity, number, shelf, store: memoryStore(), run: lies ? lies.spoil(run) : run }
    }),
  )
  const alive = new Map<number, Alive>()
  const errors = people.map(() => new Set<string>())

  async function begin(number: number): Promise<void> {
    const { identity, shelf, run, store: disk } = seats[number]!
    const life = { isOver: false }
    const store = storeOf(disk, life)
    const log = await openLog({ domain, store }, { order, policy })
    const endpoint = network.join(identity.peerId)
    const logger = {
      ...silentLogger(),
      error: (facts: Facts) => void errors[number]!.add(String(facts['code'])),
    }
    const skewed = { ...clock, now: () => clock.now() + (skewsMs[number] ?? 0) }
    const ports = { log, identity, clock: skewed, domain, logger, network: endpoint }
    const sync = await startLogSync(ports)
    const contents = contentsOf(shelf, everywhere)
    const source = { url: `https://${identity.peerId}`, certificate: Hex.zero }
    const compliance = Hex.sha256('suite')
    const paid = await pay?.({ ...ports, store, number })
    const worker = await startWorker(
      {
        ...ports,
        random: seededRandom(worldSeed * 1000 + number),
        sync,
        contents,
        store,
        run,
        measure: await measureOf(number),
        layout,
        start,
        data: texts ? bytesOf(texts[number]!) : data,
        source,
        compliance,
      },
      {
        intervalMs: 200,
        onStep: () => clock.sleep(stepMs[number] ?? 0),
        mayWork: paid?.mayWork,
      },
    )
    alive.set(number, { log, sync, worker, life, paid })
  }

  for (const { number } of seats) if (!absent.includes(number)) await begin(number)
  const world: TrainingWorld = {
    network,
    nowMs: () => clock.now(),
    clock,
    nodes: seats.map(({ identity, number }) => ({
      identity,
      log: () => alive.get(number)!.log,
      replica: () => alive.get(number)?.worker.replica(),
      layout,
      isAlive: () => alive.has(number),
      isCoordinator: () => alive.get(number)!.sync.isCoordinator(),
      errors: errors[number]!,
      agree: () => alive.get(number)!.sync.agree(),
      isShared: () => alive.get(number)!.worker.isShared(),
    })),
    async advance(ms, until = () => false) {
      const end = clock.now() + ms
      while (clock.now() < end && !until()) await clock.run(Math.min(end, clock.now() + 500))
    },
    kill(number) {
      network.crash(seats[number]!.identity.peerId)
      const { sync, worker, life, paid } = alive.get(number)!
      life.isOver = true
      alive.delete(number)
      void paid?.[Symbol.asyncDispose]()
      void worker[Symbol.asyncDispose]()
      void sync[Symbol.asyncDispose]()
    },
    start: begin,
    audit: () => ({
      log: alive.get(0)!.log,
      run: seats[0]!.run,
      measure: measureOf(0),
      contents: (hash) => Promise.resolve(seats[0]!.shelf.get(hash)),
      layout,
      start,
      data,
    }),
    async [Symbol.asyncDispose]() {
      const ended = [...alive.values()].flatMap(({ sync, worker, paid }) => [
        ...(paid ? [paid[Symbol.asyncDispose]()] : []),
        worker[Symbol.asyncDispose](),
        sync[Symbol.asyncDispose](),
      ])
      await clock.run(clock.now() + 60_000)
      await Promise.all(ended)
      if (!workshop) await own[Symbol.asyncDispose]()
    },
  }
  return world
}

export declare namespace trainingWorld {
  type Options = {
    workers: number
    order?: Partial<TrainingOrder.TrainingOrder>
    faults?: Faults
    backend?: Backend
    /** What several worlds compute with, one after the other. */
    workshop?: Omit<Workshop, 'model' | 'measure'> & Partial<Pick<Workshop, 'measure'>>
    /** Of the network's faults. @default 7 */
    seed?: number
    /** Who is not there at the beginning. */
    absent?: readonly number[]
    /** How far the clock of each is ahead. */
    skewsMs?: readonly number[]
    /** How long an inner step takes each. */
    stepMs?: readonly number[]
    policy?: Policy
    /** Starts a node's part in paying or being paid. */
    pay?: (ports: Paying) => Promise<Paid>
    /** A worker whose engine computes something else. */
    liar?: { number: number; spoil: (run: Run) => Run }
    text?: string
    /** What each worker has of its own, in a private run. */
    texts?: readonly string[]
  }
}

/** What a node's part in pay is made of, and what the worker asks of it. */
export type Paying = Omit<startEarnings.Ports, 'chain'> & { readonly number: number }
export type Paid = AsyncDisposable & { readonly mayWork: () => boolean }

type Alive = {
  readonly paid: Paid | undefined
  readonly log: Log
  readonly sync: LogSync
  readonly life: { isOver: boolean }
  readonly worker: Awaited<ReturnType<typeof startWorker>>
}

/** A tiny model and engines that train it, which worlds can use one after the other. */
export type Workshop = AsyncDisposable & {
  readonly model: ReturnType<typeof build>['model']
  readonly graph: ReturnType<typeof build>['graph']
  readonly layout: Layout
  readonly start: readonly Uint8Array[]
  readonly seed: readonly [number, number]
  /** The engine of a node. */
  run(number: number): Promise<Run>
  /** What a node scores by. */
  measure(number: number): Promise<Measure>
}

/** Makes what a world computes with. */
export async function startWorkshop(
  backend: Backend,
  { rows = 1, length = 4, rate = 0.01 }: { rows?: number; length?: number; rate?: number } = {},
): Promise<Workshop> {
  const seed = [1, 2] as const
  const { model, graph } = build({
    model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 2 * length }),
    rows,
    length,
    optimiser: { kind: 'adamw' },
    schedule: { rate },
  })
  const runs = new Map<number, Promise<Run>>()
  const layout = {
    slots: graph.state.slice(0, model.parameters.length),
    isTrained: model.parameters.map(({ isTrained }) => isTrained),
  }
  const measures = new Map<number, Promise<Measure>>()
  return {
    model,
    graph,
    seed,
    layout,
    start: await drawParameters({ backend }, { ...model, seed }),
    run(number) {
      const run = runs.get(number) ?? startRun({ backend }, { graph, ...model, seed })
      runs.set(number, run)
      return run
    },
    measure(number) {
      const measure = measures.get(number) ?? startMeasure({ backend }, { graph, layout })
      measures.set(number, measure)
      return measure
    },
    async [Symbol.asyncDispose]() {
      for (const each of [...runs.values(), ...measures.values()])
        await (await each)[Symbol.asyncDispose]()
    },
  }
}

/** A disk that the dead do not write on. */
function storeOf(disk: Store, life: { readonly isOver: boolean }): Store {
  return {
    ...disk,
    write: (writes) => (life.isOver ? new Promise(() => {}) : disk.write(writes)),
  }
}

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const

function identityOf(number: number): Identity.Identity {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(28, number + 1)
  return Identity.from(key)
}

/** Contents of one node: its own shelf, and those of the sources that it is told to ask. */
function contentsOf(
  shelf: Map<Hex.Hex, Uint8Array>,
  everywhere: ReadonlyMap<string, ReadonlyMap<Hex.Hex, Uint8Array>>,
): Contents {
  return {
    put(bytes) {
      const hash = Hex.sha256(bytes)
      shelf.set(hash, bytes.slice())
      return Promise.resolve(hash)
    },
    get(hash, sources) {
      const found =
        shelf.get(hash) ??
        sources.map(({ url }) => everywhere.get(url.slice(8))?.get(hash)).find((each) => each)
      if (!found) return Promise.reject(new Error('Nobody has it.'))
      shelf.set(hash, found)
      return Promise.resolve(found)
    },
    remove(hash) {
      shelf.delete(hash)
      return Promise.resolve()
    },
  }
}
