/** Loops in loops over operands that move through memory in strides. */
import type { Code, Local, Scope } from './assemble.ts'
import { advance, i32, one, repeat, when } from './instructions.ts'
import type { Loop } from './loops.ts'

export type Nest = {
  /** Strides of each pointer, in words. */
  readonly loops: readonly Loop[]
  readonly pointers: readonly Local[]
  /** Rounds of the outermost loop. */
  readonly begin: Local
  readonly end: Local
}

/**
 * Runs `body` in the innermost loop: with pointers of its own to where each operand stands. Pointers
 * given are moved to the first round.
 */
export function nest(
  { loops, pointers, begin, end }: Nest,
  local: Scope['local'],
  body: (pointers: readonly Local[]) => Code,
): Code {
  const level = (depth: number, from: readonly Local[]): Code => {
    const loop = loops[depth]
    if (!loop) return body(from)
    const left = local('i32')
    const here = from.map(() => local('i32'))
    return [
      left.set(depth === 0 ? i32.sub(end.get, begin.get) : i32.const(loop.size)),
      here.map((pointer, i) => pointer.set(from[i]!.get)),
      repeat(
        [level(depth + 1, here), here.map((pointer, i) => move(pointer, loop.strides[i]! * 4))],
        left.tee(i32.sub(left.get, one)),
      ),
    ]
  }
  return when(i32.ltU(begin.get, end.get), [
    pointers.map((pointer, i) => start(pointer, begin, loops[0]!.strides[i]! * 4)),
    level(0, pointers),
  ])
}

/** Moves a pointer by so many rounds. */
export function start(pointer: Local, rounds: Local, bytes: number): Code {
  return bytes === 0 ? [] : advance(pointer, i32.mul(rounds.get, i32.const(bytes)))
}

function move(pointer: Local, bytes: number): Code {
  return bytes === 0 ? [] : advance(pointer, i32.const(bytes))
}
