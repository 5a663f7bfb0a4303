import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryNetwork } from '../../src/network/memory.ts'
import * as Hex from '../../src/protocol/Hex.ts'
import * as Identity from '../../src/protocol/Identity.ts'
import * as Json from '../../src/protocol/Json.ts'
import * as Applied from '../../src/protocol/training/Applied.ts'
import * as Batch from '../../src/protocol/training/Batch.ts'
import * as Commitment from '../../src/protocol/training/Commitment.ts'
import type * as Entry from '../../src/protocol/training/Entry.ts'
import * as Join from '../../src/protocol/training/Join.ts'
import * as TrainingOrder from '../../src/protocol/training/TrainingOrder.ts'
import * as Witness from '../../src/protocol/training/Witness.ts'
import { memoryStore } from '../../src/runtime/memoryStore.ts'
import { seededRandom } from '../../src/runtime/seededRandom.ts'
import { silentLogger } from '../../src/runtime/silentLogger.ts'
import { virtualClock } from '../../src/runtime/virtualClock.ts'
import { bitmapOf } from '../../src/training/coordinator/bitmap.ts'
import type { State } from '../../src/training/coordinator/State.ts'
import { type Log, openLog } from '../../src/training/log/openLog.ts'
import { startLogSync, topic } from '../../src/training/node/startLogSync.ts'
import { trainingOrder } from '../../test/trainingOrder.ts'

/** What one coordinator spends on a crowd of workers. */
export type Crowd = {
  readonly workers: number
  readonly rounds: number
  /** Of one core, for a round: parsing, signatures, fold, batches, network in memory. */
  readonly cpuMs: number
  /** How long a round takes by the log's own time, when nobody computes anything. */
  readonly roundMs: number
  readonly logBytes: number
  readonly batches: number
  /** What the process holds more at the end than at the beginning. */
  readonly heapBytes: number
}

/**
 * Lets a real coordinator keep the log of a run for workers of whom there is nothing but their signed
 * entries: it never looks at payloads, so that thousands of them can be had without their arithmetic.
 */
export async function measureCrowd(workers: number, { rounds = 4 } = {}): Promise<Crowd> {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(1) })
  const people = Array.from({ length: workers }, (_, number) => identityOf(number + 1))
  const buyer = identityOf(0)
  const message = trainingOrder({
    buyer: buyer.address,
    rounds,
    minWorkers: workers,
    maxWorkers: workers,
    roundMs: 3_600_000,
    budgetMicroUsd: 10n ** 12n,
  })
  const order = TrainingOrder.sign(domain, message, buyer)
  const before = heapBytes()
  const log = await openLog({ domain, store: memoryStore() }, { order, policy })
  const endpoint = network.join(buyer.peerId)
  const sync = await startLogSync({
    log,
    network: endpoint,
    identity: buyer,
    clock,
    domain,
    logger: silentLogger(),
  })
  const crowd = network.join('crowd')
  const voices = people.map((identity) => voiceOf(identity, log))
  let cpuMs = 0
  let firstAt = 0
  let atFirst = { cpuMs: 0, nowMs: 0, sequence: 0 }
  for (let turn = 0; log.state().phase !== 'ended' && turn < 100_000; turn++) {
    const state = log.state()
    for (const voice of voices)
      for (const entry of voice(state, clock.now()))
        await crowd.publish(topic, Json.toBytes({ type: 'entry', entry }))
    const began = process.cpuUsage()
    await clock.run(clock.now() + 250)
    const { user, system } = process.cpuUsage(began)
    cpuMs += (user + system) / 1000
    if (firstAt === 0 && log.state().phase === 'round') {
      firstAt = 1
      atFirst = { cpuMs, nowMs: log.head().now, sequence: log.head().sequence }
    }
  }
  const { sequence, now } = log.head()
  const heap = heapBytes() - before
  const bytes = log
    .from(atFirst.sequence, Infinity)
    .reduce((sum, batch) => sum + Batch.serialize(batch).byteLength, 0)
  const ended = sync[Symbol.asyncDispose]()
  await clock.run(clock.now() + 10_000)
  await ended
  return {
    workers,
    rounds,
    cpuMs: (cpuMs - atFirst.cpuMs) / rounds,
    roundMs: (now - atFirst.nowMs) / rounds,
    logBytes: bytes / rounds,
    batches: (sequence - atFirst.sequence) / rounds,
    heapBytes: heap,
  }
}

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const
const policy = {
  gatherMs: 3_600_000,
  warmUpMs: 3_600_000,
  witnessMs: 3_600_000,
  coolDownMs: 3_600_000,
  auditMs: 120_000,
  witnesses: 64,
  missedLimit: 3,
}
/** How often a worker says what is not in the log yet. */
const repeatMs = 3_000

function identityOf(number: number): Identity.Identity {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(28, number + 1)
  return Identity.from(key)
}

/** What a worker has to say to a state of the log, now and then again. */
function voiceOf(identity: Identity.Identity, log: Log) {
  const { address: worker, peerId: peer } = identity
  const { run, order } = log
  const saidAt = new Map<string, number>()
  return (state: State, nowMs: number): readonly Entry.Entry[] => {
    const { round, phase, began: batch } = state
    const number = state.numbers.get(worker)
    const say = (key: string, entry: () => Entry.Entry): readonly Entry.Entry[] => {
      if (nowMs - (saidAt.get(key) ?? -Infinity) < repeatMs) return []
      saidAt.clear()
      saidAt.set(key, nowMs)
      return [entry()]
    }
    if (number === undefined) {
      const { graph, data } = order
      const source = { url: 'https://127.0.0.1:12345', certificate: Hex.sha256(worker) }
      const message = { run, worker, peer, ...source, graph, data, compliance: run, attempt: 0 }
      return say('join', () => ({ kind: 'join', signed: Join.sign(domain, message, identity) }))
    }
    if (!round.reports.has(number)) {
      const said = { lossMicro: 1, heldOutMicro: 1, sentBytes: 1, receivedBytes: 1 }
      const replica = Hex.sha256(`replica ${round.number}`)
      const base = { run, worker, rounds: round.number, replica, batch: round.batch, ...said }
      return say(`applied ${round.batch}`, () => ({
        kind: 'applied',
        signed: Applied.sign(domain, base, identity),
      }))
    }
    if (phase === 'round' && round.parent && !round.commitments.has(number)) {
      const message = commitmentOf(identity, { state, number })
      return say(`commitment ${batch}`, () => ({
        kind: 'commitment',
        signed: Commitment.sign(domain, message, identity),
      }))
    }
    if (phase !== 'witness' || round.witnesses.has(number)) return []
    if (round.drawn && !round.drawn.has(number)) return []
    const held = bitmapOf(round.commitments.keys())
    const message = { run, worker, round: round.number, batch, held }
    return say(`witness ${batch}`, () => ({
      kind: 'witness',
      signed: Witness.sign(domain, message, identity),
    }))
  }
}

function commitmentOf(
  { address: worker }: Identity.Identity,
  { state, number }: { state: State; number: number },
): Commitment.Commitment {
  const { run, round, began: batch, order, workers } = state
  const hash = (what: string) => Hex.sha256(`${what} ${round.number} ${number}`)
  return {
    run,
    worker,
    round: round.number,
    batch,
    parent: round.parent!,
    steps: order.steps,
    payload: hash('payload'),
    payloadBytes: 100_000,
    end: hash('end'),
    errorBefore: workers[number]!.error,
    errorIfAccepted: hash('accepted'),
    errorIfLate: hash('late'),
    claim: Hex.zero,
  }
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  return process.memoryUsage().heapUsed
}
