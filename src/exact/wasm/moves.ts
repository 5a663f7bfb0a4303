/** Ops that copy bits: strided copies, rows by index, and the sum of rows by index. */
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  count,
  f32x4,
  i32,
  least,
  memory,
  one,
  repeat,
  v128,
  when,
  zero,
} from './instructions.ts'
import { startConstants } from './constants.ts'
import type { Loop } from './loops.ts'
import { outputRules } from './outputRules.ts'

export type CopySpec = {
  /** Loops with the strides of the target and the source, in elements. */
  readonly loops: readonly Loop[]
  /** Bytes of an element. */
  readonly width: 1 | 4
}

/** A function (to, from, begin, end) that copies rounds `begin` to `end` of the outermost loop. */
export function copyFunction({ module }: Compilation, spec: CopySpec): Function {
  const parameters = ['i32', 'i32', 'i32', 'i32'] as const
  return module.once(`copy ${JSON.stringify(spec)}`, () =>
    module.define({ parameters }, (scope) => copyBody(spec, scope)),
  )
}

function copyBody({ loops, width }: CopySpec, { parameters, local }: Scope): Code {
  const [to, from, begin, end] = parameters as [Local, Local, Local, Local]
  const level = (depth: number, target: Local, source: Local): Code => {
    const { size, strides } = loops[depth]!
    const [forward = 0, back = 0] = strides
    const isInner = depth === loops.length - 1
    const left = local('i32')
    const rounds = left.set(depth === 0 ? i32.sub(end.get, begin.get) : i32.const(size))
    if (isInner && forward === 1 && back === 1 && (depth === 0 || size * width >= 32))
      return [rounds, memory.copy(target.get, source.get, i32.mul(left.get, i32.const(width)))]
    const [innerTarget, innerSource] = [local('i32'), local('i32')]
    return [
      rounds,
      innerTarget.set(target.get),
      innerSource.set(source.get),
      repeat(
        [
          isInner
            ? copyOne(width, innerTarget, innerSource)
            : level(depth + 1, innerTarget, innerSource),
          advance(innerTarget, i32.const(forward * width)),
          advance(innerSource, i32.const(back * width)),
        ],
        left.tee(i32.sub(left.get, one)),
      ),
    ]
  }
  const [forward = 0, back = 0] = loops[0]!.strides
  return when(i32.ltU(begin.get, end.get), [
    advance(to, i32.mul(begin.get, i32.const(forward * width))),
    advance(from, i32.mul(begin.get, i32.const(back * width))),
    level(0, to, from),
  ])
}

function copyOne(width: 1 | 4, to: Local, from: Local): Code {
  return width === 1
    ? i32.store8(to.get, i32.load8u(from.get))
    : i32.store(to.get, i32.load(from.get))
}

/**
 * A function (to, update, indexAt, axisSize, count, rowBytes, begin, end) that puts `count` rows of each
 * outer block of `update` into the same block of `to`, from the row on that stands at `indexAt`.
 */
export function placeFunction({ module }: Compilation): Function {
  const parameters = Array.from({ length: 8 }, () => 'i32' as const)
  return module.once('place', () =>
    module.define({ parameters }, ({ parameters: given, local }) => {
      const [to, update, indexAt, size, rows, rowBytes, begin, end] = given as Locals8
      const [block, index, inside] = [local('i32'), local('i32'), local('i32')]
      return [
        index.set(least(i32.load(indexAt.get), size.get)),
        inside.set(i32.mul(least(rows.get, i32.sub(size.get, index.get)), rowBytes.get)),
        count(block, { from: begin.get, to: end.get, step: one }, [
          memory.copy(
            i32.add(
              to.get,
              i32.mul(i32.add(i32.mul(block.get, size.get), index.get), rowBytes.get),
            ),
            i32.add(update.get, i32.mul(i32.mul(block.get, rows.get), rowBytes.get)),
            inside.get,
          ),
        ]),
      ]
    }),
  )
}

type Locals8 = [Local, Local, Local, Local, Local, Local, Local, Local]

/** A function (to, table, indices, rows, rowBytes, begin, end): for each index its row, or zeros past the end. */
export function gatherFunction({ module }: Compilation): Function {
  const parameters = Array.from({ length: 7 }, () => 'i32' as const)
  return module.once('gather', () =>
    module.define({ parameters }, ({ parameters: given, local }) => {
      const [to, table, indices, rows, rowBytes, begin, end] = given as readonly Local[] as Locals7
      const [position, row, target] = [local('i32'), local('i32'), local('i32')]
      return count(position, { from: begin.get, to: end.get, step: one }, [
        row.set(i32.load(i32.add(indices.get, bytesOf(position.get)))),
        target.set(i32.add(to.get, i32.mul(position.get, rowBytes.get))),
        when(
          i32.ltU(row.get, rows.get),
          when(
            i32.eq(rowBytes.get, i32.const(4)),
            i32.store(target.get, i32.load(i32.add(table.get, bytesOf(row.get)))),
            memory.copy(
              target.get,
              i32.add(table.get, i32.mul(row.get, rowBytes.get)),
              rowBytes.get,
            ),
          ),
          memory.fill(target.get, zero, rowBytes.get),
        ),
      ])
    }),
  )
}

type Locals7 = [Local, Local, Local, Local, Local, Local, Local]

/**
 * A function (to, updates, indices, positions, rowWords, begin, end): rows `begin` to `end` of the sums of
 * updates by index, in ascending position.
 */
export function scatterAddFunction({ module }: Compilation): Function {
  const parameters = Array.from({ length: 7 }, () => 'i32' as const)
  return module.once('scatter-add', () => module.define({ parameters }, scatterAddBody))
}

function scatterAddBody({ parameters, local }: Scope): Code {
  const [to, updates, indices, positions, rowWords, begin, end] =
    parameters as readonly Local[] as Locals7
  const [position, row, target, source] = [1, 2, 3, 4].map(() => local('i32')) as Locals4
  const [value, last] = [local('v128'), local('i32')]
  const constants = startConstants(local)
  const stored = outputRules(constants).stored(value)
  const rowBytes = bytesOf(rowWords.get)
  const at = (index: Code) => i32.add(to.get, i32.mul(index, rowBytes))
  const hasFour = i32.leU(i32.add(target.get, i32.const(16)), last.get)
  const wordByWord = (start: Local, until: Local, body: Code) =>
    count(start, { from: start.get, to: until.get, step: i32.const(4) }, body)
  return [
    memory.fill(at(begin.get), zero, i32.mul(i32.sub(end.get, begin.get), rowBytes)),
    count(position, { from: zero, to: positions.get, step: one }, [
      row.set(i32.load(i32.add(indices.get, bytesOf(position.get)))),
      when(i32.and(i32.geU(row.get, begin.get), i32.ltU(row.get, end.get)), [
        target.set(at(row.get)),
        last.set(i32.add(target.get, rowBytes)),
        source.set(i32.add(updates.get, i32.mul(position.get, rowBytes))),
        // Four at a time while they are all of this row.
        when(
          hasFour,
          repeat(
            [
              v128.store(target.get, f32x4.add(v128.load(target.get), v128.load(source.get))),
              advance(source, i32.const(16)),
              advance(target, i32.const(16)),
            ],
            hasFour,
          ),
        ),
        wordByWord(target, last, [
          value.set(f32x4.add(v128.load32Zero(target.get), v128.load32Zero(source.get))),
          v128.store32(0, target.get, value.get),
          advance(source, i32.const(4)),
        ]),
      ]),
    ]),
    target.set(at(begin.get)),
    last.set(at(end.get)),
    constants.prepare(),
    wordByWord(target, last, [
      value.set(v128.load32Zero(target.get)),
      v128.store32(0, target.get, [value.set(stored), value.get]),
    ]),
  ]
}

type Locals4 = [Local, Local, Local, Local]
