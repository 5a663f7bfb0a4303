/**
 * The micro-kernels of matrix products. A tile of the result stays in registers while k runs; each
 * element has one accumulator, so that neither tile nor block nor thread changes a bit.
 */
import { multiplyAdd } from './arithmetic.ts'
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { startConstants } from './constants.ts'
import { advance, f32x4, i32, i16x8, i32x4, repeat, v128, when } from './instructions.ts'
import { outputRules } from './outputRules.ts'
import { type Kind, terms, tileOf } from './panels.ts'
import { turn } from './turn.ts'

export type KernelSpec = {
  readonly kind: Kind
  readonly rows: number
  /** How many panels of the right operand are multiplied at once. */
  readonly panels: number
  /** How an operand lies; undefined when it is packed. */
  readonly left: Steps | undefined
  /** The right one's columns, or its terms by fours, lie side by side. */
  readonly right: Steps | undefined
}

/** Bytes from line to line, and from term to term. */
export type Steps = { readonly stepLine: number; readonly stepK: number }

/**
 * A function (k, a, b, panelBytes, c, rowBytes, isFirst, isLast, sumsAt, tightAt, scaleA, scaleB) on k words:
 * c = (isFirst ? 0 : c) + a b, and what an op stores of it when it is the last block. Sums of `i8`
 * begin with a word for each row at `sumsAt`, and go two words at once where one at `tightAt` says so; sums
 * of integers are multiplied by the scales in the end.
 */
export function microKernel(compilation: Compilation, spec: KernelSpec): Function {
  const parameters = Array.from({ length: 12 }, () => 'i32' as const)
  return compilation.module.once(`kernel ${JSON.stringify(spec)}`, () =>
    compilation.module.define({ parameters }, (scope) => kernelBody(compilation, spec, scope)),
  )
}

function kernelBody(compilation: Compilation, spec: KernelSpec, scope: Scope): Code {
  const { kind, rows, panels } = spec
  const { vectors } = tileOf(compilation, kind)
  const { local } = scope
  const [k, a, b, panelBytes, c, rowBytes, isFirst, isLast, sumsAt, tightAt] =
    scope.parameters as readonly Local[] as Locals10
  const sums = Array.from({ length: rows }, () =>
    Array.from({ length: panels * vectors }, () => local('v128')),
  )
  const at = local('i32')
  const eachRow = (visit: (row: readonly Local[], index: number) => Code): Code => [
    at.set(c.get),
    sums.map((row, index) => [visit(row, index), advance(at, rowBytes.get)]),
  ]
  const begin = (row: readonly Local[], index: number): Code =>
    kind === 'i8' ? row.map((total) => total.set(v128.load32Splat(sumsAt.get, index * 4))) : []
  const addStored = (total: Local, j: number) => {
    const stored = v128.load(at.get, j * 16)
    return total.set(kind === 'i8' ? i32x4.add(total.get, stored) : stored)
  }
  const isTurned = spec.right !== undefined && spec.right.stepLine !== 4
  const { start, rounds, tight, one, atOnce } = (isTurned ? turnedRounds : straightRounds)(
    compilation,
    spec,
    { a, b, panelBytes, sums, local },
  )
  const hasMany = i32.geU(k.get, i32.const(atOnce))
  return [
    start,
    sums.map(begin),
    when(
      i32.eqz(isFirst.get),
      eachRow((row) => row.map(addStored)),
    ),
    tight
      ? when(
          i32.and(i32.load(tightAt.get), hasMany),
          repeat([tight, advance(k, i32.const(-atOnce))], hasMany),
        )
      : [],
    when(hasMany, repeat([rounds, advance(k, i32.const(-atOnce))], hasMany)),
    when(k.get, one),
    when(isLast.get, finish(kind, sums, scope)),
    eachRow((row) => row.map((total, j) => v128.store(at.get, total.get, j * 16))),
  ]
}

type Locals10 = [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local]

type RoundsOf = {
  readonly a: Local
  readonly b: Local
  readonly panelBytes: Local
  readonly sums: readonly (readonly Local[])[]
  readonly local: Scope['local']
}

/** Two words of k, and the one that may be left. */
function straightRounds(
  compilation: Compilation,
  { kind, rows, panels, left, right }: KernelSpec,
  { a, b, panelBytes, sums, local }: RoundsOf,
): Rounds {
  const { vectors } = tileOf(compilation, kind)
  const fold = foldOf(compilation, kind)
  const words = Array.from({ length: panels === 1 ? 1 : rows }, () => local('v128'))
  const columns = Array.from({ length: vectors }, () => local('v128'))
  const separate = right === undefined
  const pointers = [b, ...Array.from({ length: separate ? panels - 1 : 0 }, () => local('i32'))]
  const stepA = left ? left.stepK * terms[kind] : rows * 4
  const stepB = right?.stepK ?? vectors * 16
  const wordAt = (unrolled: number, row: number) =>
    v128.load32Splat(a.get, unrolled * stepA + row * (left?.stepLine ?? 4))
  const columnAt = (unrolled: number, panel: number, vector: number) =>
    v128.load(
      pointers[separate ? panel : 0]!.get,
      unrolled * stepB + (separate ? vector : panel * vectors + vector) * 16,
    )
  const round = (unrolled: number): Code => [
    panels === 1 ? [] : words.map((word, row) => word.set(wordAt(unrolled, row))),
    Array.from({ length: panels }, (_, panel) => [
      columns.map((column, j) => column.set(columnAt(unrolled, panel, j))),
      sums.map((row, i) => [
        panels === 1 ? words[0]!.set(wordAt(unrolled, i)) : [],
        columns.map((column, j) => {
          const total = row[panel * vectors + j]!
          return total.set(fold(words[panels === 1 ? 0 : i]!.get, column.get, total.get))
        }),
      ]),
    ]),
  ]
  const forward = [
    advance(a, i32.const(2 * stepA)),
    pointers.map((pointer) => advance(pointer, i32.const(2 * stepB))),
  ]
  const [others, second] = [columns.map(() => local('v128')), local('v128')]
  const both = Array.from({ length: panels }, (_, panel) => [
    columns.map((column, j) => column.set(columnAt(0, panel, j))),
    others.map((column, j) => column.set(columnAt(1, panel, j))),
    sums.map((row, i) => [
      words[0]!.set(wordAt(0, i)),
      second.set(wordAt(1, i)),
      columns.map((column, j) => {
        const total = row[panel * vectors + j]!
        const products = i16x8.add(
          i16x8.relaxedDotI8x16I7x16(words[0]!.get, column.get),
          i16x8.relaxedDotI8x16I7x16(second.get, others[j]!.get),
        )
        return total.set(i32x4.add(total.get, i32x4.extaddPairwiseI16x8(products)))
      }),
    ]),
  ])
  return {
    start: pointers
      .slice(1)
      .map((pointer, index) => pointer.set(i32.add(pointers[index]!.get, panelBytes.get))),
    rounds: [round(0), round(1), forward],
    tight: kind === 'i8' && compilation.kernels.dot === 'pairs' ? [both, forward] : undefined,
    one: round(0),
    atOnce: 2,
  }
}

type Rounds = {
  readonly start: Code
  /** So many words of k, and the way to the next. */
  readonly rounds: Code
  /** The same where two words of the left operand are small enough to be added in sixteen bits. */
  readonly tight?: Code | undefined
  /** One word that is left. */
  readonly one: Code
  readonly atOnce: number
}

/** Four words of k of columns whose words lie side by side; k is a multiple of four. */
function turnedRounds(
  compilation: Compilation,
  { kind, panels, left, right, rows }: KernelSpec,
  { a, b, sums, local }: RoundsOf,
): Rounds {
  const { vectors } = tileOf(compilation, kind)
  const fold = foldOf(compilation, kind)
  const lines = Array.from({ length: 4 }, () => local('v128'))
  const turned = turn(lines, [local('v128'), local('v128')])
  const [word, column] = [local('v128'), local('v128')]
  const stepA = left?.stepK ?? rows * 4
  const steps = right!
  const fourColumns = (j: number): Code => [
    lines.map((line, index) => line.set(v128.load(b.get, (j * 4 + index) * steps.stepLine))),
    turned.map((value, term) => [
      column.set(value),
      sums.map((row, i) => [
        word.set(v128.load32Splat(a.get, term * stepA + i * (left?.stepLine ?? 4))),
        row[j]!.set(fold(word.get, column.get, row[j]!.get)),
      ]),
    ]),
  ]
  return {
    start: [],
    rounds: [
      Array.from({ length: panels * vectors }, (_, j) => fourColumns(j)),
      advance(a, i32.const(4 * stepA)),
      advance(b, i32.const(16)),
    ],
    one: [],
    atOnce: 4,
  }
}

function foldOf({ module, fusion, kernels }: Compilation, kind: Kind) {
  if (kind === 'f32') return multiplyAdd(module, fusion)
  if (kind === 'i8' && kernels.dot === 'quads') return i32x4.relaxedDotI8x16I7x16Add
  if (kind === 'i8')
    return (a: Code, b: Code, total: Code) =>
      i32x4.add(total, i32x4.extaddPairwiseI16x8(i16x8.relaxedDotI8x16I7x16(a, b)))
  return (a: Code, b: Code, total: Code) => i32x4.add(total, i32x4.dotI16x8(a, b))
}

/** What an op stores of its sums; integers become f32 times the scale of the row, times that of the column. */
function finish(kind: Kind, sums: readonly (readonly Local[])[], scope: Scope): Code {
  const { parameters, local } = scope
  const [scaleA, scaleB] = parameters.slice(10) as [Local, Local]
  const constants = startConstants(local)
  const { stored } = outputRules(constants)
  const ofRow = local('v128')
  const scaled = (total: Local, j: number) =>
    f32x4.mul(f32x4.mul(f32x4.convertI32x4(total.get), ofRow.get), v128.load(scaleB.get, j * 16))
  const body = sums.map((row, i) => [
    kind === 'f32' ? [] : ofRow.set(v128.load32Splat(scaleA.get, i * 4)),
    row.map((total, j) => [
      kind === 'f32' ? [] : total.set(scaled(total, j)),
      total.set(stored(total)),
    ]),
  ])
  return [constants.prepare(), body]
}
