/** Workers of a training run in one process: real arithmetic, a network and a clock that follow from a seed. */
import * as StateRoot from '../src/exact/commit/StateRoot.ts'
import { DataRoot } from '../src/exact/index.ts'
import type { Backend } from '../src/exact/Backend.ts'
import { rootOf } from '../src/exact/judgeable.ts'
import { decoderOf } from '../src/exact/models/decoderOf.ts'
import { reference } from '../src/exact/reference.ts'
import { build } from '../src/exact/train/Recipe.ts'
import { drawParameters, type Run, startRun } from '../src/exact/train/startRun.ts'
import { type Faults, memoryNetwork } from '../src/network/memory.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as TrainingOrder from '../src/protocol/training/TrainingOrder.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { trainingOrder } from './trainingOrder.ts'
import type { Contents } from '../src/training/node/Contents.ts'
import { startLogSync } from '../src/training/node/startLogSync.ts'
import { startWorker } from '../src/training/node/startWorker.ts'
import { type Log, openLog } from '../src/training/log/openLog.ts'
import type { Layout, Replica } from '../src/training/Replica.ts'

export type TrainingWorld = AsyncDisposable & {
  readonly nodes: readonly WorldNode[]
  /** Runs the world on; ends early when `until` says so. */
  advance(ms: number, until?: () => boolean): Promise<void>
  /** `kill -9`: what is on disk stays. */
  kill(number: number): void
  /** Starts a node again, or for the first time. */
  start(number: number): Promise<void>
  /** What it takes to audit the run: the first node's log and contents, and an engine. */
  audit(): {
    readonly log: Log
    readonly run: Run
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
}

/** Creates a world of `workers` nodes of which the first is the buyer's, too. */
export async function trainingWorld({
  workers,
  order: changes = {},
  faults = {},
  backend = reference,
  liar,
  text = 'the cat sat on the mat and the dog lay on the log. ',
}: trainingWorld.Options): Promise<TrainingWorld> {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(7), faults })
  const { model, graph } = build({
    model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 8 }),
    rows: 1,
    length: 4,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.01 },
  })
  const seed = [1, 2] as const
  const data = new TextEncoder().encode(text.repeat(4))
  const layout: Layout = {
    slots: graph.state.slice(0, model.parameters.length),
    isTrained: model.parameters.map(({ isTrained }) => isTrained),
  }
  const start = await drawParameters({ backend }, { ...model, seed })
  const people = Array.from({ length: workers }, (_, number) => identityOf(number))
  const message = trainingOrder({
    buyer: people[0]!.address,
    graph: Hex.from(rootOf(graph)),
    start: Hex.from(StateRoot.from(layout.slots, start)),
    data: Hex.from(DataRoot.from(data).root),
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
  const everywhere = new Map<string, ReadonlyMap<Hex.Hex, Uint8Array>>()
  const seats = await Promise.all(
    people.map(async (identity, number) => {
      const run = await startRun({ backend }, { graph, ...model, seed })
      const shelf = new Map<Hex.Hex, Uint8Array>()
      everywhere.set(identity.peerId, shelf)
      const lies = liar?.number === number ? liar : undefined
      return { identity, number, shelf, store: memoryStore(), run: lies ? lies.spoil(run) : run }
    }),
  )
  const alive = new Map<number, Alive>()

  async function begin(number: number): Promise<void> {
    const { identity, store, shelf, run } = seats[number]!
    const log = await openLog({ domain, store }, { order })
    const endpoint = network.join(identity.peerId)
    const logger = silentLogger()
    const ports = { log, identity, clock, domain, logger, network: endpoint }
    const sync = await startLogSync(ports)
    const contents = contentsOf(shelf, everywhere)
    const source = { url: `https://${identity.peerId}`, certificate: Hex.zero }
    const compliance = Hex.sha256('suite')
    const worker = await startWorker(
      { ...ports, sync, contents, store, run, layout, start, data, source, compliance },
      { intervalMs: 200 },
    )
    alive.set(number, { log, sync, worker })
  }

  for (const { number } of seats) await begin(number)
  const world: TrainingWorld = {
    nodes: seats.map(({ identity, number }) => ({
      identity,
      log: () => alive.get(number)!.log,
      replica: () => alive.get(number)?.worker.replica(),
    })),
    async advance(ms, until = () => false) {
      const end = clock.now() + ms
      while (clock.now() < end && !until()) await clock.run(Math.min(end, clock.now() + 500))
    },
    kill(number) {
      network.crash(seats[number]!.identity.peerId)
      const { sync, worker } = alive.get(number)!
      alive.delete(number)
      void worker[Symbol.asyncDispose]()
      void sync[Symbol.asyncDispose]()
    },
    start: begin,
    audit: () => ({
      log: alive.get(0)!.log,
      run: seats[0]!.run,
      contents: (hash) => Promise.resolve(seats[0]!.shelf.get(hash)),
      layout,
      start,
      data,
    }),
    async [Symbol.asyncDispose]() {
      const ended = [...alive.values()].flatMap(({ sync, worker }) => [
        worker[Symbol.asyncDispose](),
        sync[Symbol.asyncDispose](),
      ])
      await clock.run(clock.now() + 60_000)
      await Promise.all(ended)
      for (const { run } of seats) await run[Symbol.asyncDispose]()
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
    /** A worker whose engine computes something else. */
    liar?: { number: number; spoil: (run: Run) => Run }
    text?: string
  }
}

type Alive = {
  readonly log: Log
  readonly sync: AsyncDisposable
  readonly worker: Awaited<ReturnType<typeof startWorker>>
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
