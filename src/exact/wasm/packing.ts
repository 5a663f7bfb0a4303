/**
 * Lays operands of matrix products out as the micro-kernels read them: panels of a few lines (rows of
 * the left operand, columns of the right one), word by word of k, whichever way round they lay.
 */
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  call,
  choose,
  count,
  i32,
  i64,
  i16x8,
  i8x16,
  least,
  one,
  repeat,
  sum,
  v128,
  when,
  zero,
} from './instructions.ts'
import { offset } from './rowSums.ts'
import { turn } from './turn.ts'
import { blockWords, type Kind, terms as termsOf, tileOf } from './panels.ts'

/** Whether an integer of the right operand is out of that range, and the other kernel has to be used. */
const outside = 0x8080_8080

/** A function (source, stepLine, stepK, lines, terms, to, width) that packs one panel. */
export function packing(compilation: Compilation, kind: Kind): Function {
  const parameters = Array.from({ length: 7 }, () => 'i32' as const)
  const { module } = compilation
  return module.once(`pack ${kind}`, () =>
    module.define({ parameters }, (scope) => {
      const at = named(scope)
      if (kind === 'f32') return [floats(at), padding(at, 1)]
      return [integers(compilation, kind, at), padding(at, termsOf[kind])]
    }),
  )
}

type Panel = Readonly<
  Record<'source' | 'stepLine' | 'stepK' | 'lines' | 'terms' | 'to' | 'width', Local>
> & { readonly local: Scope['local'] }

function named({ parameters, local }: Scope): Panel {
  const [source, stepLine, stepK, lines, terms, to, width] = parameters as Locals7
  return { source, stepLine, stepK, lines, terms, to, width, local }
}

type Locals7 = [Local, Local, Local, Local, Local, Local, Local]

/** Zeros in lines that are not there. */
function padding({ lines, terms, to, width, local }: Panel, perWord: number): Code {
  const [line, at, left] = [local('i32'), local('i32'), local('i32')]
  const words = i32.divU(i32.add(terms.get, i32.const(perWord - 1)), i32.const(perWord))
  return count(line, { from: lines.get, to: width.get, step: one }, [
    at.set(i32.add(to.get, bytesOf(line.get))),
    left.set(words),
    repeat(
      [i32.store(at.get, zero), advance(at, bytesOf(width.get))],
      left.tee(i32.sub(left.get, one)),
    ),
  ])
}

/** Four neighbouring lines at once where memory allows, else one after the other. */
function floats(panel: Panel): Code {
  const { source, stepLine, stepK, lines, terms, to, width, local } = panel
  const [line, k, from, target] = [local('i32'), local('i32'), local('i32'), local('i32')]
  const begin = [
    from.set(i32.add(source.get, i32.mul(line.get, stepLine.get))),
    target.set(i32.add(to.get, bytesOf(line.get))),
  ]
  const forward = [advance(from, stepK.get), advance(target, bytesOf(width.get))]
  const eachTerm = (copy: Code) =>
    count(k, { from: zero, to: terms.get, step: one }, [copy, forward])
  const hasFour = i32.leU(i32.add(line.get, i32.const(4)), lines.get)
  const hasTwo = i32.leU(i32.add(line.get, i32.const(2)), lines.get)
  const byFour = (copy: Code) =>
    when(hasFour, repeat([begin, copy, advance(line, i32.const(4))], hasFour))
  return [
    line.set(zero),
    when(
      i32.eq(stepLine.get, i32.const(4)),
      [
        byFour(eachTerm(v128.store(target.get, v128.load(from.get)))),
        when(hasTwo, [
          begin,
          eachTerm(i64.store(target.get, i64.load(from.get))),
          advance(line, i32.const(2)),
        ]),
      ],
      when(
        i32.eq(stepK.get, i32.const(4)),
        byFour(turned(panel, { k, from, target }, { ...wholeWords, count: terms })),
      ),
    ),
    count(line, { from: line.get, to: lines.get, step: one }, [
      begin,
      eachTerm(i32.store(target.get, i32.load(from.get))),
    ]),
  ]
}

/** How words lie side by side in a line: how four of them are read, and one, and their bytes. */
type Words = {
  readonly four: (address: Code) => Code
  readonly one: (address: Local) => Code
  readonly bytes: number
  /** How many there are. */
  readonly count: Local
}

const wholeWords: Omit<Words, 'count'> = {
  four: v128.load,
  one: ({ get }) => i32.load(get),
  bytes: 4,
}

/** Two i8 that become two i16. */
const pairsOfBytes: Omit<Words, 'count'> = { four: v128.load8x8S, one: pairAt, bytes: 2 }

/** Four lines whose words lie side by side: four by four, turned in registers. */
function turned(
  panel: Panel,
  at: Readonly<Record<'k' | 'from' | 'target', Local>>,
  words: Words,
): Code {
  const { stepLine, width, local } = panel
  const { k, from, target } = at
  const rows = [local('v128'), local('v128'), local('v128'), local('v128')]
  const [source, lane] = [local('i32'), local('i32')]
  const turnedRows = turn(rows, [local('v128'), local('v128')])
  const hasFour = i32.leU(i32.add(k.get, i32.const(4)), words.count.get)
  return [
    k.set(zero),
    when(
      hasFour,
      repeat(
        [
          source.set(from.get),
          rows.map((row) => [row.set(words.four(source.get)), advance(source, stepLine.get)]),
          turnedRows.map((value) => [
            v128.store(target.get, value),
            advance(target, bytesOf(width.get)),
          ]),
          advance(from, i32.const(4 * words.bytes)),
          advance(k, i32.const(4)),
        ],
        hasFour,
      ),
    ),
    count(k, { from: k.get, to: words.count.get, step: one }, [
      source.set(from.get),
      count(lane, { from: zero, to: i32.const(16), step: i32.const(4) }, [
        i32.store(i32.add(target.get, lane.get), words.one(source)),
        advance(source, stepLine.get),
      ]),
      advance(from, i32.const(words.bytes)),
      advance(target, bytesOf(width.get)),
    ]),
  ]
}

/** Two or four i8 to a word: whole words of several lines at once where memory allows, then the rest. */
function integers(compilation: Compilation, kind: 'i16' | 'i8', panel: Panel): Code {
  const { source, stepLine, stepK, lines, terms, to, width, local } = panel
  const perWord = termsOf[kind]
  const [whole, ready, line, from] = [local('i32'), local('i32'), local('i32'), local('i32')]
  const [target, left, first] = [local('i32'), local('i32'), local('i32')]
  const slow = call(wordFunction(compilation, kind), from.get, stepK.get, left.get)
  const turnedWords = call(
    packing(compilation, 'f32'),
    ...[source, stepLine].map(({ get }) => get),
    i32.const(4),
    ...[lines, whole, to, width].map(({ get }) => get),
  )
  const turnedPairs = [
    ready.set(i32.and(lines.get, i32.const(-4))),
    count(line, { from: zero, to: ready.get, step: i32.const(4) }, [
      from.set(i32.add(source.get, i32.mul(line.get, stepLine.get))),
      target.set(i32.add(to.get, bytesOf(line.get))),
      turned(panel, { k: left, from, target }, { ...pairsOfBytes, count: whole }),
    ]),
  ]
  const interleaved = [
    ready.set(i32.and(lines.get, i32.const(-4))),
    count(line, { from: zero, to: ready.get, step: i32.const(4) }, [
      from.set(i32.add(source.get, line.get)),
      target.set(i32.add(to.get, bytesOf(line.get))),
      count(left, { from: zero, to: whole.get, step: one }, [
        v128.store(target.get, interleave(kind, from, stepK)),
        advance(from, i32.mul(stepK.get, i32.const(perWord))),
        advance(target, bytesOf(width.get)),
      ]),
    ]),
  ]
  return [
    whole.set(i32.divU(terms.get, i32.const(perWord))),
    when(
      i32.eq(stepLine.get, one),
      interleaved,
      when(
        i32.and(i32.eq(stepK.get, one), i32.ne(whole.get, zero)),
        kind === 'i8' ? [turnedWords, ready.set(lines.get)] : turnedPairs,
      ),
    ),
    count(line, { from: zero, to: lines.get, step: one }, [
      first.set(choose(i32.ltU(line.get, ready.get), whole.get, zero)),
      left.set(i32.sub(terms.get, i32.mul(first.get, i32.const(perWord)))),
      from.set(
        sum(
          source.get,
          i32.mul(line.get, stepLine.get),
          i32.mul(i32.mul(first.get, stepK.get), i32.const(perWord)),
        ),
      ),
      target.set(sum(to.get, bytesOf(line.get), bytesOf(i32.mul(first.get, width.get)))),
      when(
        left.get,
        repeat(
          [
            kind === 'i16'
              ? when(
                  i32.and(i32.eq(stepK.get, one), i32.geU(left.get, i32.const(2))),
                  i32.store(target.get, pairAt(from)),
                  i32.store(target.get, slow),
                )
              : i32.store(target.get, slow),
            advance(from, i32.mul(stepK.get, i32.const(perWord))),
            advance(target, bytesOf(width.get)),
            left.set(i32.sub(left.get, least(left.get, i32.const(perWord)))),
          ],
          left.get,
        ),
      ),
    ]),
  ]
}

/** Two neighbouring i8 as i16. */
function pairAt(from: Local): Code {
  return i32.or(
    i32.and(i32.load8s(from.get), i32.const(0xffff)),
    i32.shl(i32.load8s(from.get, 1), i32.const(16)),
  )
}

/** A word of each of four lines that lie side by side. */
function interleave(kind: 'i16' | 'i8', from: Local, stepK: Local): Code {
  const row = (index: number) =>
    v128.load32Zero(i32.add(from.get, i32.mul(stepK.get, i32.const(index))))
  const bytes = (a: Code, b: Code) =>
    v128.shuffle(a, b, [0, 16, 1, 17, 2, 18, 3, 19, 0, 0, 0, 0, 0, 0, 0, 0])
  const first = bytes(row(0), row(1))
  if (kind === 'i16') return i16x8.extendLowI8x16(first)
  const lanes = [0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23]
  return v128.shuffle(first, bytes(row(2), row(3)), lanes)
}

/** A function (from, stepK, left) that makes a word of up to as many terms as are left. */
function wordFunction({ module }: Compilation, kind: 'i16' | 'i8'): Function {
  const parameters = ['i32', 'i32', 'i32'] as const
  return module.once(`word ${kind}`, () =>
    module.define(
      { parameters, results: ['i32'] },
      ({ parameters: [from, stepK, left], local }) => {
        const word = local('i32')
        const bits = 32 / termsOf[kind]
        const low = (value: Code) => i32.and(value, i32.const(kind === 'i8' ? 0xff : 0xffff))
        const later = Array.from({ length: termsOf[kind] - 1 }, (_, index) => index + 1)
        return [
          word.set(low(i32.load8s(from!.get))),
          later.map((term) =>
            when(i32.gtU(left!.get, i32.const(term)), [
              advance(from!, stepK!.get),
              word.set(
                i32.or(word.get, i32.shl(low(i32.load8s(from!.get)), i32.const(bits * term))),
              ),
            ]),
          ),
          word.get,
        ]
      },
    ),
  )
}

/**
 * A function (source, stepLine, stepK, n, k, batchBytes, to, flagAt, begin, end) that packs panels of
 * the right operand, those of all batches in one row: [batch][block of k][panel]. It puts a 1 at
 * `flagAt` when the kind is `i8` and an integer is not from -64 to 63.
 */
export function panelsFunction(compilation: Compilation, kind: Kind): Function {
  const parameters = Array.from({ length: 10 }, () => 'i32' as const)
  return compilation.module.once(`panels ${kind}`, () =>
    compilation.module.define({ parameters }, (scope) => panelsBody(compilation, kind, scope)),
  )
}

function panelsBody(compilation: Compilation, kind: Kind, { parameters, local }: Scope): Code {
  const [source, stepLine, stepK, n, k, batchBytes, to, flagAt, begin, end] =
    parameters as readonly Local[] as [...Locals7, Local, Local, Local]
  const width = tileOf(compilation, kind).vectors * 4
  const terms = termsOf[kind]
  const [panel, panels, words, block, length] = [1, 2, 3, 4, 5].map(() => local('i32')) as Locals5
  const [from, column, batch, target] = [1, 2, 3, 4].map(() => local('i32')) as Locals5
  const blockTerms = i32.mul(block.get, i32.const(terms))
  return [
    panels.set(i32.divU(i32.add(n.get, i32.const(width - 1)), i32.const(width))),
    words.set(i32.divU(i32.add(k.get, i32.const(terms - 1)), i32.const(terms))),
    count(panel, { from: begin.get, to: end.get, step: one }, [
      batch.set(i32.divU(panel.get, panels.get)),
      column.set(i32.mul(i32.remU(panel.get, panels.get), i32.const(width))),
      from.set(
        sum(source.get, i32.mul(batch.get, batchBytes.get), i32.mul(column.get, stepLine.get)),
      ),
      count(block, { from: zero, to: words.get, step: i32.const(blockWords) }, [
        length.set(least(i32.sub(words.get, block.get), i32.const(blockWords))),
        target.set(
          i32.add(
            to.get,
            bytesOf(
              i32.add(
                i32.mul(
                  i32.add(i32.mul(batch.get, words.get), block.get),
                  i32.mul(panels.get, i32.const(width)),
                ),
                i32.mul(column.get, length.get),
              ),
            ),
          ),
        ),
        call(
          packing(compilation, kind),
          i32.add(from.get, i32.mul(blockTerms, stepK.get)),
          stepLine.get,
          stepK.get,
          least(i32.sub(n.get, column.get), i32.const(width)),
          least(i32.mul(length.get, i32.const(terms)), i32.sub(k.get, blockTerms)),
          target.get,
          i32.const(width),
        ),
        kind === 'i8'
          ? raise(target, i32.mul(length.get, i32.const(width * 4)), flagAt, local)
          : [],
      ]),
    ]),
  ]
}

type Locals5 = [Local, Local, Local, Local, Local]

/** Adds the offset to all bytes of a panel, and says whether one left the range. */
function raise(at: Local, bytes: Code, flagAt: Local, local: Scope['local']): Code {
  const [end, value, seen] = [local('i32'), local('v128'), local('v128')]
  return [
    end.set(i32.add(at.get, bytes)),
    seen.set(v128.splat(0)),
    repeat(
      [
        value.set(i8x16.add(v128.load(at.get), v128.splat(0x0101_0101 * offset))),
        v128.store(at.get, value.get),
        seen.set(v128.or(seen.get, value.get)),
        advance(at, i32.const(16)),
      ],
      i32.ltU(at.get, end.get),
    ),
    when(v128.anyTrue(v128.and(seen.get, v128.splat(outside))), i32.store(flagAt.get, one)),
  ]
}
