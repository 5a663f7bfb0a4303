import { joinSignals, type Clock } from '../runtime/Clock.ts'
import { RefusedError } from './RefusedError.ts'
import type { Settings } from './Settings.ts'

/** Watches that a job moves and ends. */
export type JobWatch = AsyncDisposable & {
  /** Aborted when the buyer goes, the provider stops, or nothing moves for too long. */
  readonly signal: AbortSignal
  /** Waits for the engine; meanwhile silence is its fault. */
  engine<result>(step: Promise<result>): Promise<result>
  /** The buyer has taken a piece. */
  moved(): void
  /** Whether it was the buyer that went away or did not read. */
  buyerIsGone(buyer: AbortSignal): boolean
}

/** Starts to watch. */
export function watchJob(
  { clock, signals }: { clock: Clock; signals: readonly AbortSignal[] },
  { stallTimeoutMs, jobTimeoutMs }: Pick<Settings, 'stallTimeoutMs' | 'jobTimeoutMs'>,
): JobWatch {
  const stalled = new AbortController()
  const done = new AbortController()
  const startedAt = clock.now()
  let movedAt = startedAt
  let waitsFor: 'engine' | 'buyer' = 'engine'
  let culprit: 'engine' | 'buyer' | undefined

  async function watch(): Promise<void> {
    for (;;) {
      const dueAt = Math.min(movedAt + stallTimeoutMs, startedAt + jobTimeoutMs)
      const leftMs = dueAt - clock.now()
      if (leftMs <= 0) {
        culprit = waitsFor
        return stalled.abort(stall(waitsFor, stallTimeoutMs))
      }
      await clock.sleep(leftMs, { signal: done.signal })
    }
  }

  const watching = watch().catch(() => {})
  const joined = joinSignals(...signals, stalled.signal)
  return {
    signal: joined.signal,
    async engine(step) {
      waitsFor = 'engine'
      const result = await step
      waitsFor = 'buyer'
      movedAt = clock.now()
      return result
    },
    moved() {
      movedAt = clock.now()
    },
    buyerIsGone: (buyer) => buyer.aborted || culprit === 'buyer',
    async [Symbol.asyncDispose]() {
      done.abort(over)
      // An engine that is still asked for more hears that nobody wants it.
      stalled.abort(over)
      joined[Symbol.dispose]()
      await watching
    },
  }
}

/** Made once: an error a job would cost a stack trace a job. */
const over = new Error('The job has ended.')

function stall(waitsFor: 'engine' | 'buyer', timeoutMs: number): RefusedError {
  return new RefusedError(
    'Provider.StalledError',
    waitsFor === 'engine'
      ? `The engine made nothing for ${timeoutMs} ms, or did not end in time. Nothing is charged.`
      : `Nobody read the answer for ${timeoutMs} ms. Nothing is charged.`,
  )
}
