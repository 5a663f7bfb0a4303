/** Reductions: sixteen lanes in ascending k, then the tree. */
import type { Op } from '../Tensor.ts'
import { multiplyAdd } from './arithmetic.ts'
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { startConstants, type Constants } from './constants.ts'
import {
  advance,
  bytesOf,
  count,
  f32x4,
  i32,
  i32x4,
  least,
  one,
  repeat,
  sum,
  v128,
  zero,
} from './instructions.ts'
import type { Loop } from './loops.ts'
import { nest, start } from './nest.ts'
import { outputRules } from './outputRules.ts'
import { vectorsOf } from './program.ts'
import type { Fused } from './Task.ts'

type Of = Extract<Op, { kind: 'reduce' }>['of']

/** What is reduced: elements, or what a program gives of them. */
export type Reduced = { readonly of: Of; readonly program: Fused }

/** The program of what is reduced as it is. */
export const identity: Fused = { inputs: 1, constants: [], code: [], result: 0 }

/** Columns that are reduced together when the axis is not the last one. */
export const columnsAtOnce = 256
/** Bytes a thread needs for their sixteen lanes. */
export const laneBytes = 16 * columnsAtOnce * 4

type Folding = {
  readonly inputs: readonly Local[]
  /** Adds the element of the inputs to a total. */
  readonly fold: (total: Code) => Code
  readonly compute: Code
  readonly join: (a: Code, b: Code) => Code
  readonly initial: Code
}

function foldingOf(
  compilation: Compilation,
  { of, program }: Reduced,
  { constants, local }: { constants: Constants; local: Scope['local'] },
): Folding {
  const magnitudes = of === 'max' ? magnitudesOf(program) : undefined
  const { inputs, compute, result } = vectorsOf(compilation, magnitudes ?? program, {
    use: 'number',
    constants,
    local,
  })
  const fma = multiplyAdd(compilation.module, compilation.fusion)
  const join = magnitudes ? i32x4.maxS : of === 'max' ? f32x4.max : f32x4.add
  return {
    inputs,
    compute,
    fold: (total) =>
      of === 'sumsq' ? fma(result.get, result.get, total) : join(total, result.get),
    join,
    initial: v128.splat(of === 'max' ? 0xff80_0000 : 0),
  }
}

/**
 * The program that gives magnitudes, less the rules for an output: the greatest of them is the greatest
 * as an integer, NaN above all, and what is too small for an f32 is flushed in the end.
 */
function magnitudesOf(program: Fused): Fused | undefined {
  const { inputs, constants, code } = program
  const stepAt = (register: number) => code[register - inputs - constants.length]
  const output = stepAt(program.result)
  const result = output?.[0] === 'output' ? output[1] : program.result
  const [op, ...reads] = stepAt(result) ?? []
  const isMagnitude = op === 'and' && reads.some((at) => constants[at - inputs] === 0x7fff_ffff)
  return isMagnitude ? { ...program, result } : undefined
}

export type RowsSpec = Reduced & {
  /** Elements of a row. */
  readonly k: number
  /** Loops over rows, with the strides of each input. */
  readonly loops: readonly Loop[]
  /** How far apart the elements of a row lie, for each input: 1 or 0. */
  readonly strides: readonly number[]
}

/** A function (out, inputs..., begin, end) that reduces the rows of rounds `begin` to `end` of the outermost loop. */
export function reduceRows(compilation: Compilation, spec: RowsSpec): Function {
  const parameters = Array.from({ length: spec.program.inputs + 3 }, () => 'i32' as const)
  return compilation.module.once(`reduce rows ${JSON.stringify(spec)}`, () =>
    compilation.module.define({ parameters }, (scope) => rowsBody(compilation, spec, scope)),
  )
}

function rowsBody(compilation: Compilation, spec: RowsSpec, { parameters, local }: Scope): Code {
  const [out, ...rest] = parameters as [Local, ...Local[]]
  const inputs = rest.slice(0, spec.program.inputs)
  const [begin, end] = rest.slice(spec.program.inputs) as [Local, Local]
  const constants = startConstants(local)
  const rules = outputRules(constants)
  const folding = foldingOf(compilation, spec, { constants, local })
  const row = rowOf(compilation, { spec, folding }, local)
  const inner = spec.loops.slice(1).reduce((product, { size }) => product * size, 1)
  const body = nest({ loops: spec.loops, pointers: inputs, begin, end }, local, (pointers) => {
    const { code, first } = row(pointers)
    return [
      code,
      first.set(rules.stored(first)),
      v128.store32(0, out.get, first.get),
      advance(out, i32.const(4)),
    ]
  })
  return [constants.prepare(), start(out, begin, inner * 4), body]
}

function rowOf(
  { masksAt }: Compilation,
  { spec, folding }: { spec: RowsSpec; folding: Folding },
  local: Scope['local'],
) {
  const { inputs, fold, join, compute, initial } = folding
  const lanes = [local('v128'), local('v128'), local('v128'), local('v128')] as const
  const [first, second, third, fourth] = lanes
  const left = local('i32')
  const runs = (i: number) => spec.strides[i] !== 0
  const upper = (half: readonly number[]) => v128.shuffle(first.get, first.get, half)
  const rest = spec.k % 16
  return (pointers: readonly Local[]) => {
    const vector = (index: number): Code => [
      inputs.map((input, i) => (runs(i) ? input.set(v128.load(pointers[i]!.get, index * 16)) : [])),
      compute,
    ]
    const code: Code = [
      inputs.map((input, i) => (runs(i) ? [] : input.set(v128.load32Splat(pointers[i]!.get)))),
      lanes.map((lane) => lane.set(initial)),
      spec.k < 16
        ? []
        : [
            left.set(i32.const(Math.floor(spec.k / 16))),
            repeat(
              [
                lanes.map((lane, index) => [vector(index), lane.set(fold(lane.get))]),
                pointers.map((pointer, i) => (runs(i) ? advance(pointer, i32.const(64)) : [])),
              ],
              left.tee(i32.sub(left.get, one)),
            ),
          ],
      // What is left of a row touches the first lanes alone.
      lanes.slice(0, Math.ceil(rest / 4)).map((lane, index) => {
        const mask = v128.load(i32.const(masksAt + 64 - rest * 4), index * 16)
        return [vector(index), lane.set(v128.bitselect(fold(lane.get), lane.get, mask))]
      }),
      pointers.map((pointer, i) =>
        runs(i) && spec.k >= 16 ? advance(pointer, i32.const((spec.k - rest) * -4)) : [],
      ),
      first.set(join(first.get, third.get)),
      second.set(join(second.get, fourth.get)),
      first.set(join(first.get, second.get)),
      first.set(join(first.get, upper([8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]))),
      first.set(join(first.get, upper([4, 5, 6, 7, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]))),
    ]
    return { code, first }
  }
}

/**
 * A function (out, x, k, inner, blocks, begin, end, work) that reduces along an axis with `inner`
 * elements behind each of its places. A unit is a block of columns; `blocks` of them make one line.
 */
export function reduceColumns(compilation: Compilation, spec: Reduced): Function {
  const parameters = Array.from({ length: 8 }, () => 'i32' as const)
  return compilation.module.once(`reduce columns ${JSON.stringify(spec)}`, () =>
    compilation.module.define({ parameters }, (scope) => columnsBody(compilation, spec, scope)),
  )
}

function columnsBody(compilation: Compilation, spec: Reduced, { parameters, local }: Scope): Code {
  const [out, x, k, inner, blocks, begin, end, work] = parameters as Locals8
  const constants = startConstants(local)
  const rules = outputRules(constants)
  const { inputs, compute, fold, join, initial } = foldingOf(compilation, spec, {
    constants,
    local,
  })
  const [unit, row, column, width, at, lane, offset] = [1, 2, 3, 4, 5, 6, 7].map(() =>
    local('i32'),
  ) as Locals8
  const [from, place, target, value] = [local('i32'), local('i32'), local('i32'), local('v128')]
  const eachVector = (body: Code) =>
    count(offset, { from: zero, to: bytesOf(width.get), step: i32.const(16) }, [body])
  const rowBytes = columnsAtOnce * 4
  // The order does not matter for the greatest: one lane will do.
  const halves = spec.of === 'max' ? [] : [8, 4, 2, 1]
  const laneOf = spec.of === 'max' ? zero : i32.and(lane.get, i32.const(15))
  const begun = spec.of === 'max' ? rowBytes : laneBytes
  const joinHalf = (half: number): Code =>
    count(
      place,
      { from: work.get, to: i32.add(work.get, i32.const(half * rowBytes)), step: i32.const(16) },
      [v128.store(place.get, join(v128.load(place.get), v128.load(place.get, half * rowBytes)))],
    )
  const body = count(unit, { from: begin.get, to: end.get, step: one }, [
    column.set(i32.mul(i32.remU(unit.get, blocks.get), i32.const(columnsAtOnce))),
    width.set(least(i32.sub(inner.get, column.get), i32.const(columnsAtOnce))),
    row.set(i32.divU(unit.get, blocks.get)),
    at.set(sum(x.get, bytesOf(column.get), bytesOf(i32.mul(i32.mul(row.get, k.get), inner.get)))),
    count(place, { from: work.get, to: i32.add(work.get, i32.const(begun)), step: i32.const(16) }, [
      v128.store(place.get, initial),
    ]),
    count(lane, { from: zero, to: k.get, step: one }, [
      target.set(i32.add(work.get, i32.mul(laneOf, i32.const(rowBytes)))),
      // Four at once: what lies behind the row is put where nothing is taken from.
      count(offset, { from: zero, to: bytesOf(width.get), step: i32.const(64) }, [
        from.set(i32.add(at.get, offset.get)),
        place.set(i32.add(target.get, offset.get)),
        [0, 16, 32, 48].map((next) => [
          inputs.map((input) => input.set(v128.load(from.get, next))),
          compute,
          v128.store(place.get, fold(v128.load(place.get, next)), next),
        ]),
      ]),
      advance(at, bytesOf(inner.get)),
    ]),
    halves.map(joinHalf),
    target.set(sum(out.get, bytesOf(column.get), bytesOf(i32.mul(row.get, inner.get)))),
    eachVector([
      value.set(v128.load(i32.add(work.get, offset.get))),
      v128.store(i32.add(work.get, offset.get), [value.set(rules.stored(value)), value.get]),
    ]),
    // Word by word where the row of the result may end within a vector.
    count(offset, { from: zero, to: bytesOf(width.get), step: i32.const(4) }, [
      i32.store(i32.add(target.get, offset.get), i32.load(i32.add(work.get, offset.get))),
    ]),
  ])
  return [constants.prepare(), body]
}

type Locals8 = [Local, Local, Local, Local, Local, Local, Local, Local]
