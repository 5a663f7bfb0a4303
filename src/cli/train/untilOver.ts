import type * as Hex from '../../protocol/Hex.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import type { Log } from '../../training/log/openLog.ts'
import type { LogSync } from '../../training/node/startLogSync.ts'
import type { Worker } from '../../training/node/startWorker.ts'
import { hashOf, type Layout } from '../../training/Replica.ts'
import type { Outcome } from './reporter.ts'

/**
 * Waits until a node has nothing more to do in its run: it has ended and the node has the last state, the node is out of
 * it, or its user stops it. Who comes to a run that had ended without it waits for the last state alone; a worker of the
 * run that comes back to it hands the state out for a while.
 *
 * @throws {NobodyError} when nobody tells a node that has nothing of the run's log.
 * @throws {NoLastStateError} when the run had ended without the node, and nobody gives it the last state.
 */
export async function untilOver(
  { log, worker, sync, clock }: untilOver.Ports,
  { own, layout, signal, onRemark }: untilOver.Options,
): Promise<Outcome['outcome']> {
  const beganAt = clock.now()
  const hadEnded = log.state().phase === 'ended'
  let endedAt: number | undefined
  let isTold = false
  while (!signal.aborted) {
    const { phase, round, numbers, workers } = log.state()
    const number = numbers.get(own)
    if (number !== undefined && workers[number]!.standing === 'convicted') return 'convicted'
    const isUnheard = log.head().sequence < 0 && own !== log.order.buyer
    if (isUnheard && clock.now() - beganAt > unheardMs) throw new NobodyError()
    if (phase === 'ended') {
      endedAt ??= clock.now()
      const lateMs = clock.now() - endedAt
      const replica = worker.replica()
      const isLast = !round.parent || round.parent === hashOf(layout, replica)
      // Another branch may count more than the one that ended here.
      const isOver = replica.rounds === round.number && isLast
      const isHost = hadEnded && number !== undefined
      if (!isTold && (isHost || number === undefined)) {
        isTold = true
        const what = isHost ? `handed out for ${agreeMs / 1000} seconds` : 'fetched'
        onRemark(`The run has ended after ${round.number} rounds: its last state is ${what}.`)
      }
      if (isOver && lateMs > agreeMs) return 'ended'
      const isShared = isOver && !isHost && (await worker.isShared())
      if (isShared && (await sync.agree())) return 'ended'
      if (!isOver && lateMs > lastStateMs) {
        if (number === undefined) throw new NoLastStateError()
        return 'left-behind'
      }
    } else endedAt = undefined
    await clock.sleep(200, { signal }).catch(() => {})
  }
  return 'stopped'
}

export declare namespace untilOver {
  type Ports = {
    log: Pick<Log, 'state' | 'head' | 'order'>
    worker: Pick<Worker, 'replica' | 'isShared'>
    sync: Pick<LogSync, 'agree'>
    clock: Clock
  }
  type Options = {
    /** The node's account. */
    own: Hex.Address
    layout: Layout
    /** Aborted when the user stops the node. */
    signal: AbortSignal
    /** Told what the user should know meanwhile. */
    onRemark: (text: string) => void
  }
}

/** How long those who have not come to the same end of the log are waited for. */
const agreeMs = 30_000
/** How long the last state may be asked for. */
const lastStateMs = 60_000
/** How long one listens for a first word of the run. */
const unheardMs = 60_000

/** Thrown when nobody of a run is to be reached by who comes to it. */
class NobodyError extends BaseError {
  override readonly code = 'Cli.NobodyError'

  constructor() {
    super(`Nobody of the run has answered for ${unheardMs / 1000} seconds.`, {
      metaMessages: [
        'Its nodes have ended, or cannot be reached at the addresses in run.json.',
        'Fix: start its first node again (`weft train run`, as before), and join with the run.json that it writes.',
      ],
    })
  }
}

/** Thrown when a run has ended without us, and its last state is not to be had. */
class NoLastStateError extends BaseError {
  override readonly code = 'Cli.NoLastStateError'

  constructor() {
    super('The run has ended, and nobody who answers has its last state.', {
      metaMessages: [
        'Fix: start its first node again (`weft train run`, as before), which hands it out, and join at once.',
      ],
    })
  }
}
