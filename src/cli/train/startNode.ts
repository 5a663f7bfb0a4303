import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import type { Chain } from '../../chain/Chain.ts'
import { httpsBulk } from '../../network/https.ts'
import type { Bulk, Traffic } from '../../network/Bulk.ts'
import { libp2pNetwork } from '../../network/libp2p.ts'
import type { Network } from '../../network/Network.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Leave from '../../protocol/training/Leave.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { codeOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import { sqliteStore } from '../../runtime/sqliteStore.ts'
import { systemRandom } from '../../runtime/systemRandom.ts'
import type { Store } from '../../runtime/Store.ts'
import type { StepReport } from '../../exact/train/startRun.ts'
import type { Decision } from '../../training/coordinator/State.ts'
import { type Log, openLog } from '../../training/log/openLog.ts'
import { type BulkContents, bulkContents } from '../../training/node/bulkContents.ts'
import { serveOrder } from '../../training/node/orderProtocol.ts'
import { meetAny, peersIn, startAcquaintance } from '../../training/node/startAcquaintance.ts'
import { type LogSync, startLogSync } from '../../training/node/startLogSync.ts'
import { startWorker, type Worker } from '../../training/node/startWorker.ts'
import type { Replica } from '../../training/Replica.ts'
import { type Measure, startMeasure } from '../../training/score/startMeasure.ts'
import type { Trainer } from '../../training/segment.ts'
import { claimingSteps } from './claimingSteps.ts'
import * as NodeFile from './NodeFile.ts'
import { type Pay, startPay } from './startPay.ts'
import type { Prepared } from './prepareRun.ts'
import { type SegmentClaims, startClaims } from './startClaims.ts'
import type * as RunFile from './RunFile.ts'

/** A node of a run on this machine: it keeps the log, works, and serves what it has. */
export type TrainingNode = AsyncDisposable & {
  readonly log: Log
  readonly worker: Worker
  readonly network: Network
  readonly bulk: Bulk
  readonly contents: BulkContents
  readonly store: Store
  readonly sync: LogSync
  /** How it pays or is paid; undefined when nobody pays. */
  readonly pay: Pay | undefined
  /** How it answers for its segments; undefined where nobody has to. */
  readonly claims: SegmentClaims | undefined
  /** Says that it goes, so that nobody waits for it. */
  leave(): Promise<void>
}

/** Puts the adapters of a node together in its folder, at the places where it was before, if they are free. */
export async function startNode(
  ports: startNode.Ports,
  { folder, file, host, listen, bootstrap = [], relay = false, ...options }: startNode.Options,
): Promise<TrainingNode> {
  const { identity, clock, logger, prepared, compliance } = ports
  const { domain, order } = file
  await using stack = new AsyncDisposableStack()
  const known = NodeFile.read(folder)
  const address = host ?? ownAddress()
  const network = stack.use(
    await orElsewhere(known.listenPort, (port) =>
      libp2pNetwork({
        identity,
        clock,
        logger,
        relay,
        listen: (listen ?? ['/ip4/0.0.0.0/tcp/0']).map((each) =>
          each.replace(/\/tcp\/0$/, `/tcp/${port}`),
        ),
        bootstrap: [...new Set([...bootstrap, ...file.peers, ...known.peers])].filter(
          (each) => !each.endsWith(`/p2p/${identity.peerId}`),
        ),
      }),
    ),
  )
  const bulk = stack.use(
    await orElsewhere(known.bulkPort, (port) =>
      httpsBulk(
        { clock, logger, network },
        {
          directory: join(folder, 'bulk'),
          host: address,
          port,
          listenHost: listenHostOf(address),
          uploadBytesPerSecond: bytesOf(options.uploadMbit),
          downloadBytesPerSecond: bytesOf(options.downloadMbit),
        },
      ),
    ),
  )
  const store = stack.use(sqliteStore(join(folder, journalName)))
  const log = await openLog({ domain, store }, { order })
  const contents = await bulkContents({ bulk }, { folder: join(folder, 'contents') })
  const remember = rememberer(folder, { ...known, ...portsOf(network, bulk) })
  const { onDecisions, onReplica, onStep, steps, cheatSteps, measured } = options
  const parts = { log, network, identity, clock, domain, logger }
  const places = [...file.peers, ...known.peers]
  await meetAny(parts, { run: log.run, addresses: places })
  const peers = peersIn(places).filter((peer) => peer !== identity.peerId)
  const sync = stack.use(await startLogSync(parts, { onDecisions, peers }))
  stack.use(serveOrder({ network }, { run: log.run, order }))
  stack.use(await startAcquaintance(parts, { run: log.run, onPeer: remember }))
  const { chain } = ports
  const pay =
    chain && log.order.priceMicroUsd > 0n
      ? stack.use(await startPay({ ...parts, store, chain }))
      : undefined
  const claims =
    chain &&
    stack.use(
      await claimsOf({ ...parts, ...ports, store, chain }, { folder, report: options.onDispute }),
    )
  const { run, layout, start, training: data } = prepared
  const measure = await measureOf(log.order, ports)
  if (measure) stack.use(measure)
  const worker = stack.use(
    await startWorker(
      {
        ...parts,
        sync: cheatSteps ? claimingSteps(sync, { domain, identity, steps: cheatSteps }) : sync,
        contents,
        store,
        random: systemRandom(),
        run,
        trainer: ports.trainer,
        claims,
        measure,
        layout,
        start,
        data,
        source: bulk.source,
        compliance,
      },
      {
        onReplica,
        onStep,
        steps,
        measured: () => measured?.(bulk.traffic()) ?? bulk.traffic(),
        mayWork: pay && (() => pay.mayWork()),
      },
    ),
  )
  const owned = stack.move()
  return {
    log,
    worker,
    network,
    bulk,
    contents,
    store,
    sync,
    pay,
    claims,
    async leave() {
      const state = log.state()
      const number = state.numbers.get(identity.address)
      const own = number === undefined ? undefined : state.workers[number]
      if (own?.standing !== 'active' || state.phase === 'ended') return
      const message = { run: log.run, worker: identity.address, attempt: own.attempt }
      await sync.submit({ kind: 'leave', signed: Leave.sign(domain, message, identity) })
      await clock.sleep(sayMs)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startNode {
  type Ports = {
    identity: Identity
    clock: Clock
    logger: Logger
    prepared: Prepared
    backend: Backend
    compliance: Hex.Hex
    /** Over which the run is paid and its claims are decided, where there are any. */
    chain?: Chain | undefined
    /** What computes the segments in the place of the exact engine. */
    trainer?: Trainer | undefined
  }
  type Options = {
    folder: string
    file: RunFile.RunFile
    /** Name or address that others fetch from; the machine's own if left out. */
    host?: string | undefined
    listen?: readonly string[] | undefined
    /** More nodes to dial than those of the run. */
    bootstrap?: readonly string[] | undefined
    /** Whether others dial us first, and reach each other through us. */
    relay?: boolean | undefined
    /** Inner steps a round. @default the order's */
    steps?: number | undefined
    /** What contents may take of the line, megabits a second. @default all of it */
    uploadMbit?: number | undefined
    downloadMbit?: number | undefined
    /** For testing audits: how many it claims to have taken. */
    cheatSteps?: number | undefined
    onDecisions?: ((decisions: readonly Decision[]) => void) | undefined
    /** Told of each step of a dispute of ours. */
    onDispute?: startClaims.Options['report']
    onReplica?: ((replica: Replica) => Promise<void>) | undefined
    onStep?: ((report: StepReport) => void) | undefined
    /** What the node reports of itself, given the traffic since it started. @default the traffic */
    measured?: ((traffic: Traffic) => Traffic & { heldOut?: number | undefined }) | undefined
  }
}

/** The log and the state of a node, in its folder. */
export const journalName = 'journal.sqlite'
/** How long a last word may take to be heard. */
const sayMs = 800

async function claimsOf(
  ports: startClaims.Ports,
  { folder, report }: startClaims.Options,
): Promise<SegmentClaims | undefined> {
  if (ports.log.order.tier !== 'exact') return undefined
  return startClaims(ports, { folder: join(folder, 'claims'), report })
}

/** What others are scored by, where nobody can run their segments again. */
async function measureOf(
  { trainer, auditMicro }: Log['order'],
  { backend, prepared }: Pick<startNode.Ports, 'backend' | 'prepared'>,
): Promise<Measure | undefined> {
  if (trainer !== 'any' || auditMicro === 0) return undefined
  return startMeasure({ backend }, { graph: prepared.run.graph, layout: prepared.layout })
}

function bytesOf(mbit: number | undefined): number | undefined {
  return mbit === undefined ? undefined : (mbit * 1e6) / 8
}

/** The address that other machines reach this one at, as far as it can be told. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1'
}

function listenHostOf(host: string): string {
  return host === '127.0.0.1' || host === 'localhost' ? host : '0.0.0.0'
}

/** Tries the port of last time first; others still know it. */
async function orElsewhere<T>(port: number, start: (port: number) => Promise<T>): Promise<T> {
  try {
    return await start(port)
  } catch (error) {
    const isTaken = ['Network.ListenError', 'Bulk.ListenError'].includes(codeOf(error))
    if (port === 0 || !isTaken) throw error
    return await start(0)
  }
}

function portsOf(network: Network, bulk: Bulk): Pick<NodeFile.NodeFile, 'bulkPort' | 'listenPort'> {
  const [, listenPort = 0] = /\/tcp\/(\d+)/.exec(network.addresses()[0] ?? '') ?? []
  return { bulkPort: Number(new URL(bulk.source.url).port), listenPort: Number(listenPort) }
}

/** Keeps where the others are on the disk, so that they are found when the first node is gone. */
function rememberer(folder: string, first: NodeFile.NodeFile) {
  let file = first
  NodeFile.write(folder, file)
  return (peer: string, addresses: readonly string[]) => {
    const direct = addresses.filter(
      (each) => each.endsWith(`/p2p/${peer}`) && !each.includes('p2p-circuit'),
    )
    const others = file.peers.filter((each) => !each.endsWith(`/p2p/${peer}`))
    const peers = [...others, ...direct].slice(-64)
    if (peers.join() === file.peers.join()) return
    file = { ...file, peers }
    NodeFile.write(folder, file)
  }
}
