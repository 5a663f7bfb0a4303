/**
 * The micro-kernels of matrix products. A tile of the result stays in registers while k runs; each
 * element has one accumulator, so that neither tile nor block nor thread changes a bit.
 */
import { multiplyAdd } from './arithmetic.ts'
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  call,
  count,
  i32,
  i16x8,
  i32x4,
  least,
  repeat,
  sum,
  v128,
  when,
  zero,
} from './instructions.ts'
import { startConstants } from './constants.ts'
import { outputRules } from './outputRules.ts'
import { packing } from './packing.ts'
import { blockRows, blockWords, type Kind, terms as termsOf, tileOf } from './panels.ts'

/** Bytes a thread needs for the left operand's block, and a tile of its own for the edges. */
export function workBytes(compilation: Compilation, kind: Kind): number {
  const { rows, vectors } = tileOf(compilation, kind)
  return tileBytes + (blockRows + rows) * (blockWords + 1) * 4 + vectors * 16
}

const tileBytes = 4096

/**
 * A function (k, a, b, c, rowBytes, first, last) on panels of k words: c = (first ? 0 : c) + a b, by
 * the rules for an output when it is the last block.
 */
function microKernel(compilation: Compilation, kind: Kind, rows: number): Function {
  const { vectors } = tileOf(compilation, kind)
  const parameters = Array.from({ length: 7 }, () => 'i32' as const)
  return compilation.module.once(`kernel ${kind} ${rows}`, () =>
    compilation.module.define({ parameters }, (scope) =>
      kernelBody(compilation, kind, { rows, vectors }, scope),
    ),
  )
}

function kernelBody(
  compilation: Compilation,
  kind: Kind,
  { rows, vectors }: { rows: number; vectors: number },
  { parameters, local }: Scope,
): Code {
  const [k, a, b, c, rowBytes, isFirst, isLast] = parameters as Locals7
  const sums = Array.from({ length: rows }, () =>
    Array.from({ length: vectors }, () => local('v128')),
  )
  const columns = Array.from({ length: vectors }, () => local('v128'))
  const [left, at] = [local('v128'), local('i32')]
  const fold = foldOf(compilation, kind)
  const round = (unrolled: number): Code => [
    columns.map((column, j) => column.set(v128.load(b.get, (unrolled * vectors + j) * 16))),
    sums.map((row, i) => [
      left.set(v128.load32Splat(a.get, (unrolled * rows + i) * 4)),
      row.map((total, j) => total.set(fold(left.get, columns[j]!.get, total.get))),
    ]),
  ]
  const forward = (rounds: number) => [
    advance(a, i32.const(rounds * rows * 4)),
    advance(b, i32.const(rounds * vectors * 16)),
  ]
  const eachRow = (visit: (row: readonly Local[]) => Code): Code => [
    at.set(c.get),
    sums.map((row) => [visit(row), advance(at, rowBytes.get)]),
  ]
  const begin: Code =
    kind === 'i8'
      ? [
          sums.map((row, i) => row.map((total) => total.set(v128.load32Splat(a.get, i * 4)))),
          advance(a, i32.const(rows * 4)),
        ]
      : []
  const addStored = (total: Local, j: number) => {
    const stored = v128.load(at.get, j * 16)
    return total.set(kind === 'i8' ? i32x4.add(total.get, stored) : stored)
  }
  const constants = startConstants(local)
  const { stored } = outputRules(constants)
  const ruled = sums.map((row) => row.map((total) => total.set(stored(total))))
  return [
    begin,
    when(
      i32.eqz(isFirst.get),
      eachRow((row) => row.map(addStored)),
    ),
    // Two rounds at once; the odd one first or last makes no difference to the order of k.
    when(
      i32.geU(k.get, i32.const(2)),
      repeat(
        [round(0), round(1), forward(2), advance(k, i32.const(-2))],
        i32.geU(k.get, i32.const(2)),
      ),
    ),
    when(k.get, round(0)),
    kind === 'f32' ? when(isLast.get, [constants.prepare(), ruled]) : [],
    eachRow((row) => row.map((total, j) => v128.store(at.get, total.get, j * 16))),
  ]
}

type Locals7 = [Local, Local, Local, Local, Local, Local, Local]

function foldOf({ module, fusion, kernels }: Compilation, kind: Kind) {
  if (kind === 'f32') return multiplyAdd(module, fusion)
  if (kind === 'i8' && kernels.dot === 'quads') return i32x4.relaxedDotI8x16I7x16Add
  if (kind === 'i8')
    return (a: Code, b: Code, total: Code) =>
      i32x4.add(total, i32x4.extaddPairwiseI16x8(i16x8.relaxedDotI8x16I7x16(a, b)))
  return (a: Code, b: Code, total: Code) => i32x4.add(total, i32x4.dotI16x8(a, b))
}

/**
 * A function (a, stepRow, stepK, b, c, n, k, begin, end, work): rows `begin` to `end` of c = a b. Steps
 * are bytes; b is packed; k counts terms; c has rows of n words. Integer sums are left as they are.
 */
export function rowsFunction(compilation: Compilation, kind: Kind): Function {
  const parameters = Array.from({ length: 10 }, () => 'i32' as const)
  return compilation.module.once(`rows ${kind}`, () =>
    compilation.module.define({ parameters }, (scope) => rowsBody(compilation, kind, scope)),
  )
}

function rowsBody(compilation: Compilation, kind: Kind, { parameters, local }: Scope): Code {
  const [a, stepRow, stepK, b, c, n, k, begin, end, work] = parameters as [...Locals7, ...Locals3]
  const { rows, vectors } = tileOf(compilation, kind)
  const width = vectors * 4
  const pack = packing(compilation, kind, 'left')
  const terms = termsOf[kind]
  const header = kind === 'i8' ? 1 : 0
  const [words, block, length, isFirst, isLast] = five(local)
  const [from, until, i, j, height] = five(local)
  const [panel, panelBytes, panels, packed, target] = five(local)
  const termsLeft = least(
    i32.mul(length.get, i32.const(terms)),
    i32.sub(k.get, i32.mul(block.get, i32.const(terms))),
  )
  /** A few rows after the other; what is packed of them follows what is packed of the rows before. */
  const eachRows = (body: Code) => [
    packed.set(i32.add(work.get, i32.const(tileBytes))),
    count(i, { from: from.get, to: until.get, step: i32.const(rows) }, [
      height.set(least(i32.sub(until.get, i.get), i32.const(rows))),
      body,
      advance(packed, i32.mul(height.get, bytesOf(wordsWith(length, header)))),
    ]),
  ]
  const packRows = eachRows(
    call(
      pack,
      sum(
        a.get,
        i32.mul(i.get, stepRow.get),
        i32.mul(i32.mul(block.get, i32.const(terms)), stepK.get),
      ),
      stepRow.get,
      stepK.get,
      height.get,
      termsLeft,
      packed.get,
      height.get,
    ),
  )
  const columns = { length, packed, panel, target, n, j, height, isFirst, isLast, work, local }
  const multiplyRows = eachRows([
    target.set(i32.add(c.get, bytesOf(i32.add(i32.mul(i.get, n.get), j.get)))),
    tile(compilation, kind, columns),
  ])
  const rowsAtOnce = i32.const(blockRows - (blockRows % rows))
  return [
    words.set(i32.divU(i32.add(k.get, i32.const(terms - 1)), i32.const(terms))),
    panels.set(
      i32.mul(i32.divU(i32.add(n.get, i32.const(width - 1)), i32.const(width)), i32.const(width)),
    ),
    count(block, { from: zero, to: words.get, step: i32.const(blockWords) }, [
      length.set(least(i32.sub(words.get, block.get), i32.const(blockWords))),
      isFirst.set(i32.eqz(block.get)),
      isLast.set(i32.eq(i32.add(block.get, length.get), words.get)),
      panelBytes.set(i32.mul(length.get, i32.const(width * 4))),
      count(from, { from: begin.get, to: end.get, step: rowsAtOnce }, [
        until.set(least(end.get, i32.add(from.get, rowsAtOnce))),
        packRows,
        panel.set(i32.add(b.get, bytesOf(i32.mul(panels.get, block.get)))),
        count(j, { from: zero, to: n.get, step: i32.const(width) }, [
          multiplyRows,
          advance(panel, panelBytes.get),
        ]),
      ]),
    ]),
  ]
}

type Locals3 = [Local, Local, Local]
type Locals5 = [Local, Local, Local, Local, Local]

function five(local: Scope['local']): Locals5 {
  return [local('i32'), local('i32'), local('i32'), local('i32'), local('i32')]
}

function wordsWith(length: Local, header: number): Code {
  return header === 0 ? length.get : i32.add(length.get, i32.const(header))
}

type TileAt = Readonly<
  Record<
    'length' | 'packed' | 'panel' | 'target' | 'n' | 'j' | 'height' | 'isFirst' | 'isLast' | 'work',
    Local
  >
> & { readonly local: Scope['local'] }

/** One tile: in place, or by way of a tile of the thread's own where columns are missing. */
function tile(compilation: Compilation, kind: Kind, at: TileAt): Code {
  const { rows, vectors } = tileOf(compilation, kind)
  const { length, packed, panel, target, n, j, height, isFirst, isLast, work, local } = at
  const width = vectors * 4
  const [left, rowBytes, r] = [local('i32'), local('i32'), local('i32')]
  const [here, there] = [local('i32'), local('i32')]
  const kernel = (height: number, to: Local, bytes: Code) =>
    call(
      microKernel(compilation, kind, height),
      length.get,
      packed.get,
      panel.get,
      to.get,
      bytes,
      isFirst.get,
      isLast.get,
    )
  const ofHeight = (to: Local, bytes: Code) => {
    const heights = Array.from({ length: rows - 1 }, (_, index) => index + 1)
    return heights.reduce<Code>(
      (otherwise, each) =>
        when(i32.eq(height.get, i32.const(each)), kernel(each, to, bytes), otherwise),
      kernel(rows, to, bytes),
    )
  }
  const copy = (from: Local, fromBytes: Code, to: Local, toBytes: Code) => [
    here.set(from.get),
    there.set(to.get),
    count(r, { from: zero, to: height.get, step: i32.const(1) }, [
      words(there, here, left, local),
      advance(here, fromBytes),
      advance(there, toBytes),
    ]),
  ]
  return [
    left.set(i32.sub(n.get, j.get)),
    rowBytes.set(i32.shl(n.get, i32.const(2))),
    when(
      i32.geU(left.get, i32.const(width)),
      when(
        i32.eq(height.get, i32.const(rows)),
        kernel(rows, target, rowBytes.get),
        ofHeight(target, rowBytes.get),
      ),
      [
        when(i32.eqz(isFirst.get), copy(target, rowBytes.get, work, i32.const(width * 4))),
        ofHeight(work, i32.const(width * 4)),
        copy(work, i32.const(width * 4), target, rowBytes.get),
      ],
    ),
  ]
}

/** Copies a few words. */
function words(to: Local, from: Local, length: Local, local: Scope['local']): Code {
  const i = local('i32')
  const offset = i32.shl(i.get, i32.const(2))
  return count(
    i,
    { from: zero, to: length.get, step: i32.const(1) },
    i32.store(i32.add(to.get, offset), i32.load(i32.add(from.get, offset))),
  )
}
