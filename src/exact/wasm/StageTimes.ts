import type { Import } from './assemble.ts'
import type { Stage } from './Stage.ts'

/** How long the stages of steps took, waiting for other threads included. */
export type StageTimes = readonly StageTime[]

export type StageTime = {
  readonly what: Stage['what']
  readonly op: number | undefined
  /** All steps together. */
  readonly ms: number
}

/** Called by thread 0 with the number of each stage that begins, and at the end with the number of stages. */
export const markImport: Import = { name: 'mark', parameters: ['i32'] }

/** Adds up the time from mark to mark. */
export function startStopwatch(
  stages: readonly Pick<Stage, 'what' | 'op'>[],
  now: () => number,
): Stopwatch {
  const totals = new Float64Array(stages.length)
  let [current, since] = [stages.length, 0]
  return {
    mark(stage) {
      const time = now()
      if (current < stages.length) totals[current]! += time - since
      current = stage
      since = time
    },
    times: () => stages.map(({ what, op }, index) => ({ what, op, ms: totals[index]! })),
  }
}

export type Stopwatch = {
  readonly mark: (stage: number) => void
  readonly times: () => StageTimes
}
