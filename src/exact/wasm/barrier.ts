/** Where threads meet: the words they meet at, and the function that waits. */
import type { Code, Function, Local } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { advance, atomic, drop, i32, i64, one, repeat, trap, when, zero } from './instructions.ts'

/** Addresses in the memory of an executable, one cache line each. */
export const control = {
  /** How many threads have arrived. */
  arrived: 64,
  /** Counts meetings. */
  meeting: 128,
  /** Not zero when a thread gave up: all others do, too. */
  failed: 192,
  /** Not zero when weights have to be packed anew. */
  changed: 256,
  /** How many threads are hashing the state: nobody may write it. */
  committing: 320,
  /** First address that is free. */
  end: 384,
} as const

/** Rounds of looking before a thread goes to sleep. */
const spins = 4000

/** A function that returns when all threads have called it, and traps when one is missing for too long. */
export function barrier({ module, threads }: Compilation, stallMs: number): Function {
  return module.once('barrier', () =>
    module.define({ parameters: [] }, ({ local }) => {
      const [meeting, left] = [local('i32'), local('i32')]
      const at = (address: number) => i32.const(address)
      const isSame = i32.eq(atomic.load(at(control.meeting)), meeting.get)
      return [
        meeting.set(atomic.load(at(control.meeting))),
        when(
          i32.eq(atomic.add(at(control.arrived), one), i32.const(threads - 1)),
          [
            atomic.store(at(control.arrived), zero),
            drop(atomic.add(at(control.meeting), one)),
            drop(atomic.notify(at(control.meeting), i32.const(-1))),
          ],
          [
            left.set(i32.const(spins)),
            repeat(advance(left, i32.const(-1)), i32.and(isSame, i32.ne(left.get, zero))),
            when(isSame, sleep(meeting, isSame, stallMs)),
          ],
        ),
        when(atomic.load(at(control.failed)), trap),
      ]
    }),
  )
}

/** Sleeps until the meeting is over; a sleep that lasts its whole time means that a thread died. */
function sleep(meeting: Local, isSame: Code, stallMs: number): Code {
  const timeout = i64.const(BigInt(Math.ceil(stallMs)) * 1_000_000n)
  const isOver = i32.eq(atomic.wait(i32.const(control.meeting), meeting.get, timeout), i32.const(2))
  return repeat(when(isOver, trap), isSame)
}
