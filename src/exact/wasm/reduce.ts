/** Reductions: sixteen lanes in ascending k, then the tree. */
import type { Op } from '../Tensor.ts'
import { atOutput, multiplyAdd } from './arithmetic.ts'
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  count,
  f32x4,
  i32,
  least,
  one,
  repeat,
  sum,
  v128,
  when,
  zero,
} from './instructions.ts'

type Of = Extract<Op, { kind: 'reduce' }>['of']

/** Columns that are reduced together when the axis is not the last one. */
export const columnsAtOnce = 256
/** Bytes a thread needs for their sixteen lanes. */
export const laneBytes = 16 * columnsAtOnce * 4

function foldOf({ module, fusion }: Compilation, of: Of) {
  const fma = multiplyAdd(module, fusion)
  if (of === 'sumsq') return (total: Code, x: Local) => fma(x.get, x.get, total)
  return (total: Code, x: Local) => (of === 'max' ? f32x4.max : f32x4.add)(total, x.get)
}

const joinOf = (of: Of) => (of === 'max' ? f32x4.max : f32x4.add)
const startOf = (of: Of) => v128.splat(of === 'max' ? 0xff80_0000 : 0)

/** A function (out, x, k, begin, end) that reduces lines `begin` to `end`, k neighbours each. */
export function reduceRows(compilation: Compilation, of: Of): Function {
  const parameters = Array.from({ length: 5 }, () => 'i32' as const)
  return compilation.module.once(`reduce rows ${of}`, () =>
    compilation.module.define({ parameters }, (scope) => rowsBody(compilation, of, scope)),
  )
}

function rowsBody(compilation: Compilation, of: Of, { parameters, local }: Scope): Code {
  const [out, x, k, begin, end] = parameters as [Local, Local, Local, Local, Local]
  const fold = foldOf(compilation, of)
  const join = joinOf(of)
  const lanes = [local('v128'), local('v128'), local('v128'), local('v128')] as const
  const [value, line, at, left, mask] = [
    local('v128'),
    local('i32'),
    local('i32'),
    local('i32'),
    local('i32'),
  ]
  const [first, second, third, fourth] = lanes
  const isWhole = i32.geU(left.get, i32.const(16))
  const upper = (half: readonly number[]) => v128.shuffle(first.get, first.get, half)
  return count(line, { from: begin.get, to: end.get, step: one }, [
    lanes.map((lane) => lane.set(startOf(of))),
    at.set(i32.add(x.get, i32.mul(line.get, bytesOf(k.get)))),
    left.set(k.get),
    when(
      isWhole,
      repeat(
        [
          lanes.map((lane, i) => [
            value.set(v128.load(at.get, i * 16)),
            lane.set(fold(lane.get, value)),
          ]),
          advance(at, i32.const(64)),
          advance(left, i32.const(-16)),
        ],
        isWhole,
      ),
    ),
    // What is left of a row touches the first lanes alone.
    when(left.get, [
      mask.set(i32.sub(i32.const(compilation.masksAt + 64), bytesOf(left.get))),
      lanes.map((lane, i) => [
        value.set(v128.load(at.get, i * 16)),
        lane.set(v128.bitselect(fold(lane.get, value), lane.get, v128.load(mask.get, i * 16))),
      ]),
    ]),
    first.set(join(first.get, third.get)),
    second.set(join(second.get, fourth.get)),
    first.set(join(first.get, second.get)),
    first.set(join(first.get, upper([8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]))),
    first.set(join(first.get, upper([4, 5, 6, 7, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]))),
    first.set(atOutput(first)),
    v128.store32(0, i32.add(out.get, bytesOf(line.get)), first.get),
  ])
}

/**
 * A function (out, x, k, inner, blocks, begin, end, work) that reduces along an axis with `inner`
 * elements behind each of its places. A unit is a block of columns; `blocks` of them make one line.
 */
export function reduceColumns(compilation: Compilation, of: Of): Function {
  const parameters = Array.from({ length: 8 }, () => 'i32' as const)
  return compilation.module.once(`reduce columns ${of}`, () =>
    compilation.module.define({ parameters }, (scope) => columnsBody(compilation, of, scope)),
  )
}

function columnsBody(compilation: Compilation, of: Of, { parameters, local }: Scope): Code {
  const [out, x, k, inner, blocks, begin, end, work] = parameters as Locals8
  const fold = foldOf(compilation, of)
  const join = joinOf(of)
  const [unit, row, column, width, at, lane, offset] = [1, 2, 3, 4, 5, 6, 7].map(() =>
    local('i32'),
  ) as Locals8
  const [value, place, target] = [local('v128'), local('i32'), local('i32')]
  const eachVector = (body: Code) =>
    count(offset, { from: zero, to: bytesOf(width.get), step: i32.const(16) }, [body])
  const rowBytes = columnsAtOnce * 4
  const joinHalf = (half: number): Code =>
    count(
      place,
      { from: work.get, to: i32.add(work.get, i32.const(half * rowBytes)), step: i32.const(16) },
      [v128.store(place.get, join(v128.load(place.get), v128.load(place.get, half * rowBytes)))],
    )
  return count(unit, { from: begin.get, to: end.get, step: one }, [
    column.set(i32.mul(i32.remU(unit.get, blocks.get), i32.const(columnsAtOnce))),
    width.set(least(i32.sub(inner.get, column.get), i32.const(columnsAtOnce))),
    row.set(i32.divU(unit.get, blocks.get)),
    at.set(sum(x.get, bytesOf(column.get), bytesOf(i32.mul(i32.mul(row.get, k.get), inner.get)))),
    count(
      place,
      { from: work.get, to: i32.add(work.get, i32.const(laneBytes)), step: i32.const(16) },
      [v128.store(place.get, startOf(of))],
    ),
    count(lane, { from: zero, to: k.get, step: one }, [
      target.set(i32.add(work.get, i32.mul(i32.and(lane.get, i32.const(15)), i32.const(rowBytes)))),
      eachVector([
        value.set(v128.load(i32.add(at.get, offset.get))),
        place.set(i32.add(target.get, offset.get)),
        v128.store(place.get, fold(v128.load(place.get), value)),
      ]),
      advance(at, bytesOf(inner.get)),
    ]),
    [8, 4, 2, 1].map(joinHalf),
    target.set(sum(out.get, bytesOf(column.get), bytesOf(i32.mul(row.get, inner.get)))),
    eachVector([
      value.set(v128.load(i32.add(work.get, offset.get))),
      v128.store(i32.add(work.get, offset.get), [value.set(atOutput(value)), value.get]),
    ]),
    // Word by word where the row of the result may end within a vector.
    count(offset, { from: zero, to: bytesOf(width.get), step: i32.const(4) }, [
      i32.store(i32.add(target.get, offset.get), i32.load(i32.add(work.get, offset.get))),
    ]),
  ])
}

type Locals8 = [Local, Local, Local, Local, Local, Local, Local, Local]
