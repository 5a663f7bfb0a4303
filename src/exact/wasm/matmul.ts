/** Matrix products: blocks of k, blocks of rows, panels of columns, tiles of both. */
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import {
  advance,
  bytesOf,
  call,
  count,
  i32,
  least,
  repeat,
  sum,
  when,
  zero,
} from './instructions.ts'
import { type KernelSpec, microKernel, type Steps } from './kernels.ts'
import { packing } from './packing.ts'
import { rowSums } from './rowSums.ts'
import { blockRows, blockWords, type Kind, terms, tileOf, wordsOf } from './panels.ts'

export type ProductSpec = {
  readonly kind: Kind
  /** Rows, columns and terms of each of so many products. */
  readonly m: number
  readonly n: number
  readonly k: number
  readonly batches: number
  /** Where the left operand lies, and whether it is packed on the way. */
  readonly left: Operand & { readonly isPacked: boolean }
  /** The right operand: packed, or where it lies. */
  readonly right: { readonly batch: number; readonly steps: Steps | undefined }
  /** Words from the scales of one product to those of the next. */
  readonly scales: { readonly left: number; readonly right: number }
}

/** Bytes from line to line, from term to term, and from product to product. */
export type Operand = {
  readonly stepLine: number
  readonly stepK: number
  readonly batch: number
}

/** Bytes a thread needs: a tile for the edges, what is known of rows, and a block of the left operand. */
export function workBytes(compilation: Compilation, kind: Kind): number {
  const { rows, vectors } = tileOf(compilation, kind)
  return room.packed + (blockRows + rows) * blockWords * 4 + vectors * 16
}

/** In a thread's room: the tile, for each row its sum, for each few rows whether they are tight, the block. */
const room = {
  tile: 0,
  sums: 4096,
  tight: 4096 + (blockRows + 8) * 4,
  packed: 4096 + 2 * (blockRows + 8) * 4,
} as const

/**
 * A function (a, b, c, scaleA, scaleB, work, begin, end, from, to): of the rows `begin` to `end` of all
 * products the columns of panels `from` to `to`.
 */
export function productFunction(compilation: Compilation, spec: ProductSpec): Function {
  const parameters = Array.from({ length: 10 }, () => 'i32' as const)
  return compilation.module.once(`product ${JSON.stringify(spec)}`, () =>
    compilation.module.define({ parameters }, (scope) => productBody(compilation, spec, scope)),
  )
}

/** What the parts of a product share. */
type At = Readonly<Record<Named, Local>> & {
  readonly compilation: Compilation
  readonly spec: ProductSpec
  readonly local: Scope['local']
}

/** Operands and result of one product; then the panels, rows and words of k that it is at. */
type Named =
  | ('a' | 'b' | 'c' | 'scaleA' | 'scaleB' | 'work')
  | ('fromPanel' | 'toPanel' | 'from' | 'until' | 'block' | 'length' | 'isFirst' | 'isLast')

function productBody(compilation: Compilation, spec: ProductSpec, scope: Scope): Code {
  const { parameters, local } = scope
  const [a, b, c, scaleA, scaleB, work, begin, end, fromPanel, toPanel] =
    parameters as readonly Local[] as Locals10
  const { kind, m, n, k, left, right, scales } = spec
  const [row, batch, first, last, from, until, block, length, isFirst, isLast] = Array.from(
    { length: 10 },
    () => local('i32'),
  ) as Locals10
  const own = [a, b, c, scaleA, scaleB].map(() => local('i32')) as [
    Local,
    Local,
    Local,
    Local,
    Local,
  ]
  const steps = [left.batch, right.batch, m * n * 4, scales.left * 4, scales.right * 4]
  const at: At = {
    compilation,
    spec,
    local,
    work,
    fromPanel,
    toPanel,
    from,
    until,
    block,
    length,
    isFirst,
    isLast,
    a: own[0],
    b: own[1],
    c: own[2],
    scaleA: own[3],
    scaleB: own[4],
  }
  const words = wordsOf(kind, k)
  const rowsAtOnce = i32.const(blockRows - (blockRows % tileOf(compilation, kind).rows))
  const one = count(block, { from: zero, to: i32.const(words), step: i32.const(blockWords) }, [
    length.set(least(i32.sub(i32.const(words), block.get), i32.const(blockWords))),
    isFirst.set(i32.eqz(block.get)),
    isLast.set(i32.eq(i32.add(block.get, length.get), i32.const(words))),
    count(from, { from: first.get, to: last.get, step: rowsAtOnce }, [
      until.set(least(last.get, i32.add(from.get, rowsAtOnce))),
      prepareLeft(at),
      multiply(at),
    ]),
  ])
  return count(row, { from: begin.get, to: end.get, step: i32.sub(last.get, first.get) }, [
    batch.set(i32.divU(row.get, i32.const(m))),
    first.set(i32.remU(row.get, i32.const(m))),
    last.set(least(i32.const(m), i32.add(first.get, i32.sub(end.get, row.get)))),
    [a, b, c, scaleA, scaleB].map((start, index) =>
      own[index]!.set(i32.add(start.get, i32.mul(batch.get, i32.const(steps[index]!)))),
    ),
    one,
  ])
}

type Locals10 = [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local]

/** Where the left operand's row `i` begins, at the block of k. */
function rowAt({ a, block, spec: { kind, left } }: At, i: Code): Code {
  return sum(
    a.get,
    i32.mul(i, i32.const(left.stepLine)),
    i32.mul(block.get, i32.const(terms[kind] * left.stepK)),
  )
}

/** Where what is packed of rows from `i` on begins. */
function packedAt({ work, from, length }: At, i: Code): Code {
  const words = i32.mul(i32.sub(i, from.get), length.get)
  return sum(work.get, i32.const(room.packed), bytesOf(words))
}

function knownAt({ work, from }: At, what: 'sums' | 'tight', i: Code): Code {
  return sum(work.get, i32.const(room[what]), bytesOf(i32.sub(i, from.get)))
}

/** Packs a block of rows where they are not read as they lie, and sums those of `i8`. */
function prepareLeft(at: At): Code {
  const { compilation, spec, from, until, block, length, local } = at
  const { kind, k, left } = spec
  const { rows } = tileOf(compilation, kind)
  const [i, height] = [local('i32'), local('i32')]
  const termsLeft = least(
    i32.mul(length.get, i32.const(terms[kind])),
    i32.sub(i32.const(k), i32.mul(block.get, i32.const(terms[kind]))),
  )
  const pack = call(
    packing(compilation, kind),
    rowAt(at, i.get),
    i32.const(left.stepLine),
    i32.const(left.stepK),
    height.get,
    termsLeft,
    packedAt(at, i.get),
    height.get,
  )
  const sums = () =>
    call(
      rowSums(compilation, left.isPacked ? 'panel' : 'rows'),
      left.isPacked ? packedAt(at, i.get) : rowAt(at, i.get),
      i32.const(left.stepLine),
      height.get,
      length.get,
      knownAt(at, 'sums', i.get),
      knownAt(at, 'tight', i.get),
    )
  if (!left.isPacked && kind !== 'i8') return []
  return count(i, { from: from.get, to: until.get, step: i32.const(rows) }, [
    height.set(least(i32.sub(until.get, i.get), i32.const(rows))),
    left.isPacked ? pack : [],
    kind === 'i8' ? sums() : [],
  ])
}

/** Whole tiles of a block of rows panel by panel, then the rows that are left. */
function multiply(at: At): Code {
  const { compilation, spec, from, until, local } = at
  const { rows } = tileOf(compilation, spec.kind)
  const [full, left] = [local('i32'), local('i32')]
  return [
    left.set(i32.remU(i32.sub(until.get, from.get), i32.const(rows))),
    full.set(i32.sub(until.get, left.get)),
    sweep(at, { rows, begin: from, end: full }),
    Array.from({ length: rows - 1 }, (_, index) => index + 1).map((height) =>
      when(
        i32.eq(left.get, i32.const(height)),
        sweep(at, { rows: height, begin: full, end: until }),
      ),
    ),
  ]
}

/** How many panels rows are multiplied with at once: few rows want more sums that do not wait for each other. */
function panelsAtOnce(compilation: Compilation, kind: Kind, rows: number): number {
  return Math.min(4, Math.floor(tileOf(compilation, kind).rows / rows))
}

type Sweep = { readonly rows: number; readonly begin: Local; readonly end: Local }

/** Tiles of so many rows each, from `begin` to `end`, with all panels. */
function sweep(at: At, { rows, begin, end }: Sweep): Code {
  const { compilation, spec, fromPanel, toPanel, local } = at
  const { kind, n } = spec
  const width = tileOf(compilation, kind).vectors * 4
  const whole = Math.floor(n / width)
  const [panel, i, lastWhole] = [local('i32'), local('i32'), local('i32')]
  const atOnce = panelsAtOnce(compilation, kind, rows)
  const group = (panels: number, body: Code): Code => {
    const fits = i32.leU(i32.add(panel.get, i32.const(panels)), lastWhole.get)
    return when(fits, repeat([body, advance(panel, i32.const(panels))], fits))
  }
  const tiles = (panels: number): Code =>
    count(
      i,
      { from: begin.get, to: end.get, step: i32.const(rows) },
      inPlace(at, { rows, panels, panel, i }),
    )
  return when(i32.ltU(begin.get, end.get), [
    panel.set(fromPanel.get),
    lastWhole.set(least(toPanel.get, i32.const(whole))),
    atOnce > 1 ? group(atOnce, tiles(atOnce)) : [],
    group(1, tiles(1)),
    n % width === 0
      ? []
      : when(
          i32.ltU(panel.get, toPanel.get),
          count(
            i,
            { from: begin.get, to: end.get, step: i32.const(rows) },
            atEdge(at, { rows, panel, i }),
          ),
        ),
  ])
}

type Place = { readonly rows: number; readonly panel: Local; readonly i: Local }

/** Where the element in row `i` and the first column of a panel stands. */
function targetAt({ c, spec, compilation }: At, { panel, i }: Place): Code {
  const width = tileOf(compilation, spec.kind).vectors * 4
  const columns = i32.mul(panel.get, i32.const(width))
  return i32.add(c.get, bytesOf(i32.add(i32.mul(i.get, i32.const(spec.n)), columns)))
}

function inPlace(at: At, place: Place & { readonly panels: number }): Code {
  return kernel(at, place, { target: targetAt(at, place), rowBytes: at.spec.n * 4 })
}

/** By way of a tile of the thread's own, since columns are missing. */
function atEdge(at: At, place: Place): Code {
  const { compilation, spec, work, isFirst, local } = at
  const width = tileOf(compilation, spec.kind).vectors * 4
  const columns = spec.n % width
  const [row, here, there] = [local('i32'), local('i32'), local('i32')]
  const target = targetAt(at, place)
  const copy = (isBack: boolean) => [
    here.set(work.get),
    there.set(target),
    count(row, { from: zero, to: i32.const(place.rows), step: i32.const(1) }, [
      Array.from({ length: columns }, (_, column) =>
        isBack
          ? i32.store(there.get, i32.load(here.get, column * 4), column * 4)
          : i32.store(here.get, i32.load(there.get, column * 4), column * 4),
      ),
      advance(here, i32.const(width * 4)),
      advance(there, i32.const(spec.n * 4)),
    ]),
  ]
  return [
    when(i32.eqz(isFirst.get), copy(false)),
    kernel(at, { ...place, panels: 1 }, { target: work.get, rowBytes: width * 4 }),
    copy(true),
  ]
}

function kernel(
  at: At,
  { rows, panels, panel, i }: Place & { readonly panels: number },
  { target, rowBytes }: { readonly target: Code; readonly rowBytes: number },
): Code {
  const { compilation, spec, b, block, length, isFirst, isLast, scaleA, scaleB } = at
  const { kind, n, left, right } = spec
  const width = tileOf(compilation, kind).vectors * 4
  const panelBytes = i32.mul(length.get, i32.const(width * 4))
  const allPanels = Math.ceil(n / width) * width * 4
  const kernelSpec: KernelSpec = {
    kind,
    rows,
    panels,
    right: right.steps,
    left: left.isPacked ? undefined : { stepLine: left.stepLine, stepK: left.stepK },
  }
  return call(
    microKernel(compilation, kernelSpec),
    length.get,
    left.isPacked ? packedAt(at, i.get) : rowAt(at, i.get),
    right.steps
      ? sum(
          b.get,
          i32.mul(block.get, i32.const(right.steps.stepK)),
          i32.mul(panel.get, i32.const(width * right.steps.stepLine)),
        )
      : sum(b.get, i32.mul(block.get, i32.const(allPanels)), i32.mul(panel.get, panelBytes)),
    panelBytes,
    target,
    i32.const(rowBytes),
    isFirst.get,
    isLast.get,
    knownAt(at, 'sums', i.get),
    knownAt(at, 'tight', i.get),
    i32.add(scaleA.get, bytesOf(i.get)),
    i32.add(scaleB.get, i32.mul(panel.get, i32.const(width * 4))),
  )
}
