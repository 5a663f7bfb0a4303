import { rootOfHashes } from '../commit/merkle.ts'
import { control } from './barrier.ts'
import type { Compiled } from './compile.ts'
import type { Loaded } from './startPool.ts'

/** The state of an executable being hashed, by the threads that compute or by others beside them. */
export type Committing = {
  /** Begins, when what was begun before is done. The function waits, and gives the root of a slot. */
  readonly begin: () => (slot: number) => Uint8Array | undefined
  /** Waits until nobody reads the state. */
  readonly settle: () => void
}

/**
 * @param options.commit the function of the module.
 * @param options.team the workers that compute, if there are any, and the caller is one of them; or
 *   `beside`, those that only hash.
 * @param options.onStall throws: a thread took longer than `stallMs`.
 */
export function startCommitting(options: startCommitting.Options): Committing {
  const { compiled, words, commit, team, beside, stallMs, onStall } = options
  const { slots, rootsAt, bytes } = compiled.commitment
  const at = control.committing / 4
  const roots = new Uint8Array(words.buffer, rootsAt, bytes)
  let pending: (() => void) | undefined
  const threads = beside ? compiled.hashers : compiled.threads

  const wait = () => {
    for (let left = Atomics.load(words, at); left > 0; left = Atomics.load(words, at))
      if (Atomics.wait(words, at, left, stallMs) === 'timed-out') onStall()
  }
  const settle = () => pending?.()
  return {
    begin() {
      settle()
      let found: ReadonlyMap<number, Uint8Array> | undefined
      Atomics.store(words, at, threads)
      pending = () => {
        pending = undefined
        wait()
        const rootOf = (start: number, subtrees: number) =>
          rootOfHashes(roots.slice(start, start + subtrees * 32))
        found = new Map(
          slots.map(({ slot, at: start, subtrees }) => [slot, rootOf(start, subtrees)]),
        )
      }
      if (beside) beside.begin('commit')
      else {
        team?.begin('commit')
        commit(0, threads)
        // These threads run one task at a time.
        wait()
      }
      return (slot) => {
        if (!found) settle()
        return found!.get(slot)
      }
    },
    settle,
  }
}

export declare namespace startCommitting {
  type Options = {
    compiled: Compiled
    words: Int32Array
    commit: (thread: number, threads: number) => void
    team: Loaded | undefined
    beside: Loaded | undefined
    stallMs: number
    onStall: () => never
  }
}
