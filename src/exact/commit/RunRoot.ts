import * as Merkle from './merkle.ts'

/**
 * Commits to a run: a Merkle tree over its state roots, one a step, beginning with the state that the
 * first step leaves. Only the peaks are kept, so a run may be as long as it likes.
 */
export function start(): Run {
  const peaks = Merkle.startPeaks()
  let steps = 0
  return {
    push(stateRoot) {
      steps++
      peaks.push(Merkle.leafHash(stateRoot))
    },
    steps: () => steps,
    root: () => peaks.root(),
  }
}

export type Run = {
  /** Adds the state root that a step leaves. */
  push(stateRoot: Uint8Array): void
  steps(): number
  /** The root of the steps so far; more may follow. */
  root(): Uint8Array
}

/** The run root of all state roots. */
export function from(stateRoots: readonly Uint8Array[]): Uint8Array {
  return Merkle.rootOfLeaves(stateRoots)
}

/** Proves the state root that step `step` (from 0) leaves. */
export function open(stateRoots: readonly Uint8Array[], step: number): Merkle.Opening {
  return Merkle.openLeaf(stateRoots, step)
}

/** Whether an opening proves the state root of a step of a run that is `steps` long. */
export function verify(
  root: Uint8Array,
  opening: Merkle.Opening,
  { step, steps }: { step: number; steps: number },
): boolean {
  if (opening.leaf.byteLength !== 32) return false
  return Merkle.verifyLeaf(root, opening, { index: step, count: steps })
}
