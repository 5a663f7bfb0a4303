/** The function of a module that hashes its state where it lies, and how the roots are put together. */
import { byteLength } from '../Tensor.ts'
import { type Code, type Local, type Scope } from './assemble.ts'
import { control } from './barrier.ts'
import type { Compilation } from './Compilation.ts'
import {
  atomic,
  call,
  count,
  drop,
  i32,
  i64,
  least,
  one,
  repeat,
  sum,
  trap,
  when,
  zero,
} from './instructions.ts'
import * as Sha256 from './sha256.ts'
import { type Tasks } from './Task.ts'

/** Which state slots are hashed, and where the roots of their subtrees come to stand. */
export type Commitment = {
  readonly slots: readonly CommittedSlot[]
  readonly bytes: number
}

export type CommittedSlot = {
  readonly slot: number
  /** Of the first of its subtrees' roots, 32 bytes each, from the beginning of all. */
  readonly at: number
  readonly subtrees: number
}

const subtreeBytes = Sha256.subtreeLeaves * Sha256.leafBytes

/** The slots that every step writes whole: constants stay as they are, and of a cache only a row is new. */
export function commitmentOf(graph: Tasks): Commitment {
  const first = graph.state.length + graph.batch.length
  const slots: CommittedSlot[] = []
  let at = 0
  graph.state.forEach((value, slot) => {
    const next = graph.next[slot]!
    if (next === slot || graph.ops[next - first]?.op.kind === 'place') return
    const subtrees = Math.ceil(byteLength(value) / subtreeBytes)
    slots.push({ slot, at, subtrees })
    at += subtrees * 32
  })
  return { slots, bytes: at }
}

/** Where the function finds things. */
export type CommitPlaces = {
  readonly addresses: readonly number[]
  readonly roundsAt: number
  /** Room of the first thread; those of the others follow. */
  readonly roomAt: number
  readonly rootsAt: number
}

/**
 * Exports `commit(thread, threads)`: each thread hashes its share of the subtrees, and counts itself off at
 * `control.committing`.
 */
export function defineCommit(
  { module }: Compilation,
  graph: Tasks,
  { slots }: Commitment,
  { addresses, roundsAt, roomAt, rootsAt }: CommitPlaces,
): void {
  const subtree = Sha256.hashSubtree(module, roundsAt)
  const body = ({ parameters: [thread, threads], local }: Scope): Code => {
    const [index, room] = [local('i32'), local('i32')]
    const own = (at: number) =>
      i32.eq(i32.remU(i32.add(index.get, i32.const(at / 32)), threads!.get), thread!.get)
    const each = ({ slot, at, subtrees }: CommittedSlot) => {
      const bytes = byteLength(graph.state[slot]!)
      const skipped = i32.mul(index.get, i32.const(subtreeBytes))
      return count(
        index,
        { from: zero, to: i32.const(subtrees), step: one },
        when(
          own(at),
          call(
            subtree,
            i32.add(i32.const(addresses[slot]!), skipped),
            least(i32.const(subtreeBytes), i32.sub(i32.const(bytes), skipped)),
            sum(i32.const(rootsAt + at), i32.shl(index.get, i32.const(5))),
            room.get,
          ),
        ),
      )
    }
    return [
      room.set(sum(i32.const(roomAt), i32.mul(thread!.get, i32.const(Sha256.roomBytes)))),
      slots.map(each),
    ]
  }
  const hash = module.define({ parameters: ['i32', 'i32'] }, body)
  module.define({ parameters: ['i32', 'i32'], exported: 'commit' }, ({ parameters }) => [
    call(hash, ...parameters.map(({ get }) => get)),
    drop(atomic.add(i32.const(control.committing), i32.const(-1))),
    drop(atomic.notify(i32.const(control.committing), i32.const(-1))),
  ])
}

/** Waits until all that hash are done, before the state is written. */
export function awaitCommit(left: Local, stallMs: number): Code {
  const timeout = i64.const(BigInt(Math.ceil(stallMs)) * 1_000_000n)
  const at = i32.const(control.committing)
  const isOver = i32.eq(atomic.wait(at, left.get, timeout), i32.const(2))
  return [
    left.set(atomic.load(at)),
    when(left.get, repeat([when(isOver, trap), left.set(atomic.load(at))], left.get)),
  ]
}
