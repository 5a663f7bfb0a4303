/**
 * What the kernel for i8 wants to know of a few rows of the left operand beforehand: their sums, since the
 * right operand's integers are stored higher than they are, and whether two words at once fit sixteen bits.
 */
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { startConstants, type Constants } from './constants.ts'
import {
  advance,
  bytesOf,
  count,
  i16x8,
  i32,
  i32x4,
  i8x16,
  one,
  repeat,
  v128,
  when,
  zero,
} from './instructions.ts'

/**
 * The relaxed dot product wants its second operand from 0 to 127: the right operand's integers, from -64
 * to 63, are stored so much higher, and sums begin with that many times less the sum of the left row.
 */
export const offset = 64

/** 127 times so much is below 2^15: magnitudes of two pairs of the left operand whose products may be added in 16 bits. */
const mostOfTwoPairs = 258

/**
 * A function (source, step, rows, words, sumsTo, tightTo) on rows whose words lie side by side, or on a
 * panel of so many rows: -64 times each row's sum, and one word that is not zero when all of them are tight.
 */
export function rowSums(compilation: Compilation, lie: 'rows' | 'panel'): Function {
  const parameters = Array.from({ length: 6 }, () => 'i32' as const)
  return compilation.module.once(`row sums ${lie}`, () =>
    compilation.module.define({ parameters }, (scope) =>
      lie === 'rows' ? ofRows(compilation, scope) : ofPanel(compilation, scope),
    ),
  )
}

type Locals6 = [Local, Local, Local, Local, Local, Local]

/** Row by row: sixteen bytes at once, then eight, then four. */
function ofRows({ kernels }: Compilation, { parameters, local }: Scope): Code {
  const [source, step, rows, words, sumsTo, tightTo] = parameters as readonly Local[] as Locals6
  const [row, at, left] = [local('i32'), local('i32'), local('i32')]
  const [value, pairs] = [local('v128'), local('v128')]
  const sums = startSums({ kernels, local })
  const take = (load: Code, width: number): Code => [
    value.set(load),
    sums.add(value),
    width < 8
      ? []
      : [
          pairs.set(sums.magnitudes(value)),
          sums.look(i16x8.add(pairs.get, v128.shuffle(pairs.get, pairs.get, neighbours))),
        ],
    advance(at, i32.const(width)),
  ]
  const hasFour = i32.geU(left.get, i32.const(4))
  const body = count(row, { from: zero, to: rows.get, step: one }, [
    at.set(source.get),
    left.set(words.get),
    sums.begin,
    when(hasFour, repeat([take(v128.load(at.get), 16), advance(left, i32.const(-4))], hasFour)),
    when(i32.and(left.get, i32.const(2)), take(v128.load64Zero(at.get), 8)),
    when(i32.and(left.get, one), take(v128.load32Zero(at.get), 4)),
    sums.storeOne(i32.add(sumsTo.get, bytesOf(row.get))),
    advance(source, step.get),
  ])
  return [sums.prepare(), body, sums.storeTight(tightTo)]
}

/** Words two by two with their neighbours. */
const neighbours = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]

/** Four rows at once, two words at a time. */
function ofPanel({ kernels }: Compilation, { parameters, local }: Scope): Code {
  const [source, , rows, words, sumsTo, tightTo] = parameters as readonly Local[] as Locals6
  const [row, at, left] = [local('i32'), local('i32'), local('i32')]
  const [first, second] = [local('v128'), local('v128')]
  const sums = startSums({ kernels, local })
  const next = (value: Local): Code => [
    value.set(v128.load(at.get)),
    sums.add(value),
    advance(at, bytesOf(rows.get)),
  ]
  const hasTwo = i32.geU(left.get, i32.const(2))
  const body = count(row, { from: zero, to: rows.get, step: i32.const(4) }, [
    at.set(i32.add(source.get, bytesOf(row.get))),
    left.set(words.get),
    sums.begin,
    when(
      hasTwo,
      repeat(
        [
          next(first),
          next(second),
          sums.look(i16x8.add(sums.magnitudes(first), sums.magnitudes(second))),
          advance(left, i32.const(-2)),
        ],
        hasTwo,
      ),
    ),
    when(left.get, next(first)),
    sums.storeEach(i32.add(sumsTo.get, bytesOf(row.get)), i32.sub(rows.get, row.get)),
  ])
  return [sums.prepare(), body, sums.storeTight(tightTo)]
}

/** Sums in four lanes: of one row, together; of four, each its own. */
function startSums({
  kernels,
  local,
}: Pick<Compilation, 'kernels'> & { readonly local: Scope['local'] }) {
  const constants: Constants = startConstants(local)
  const [total, wide] = [local('v128'), local('v128')]
  const ones = () => constants.of(0x0101_0101)
  const bytesSummed = (value: Local) =>
    kernels.dot === 'quads'
      ? i32x4.relaxedDotI8x16I7x16Add(value.get, ones(), total.get)
      : i32x4.add(
          total.get,
          i32x4.extaddPairwiseI16x8(i16x8.relaxedDotI8x16I7x16(value.get, ones())),
        )
  const turned = (bytes: number) =>
    v128.shuffle(
      total.get,
      total.get,
      Array.from({ length: 16 }, (_, byte) => (byte + bytes) % 16),
    )
  const scaled = () => i32x4.mul(total.get, constants.of(-offset))
  return {
    begin: total.set(v128.splat(0)),
    prepare: () => [constants.prepare(), wide.set(v128.splat(0))],
    add: (value: Local) => total.set(bytesSummed(value)),
    /** Of each pair of neighbouring bytes the sum of the magnitudes. */
    magnitudes: (value: Local) => i16x8.extaddPairwiseI8x16U(i8x16.abs(value.get)),
    look: (magnitudes: Code) =>
      wide.set(v128.or(wide.get, i16x8.gtS(magnitudes, constants.of(mostOfTwoPairs * 0x1_0001)))),
    /** Stores the sum of one row, which all lanes are together. */
    storeOne: (to: Code): Code => [
      [8, 4].map((bytes) => total.set(i32x4.add(total.get, turned(bytes)))),
      total.set(scaled()),
      v128.store32(0, to, total.get),
    ],
    /** Stores the sums of so many rows, at most four. */
    storeEach: (to: Code, rows: Code): Code => [
      total.set(scaled()),
      [0, 1, 2, 3].map((lane) =>
        when(i32.gtU(rows, i32.const(lane)), v128.store32(lane, to, total.get, lane * 4)),
      ),
    ],
    storeTight: (to: Local) => i32.store(to.get, i32.eqz(v128.anyTrue(wide.get))),
  }
}
