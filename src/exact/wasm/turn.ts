import type { Code, Local } from './assemble.ts'
import { v128 } from './instructions.ts'

/** Four vectors of four words the other way round: the i-th words of all, for each i. */
export function turn(
  rows: readonly Local[],
  [low, high]: readonly [Local, Local],
): readonly Code[] {
  const [a, b, c, d] = rows as readonly [Local, Local, Local, Local]
  return [0, 1].flatMap((upper) => [
    [
      low.set(v128.shuffle(a.get, b.get, pairs(upper))),
      high.set(v128.shuffle(c.get, d.get, pairs(upper))),
      v128.shuffle(low.get, high.get, halves(0)),
    ],
    v128.shuffle(low.get, high.get, halves(1)),
  ])
}

/** Bytes of the words 2 i and 2 i + 1 of both vectors, in turns. */
function pairs(i: number): readonly number[] {
  return [0, 1].flatMap((word) =>
    [0, 16].flatMap((vector) => [0, 1, 2, 3].map((byte) => (2 * i + word) * 4 + vector + byte)),
  )
}

/** The i-th halves of both vectors. */
function halves(i: number): readonly number[] {
  return [0, 16].flatMap((vector) => [0, 1, 2, 3, 4, 5, 6, 7].map((byte) => i * 8 + vector + byte))
}
