/** The log of a training run written by hand: real keys, signatures and fold, and no arithmetic behind its numbers. */
import type { Network } from '../src/network/Network.ts'
import type * as Domain from '../src/protocol/Domain.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Json from '../src/protocol/Json.ts'
import * as Identity from '../src/protocol/Identity.ts'
import type { Signed } from '../src/protocol/SignedMessage.ts'
import * as Applied from '../src/protocol/training/Applied.ts'
import * as Audit from '../src/protocol/training/Audit.ts'
import * as Batch from '../src/protocol/training/Batch.ts'
import * as Commitment from '../src/protocol/training/Commitment.ts'
import type * as Entry from '../src/protocol/training/Entry.ts'
import * as Join from '../src/protocol/training/Join.ts'
import * as TrainingOrder from '../src/protocol/training/TrainingOrder.ts'
import * as Witness from '../src/protocol/training/Witness.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { bitmapOf } from '../src/training/coordinator/bitmap.ts'
import { activeIn } from '../src/training/coordinator/State.ts'
import { type Log, openLog } from '../src/training/log/openLog.ts'
import { serveBatches } from '../src/training/node/batchProtocol.ts'
import { serveOrder } from '../src/training/node/orderProtocol.ts'
import { topic } from '../src/training/node/startLogSync.ts'
import { trainingOrder } from './trainingOrder.ts'

/** A run that can be led on batch by batch. */
export type TrainingLog = {
  readonly log: Log
  readonly order: Signed<TrainingOrder.TrainingOrder>
  /** Whoever is given joins. */
  join(worker: number): Promise<void>
  /** A whole round, in which those given do their work; audits find the liar wrong. */
  round(workers: readonly number[]): Promise<void>
  /** What is left after the last round. */
  end(workers: readonly number[]): Promise<void>
}

/** A node of the run on a network: it answers for the log, and tells of its newest batch. */
export function trainingSpeaker(
  network: Network,
  { log, order }: TrainingLog,
): AsyncDisposable & { tell(): Promise<void> } {
  const stack = new AsyncDisposableStack()
  stack.use(serveOrder({ network }, { run: log.run, order }))
  stack.use(serveBatches({ network }, log))
  return {
    async tell() {
      const [batch] = log.from(log.head().sequence, 1)
      await network.publish(topic, Json.toBytes({ type: 'batch', batch }))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/**
 * Begins a run whose buyer is its first worker.
 *
 * @param options.liar a worker whom audits find wrong.
 * @param options.now where time begins, milliseconds.
 */
export async function trainingLog(
  domain: Domain.Domain,
  { seed, now, liar, order: changes = {}, lossAt = usualLoss }: trainingLog.Options,
): Promise<TrainingLog> {
  const people = Array.from({ length: 8 }, (_, number) =>
    Identity.from(Hex.toBytes(Hex.sha256(`${seed} ${number}`))),
  )
  const message = trainingOrder({ buyer: people[0]!.address, auditMicro: 300_000, ...changes })
  const order = TrainingOrder.sign(domain, message, people[0]!)
  const log = await openLog({ domain, store: memoryStore() }, { order })
  const { run } = log
  let time = now
  const sent = new Map<number, number>()

  async function write(entries: readonly Entry.Entry[], afterMs: number): Promise<void> {
    time += afterMs
    const { hash, sequence } = log.head()
    const head = { run, term: 0, sequence: sequence + 1, previous: hash, now: time }
    await log.take([Batch.sign(domain, { head, entries }, people[0]!)], time)
  }

  const replicaAt = (rounds: number) => Hex.sha256(`${run} state ${rounds}`)

  function applied(worker: number): Entry.Entry {
    const { number: rounds, batch } = log.state().round
    const traffic = (sent.get(worker) ?? 0) + (rounds === 0 ? 0 : payloadBytes(rounds - 1) * 3.4)
    sent.set(worker, traffic)
    const micro = (loss: number) => Math.round(loss * 1e6)
    const report = {
      run,
      worker: people[worker]!.address,
      rounds,
      batch,
      replica: replicaAt(rounds),
      lossMicro:
        rounds === 0 ? 0 : micro(lossAt(rounds) + 0.09 * Math.sin(rounds * 3 + worker * 5)),
      heldOutMicro: worker === 0 ? micro(lossAt(rounds)) : 0,
      sentBytes: Math.round(traffic),
      receivedBytes: Math.round(traffic * 1.02),
    }
    return { kind: 'applied', signed: Applied.sign(domain, report, people[worker]!) }
  }

  function commitment(worker: number): Entry.Entry {
    const { round, began } = log.state()
    const of = (what: string) => Hex.sha256(`${run} ${what} ${round.number} ${worker}`)
    const made = {
      run,
      worker: people[worker]!.address,
      round: round.number,
      batch: began,
      parent: round.parent!,
      steps: message.steps,
      payload: of('payload'),
      payloadBytes: payloadBytes(round.number),
      end: of('end'),
      errorBefore: Hex.zero,
      errorIfAccepted: of('error'),
      errorIfLate: of('late'),
      claim: Hex.zero,
    }
    return { kind: 'commitment', signed: Commitment.sign(domain, made, people[worker]!) }
  }

  function witness(worker: number): Entry.Entry {
    const { round, began: batch } = log.state()
    const held = bitmapOf([...round.commitments.keys()])
    const said = { run, worker: people[worker]!.address, round: round.number, batch, held }
    return { kind: 'witness', signed: Witness.sign(domain, said, people[worker]!) }
  }

  function audits(auditors: readonly number[]): readonly Entry.Entry[] {
    return log.state().open.flatMap(({ number: round, batch, contributions }) =>
      [...contributions].flatMap(([worker, { audits: drawn }]) =>
        [...drawn]
          .filter(([auditor, found]) => found === 'assigned' && auditors.includes(auditor))
          .map(([auditor]): Entry.Entry => {
            const isWrong = worker === liar
            const found = {
              run,
              auditor: people[auditor]!.address,
              round,
              batch,
              worker: people[worker]!.address,
              outcome: isWrong ? 'invalid' : 'valid',
              reason: isWrong ? 'Segment.EndDiffers' : 'Segment.Equal',
            }
            return { kind: 'audit', signed: Audit.sign(domain, found, people[auditor]!) }
          }),
      ),
    )
  }

  const standing = (workers: readonly number[]) => {
    const active = new Set(
      log
        .state()
        .workers.filter(({ standing: at }) => at === 'active')
        .map(({ number }) => number),
    )
    return workers.filter((worker) => active.has(worker))
  }

  return {
    log,
    order,
    async join(worker) {
      const identity = people[worker]!
      const joined = {
        run,
        worker: identity.address,
        peer: identity.peerId,
        url: 'https://127.0.0.1:1',
        certificate: Hex.zero,
        graph: message.graph,
        data: message.data,
        compliance: Hex.sha256('suite'),
        attempt: 0,
      }
      await write([{ kind: 'join', signed: Join.sign(domain, joined, identity) }], 400)
    },
    async round(given) {
      await write([...standing(given).map(applied), ...audits(given)], 300)
      const counted = new Set(activeIn(log.state()).map(({ number }) => number))
      const workers = standing(given).filter((worker) => counted.has(worker))
      await write(workers.map(commitment), 2_200)
      // The deadline passes for who did not deliver.
      if (log.state().phase === 'round') await write([], message.roundMs)
      await write(workers.map(witness), 250)
      if (log.state().phase === 'witness') await write([], 15_000)
    },
    async end(workers) {
      for (let turn = 0; turn < 5 && log.state().phase !== 'ended'; turn++)
        await write([...standing(workers).map(applied), ...audits(workers)], 400)
      if (log.state().phase !== 'ended') await write([], 120_000)
    },
  }

  function payloadBytes(round: number): number {
    const share = Math.min(1, (2 * round) / message.rounds)
    const kept = message.keptFirst * (message.keptLast / message.keptFirst) ** share
    return Math.round(kept * 34)
  }
}

export declare namespace trainingLog {
  type Options = {
    seed: string
    now: number
    liar?: number | undefined
    order?: Partial<TrainingOrder.TrainingOrder>
    /** Held-out loss after so many rounds. */
    lossAt?: (rounds: number) => number
  }
}

function usualLoss(rounds: number): number {
  return 1.9 + 3.65 * Math.exp(-rounds / 7)
}
