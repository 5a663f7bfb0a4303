import type { Run } from '../../src/exact/train/startRun.ts'

/**
 * Lets many workers of one process compute with one engine, one after the other between steps, each in its own
 * state, so that hundreds of them do not need hundreds of engines.
 */
export function shareEngine(run: Run): () => Run {
  let owner: { state: readonly Uint8Array[] } | undefined
  return () => {
    const self = { state: run.state() }
    const own = <result>(use: () => result): result => {
      if (owner !== self) {
        if (owner) owner.state = run.state()
        run.restore(self.state)
        owner = self
      }
      return use()
    }
    return {
      ...run,
      stepsDone: () => own(() => run.stepsDone()),
      step: (batch) => own(() => run.step(batch)),
      readState: (index) => own(() => run.readState(index)),
      state: () => own(() => run.state()),
      restore: (state) => own(() => run.restore(state)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }
}
