/** Products of many matrices, and the scales of integer products. */
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  call,
  count,
  f32x4,
  i32,
  least,
  one,
  sum,
  v128,
  when,
  zero,
} from './instructions.ts'
import { startConstants } from './constants.ts'
import { outputRules } from './outputRules.ts'
import { rowsFunction } from './matmul.ts'
import type { Kind } from './panels.ts'

/**
 * A function (a, stepRow, stepK, batchA, b, batchB, c, n, k, m, work, begin, end): rows `begin` to `end`
 * of all products, m rows each. Steps and batches are bytes from one to the next; b is packed.
 */
export function productFunction(compilation: Compilation, kind: Kind): Function {
  const parameters = Array.from({ length: 13 }, () => 'i32' as const)
  return compilation.module.once(`product ${kind}`, () =>
    compilation.module.define({ parameters }, (scope) => productBody(compilation, kind, scope)),
  )
}

function productBody(compilation: Compilation, kind: Kind, { parameters, local }: Scope): Code {
  const [a, stepRow, stepK, batchA, b, batchB, c, n, k, m, work, begin, end] =
    parameters as readonly Local[] as Locals13
  const [row, batch, first, until] = [local('i32'), local('i32'), local('i32'), local('i32')]
  const step = i32.sub(until.get, first.get)
  return [
    count(row, { from: begin.get, to: end.get, step }, [
      batch.set(i32.divU(row.get, m.get)),
      first.set(i32.remU(row.get, m.get)),
      until.set(least(m.get, i32.add(first.get, i32.sub(end.get, row.get)))),
      call(
        rowsFunction(compilation, kind),
        i32.add(a.get, i32.mul(batch.get, batchA.get)),
        stepRow.get,
        stepK.get,
        i32.add(b.get, i32.mul(batch.get, batchB.get)),
        i32.add(c.get, bytesOf(i32.mul(i32.mul(batch.get, m.get), n.get))),
        n.get,
        k.get,
        first.get,
        until.get,
        work.get,
      ),
    ]),
  ]
}

type Locals13 = [
  ...[Local, Local, Local, Local, Local, Local, Local],
  ...[Local, Local, Local, Local, Local, Local],
]

/**
 * A function (c, scaleA, scaleB, n, m, batchA, batchB, begin, end): the integers of rows `begin` to `end`
 * become f32 times the scale of the row, times the scale of the column. Batches are words from the
 * scales of one product to those of the next.
 */
export function scaleFunction(compilation: Compilation): Function {
  const parameters = Array.from({ length: 9 }, () => 'i32' as const)
  return compilation.module.once('scale', () =>
    compilation.module.define({ parameters }, scaleBody),
  )
}

function scaleBody({ parameters, local }: Scope): Code {
  const [c, scaleA, scaleB, n, m, batchA, batchB, begin, end] =
    parameters as readonly Local[] as Locals9
  const [row, batch, at, columns, j] = [1, 2, 3, 4, 5].map(() => local('i32')) as Locals5
  const [value, left, lane] = [local('v128'), local('v128'), local('i32')]
  const constants = startConstants(local)
  const stored = outputRules(constants).stored(value)
  const body = count(row, { from: begin.get, to: end.get, step: one }, [
    batch.set(i32.divU(row.get, m.get)),
    left.set(
      v128.load32Splat(
        sum(scaleA.get, bytesOf(i32.mul(batch.get, batchA.get)), bytesOf(i32.remU(row.get, m.get))),
      ),
    ),
    at.set(i32.add(c.get, bytesOf(i32.mul(row.get, n.get)))),
    columns.set(i32.add(scaleB.get, bytesOf(i32.mul(batch.get, batchB.get)))),
    count(j, { from: zero, to: n.get, step: i32.const(4) }, [
      value.set(f32x4.mul(f32x4.convertI32x4(v128.load(at.get)), left.get)),
      value.set(f32x4.mul(value.get, v128.load(columns.get))),
      value.set(stored),
      lane.set(i32.sub(n.get, j.get)),
      when(
        i32.geU(lane.get, i32.const(4)),
        v128.store(at.get, value.get),
        [0, 1, 2].map((index) =>
          when(
            i32.gtU(lane.get, i32.const(index)),
            v128.store32(index, at.get, value.get, index * 4),
          ),
        ),
      ),
      advance(at, i32.const(16)),
      advance(columns, i32.const(16)),
    ]),
  ])
  return [constants.prepare(), body]
}

type Locals5 = [Local, Local, Local, Local, Local]
type Locals9 = [...Locals5, Local, Local, Local, Local]
