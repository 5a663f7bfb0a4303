import type { Fusion } from './arithmetic.ts'
import type { Assembler } from './assemble.ts'

/** What the functions of one module are written for. */
export type Compilation = {
  readonly module: Assembler
  readonly fusion: Fusion
  readonly kernels: Kernels
  readonly threads: number
  /** Ops of fewer elements are done by one thread. */
  readonly aloneBelow: number
  /** Sixteen words of ones, then sixteen of zeros. */
  readonly masksAt: number
}

/** Shapes and instructions of the micro-kernels: what is fast here; the bits do not depend on them. */
export type Kernels = {
  /** Rows of a tile, and vectors of four columns. */
  readonly tile: Tile
  readonly integerTile: Tile
  /**
   * How integers are multiplied: `quads` and `pairs` by a relaxed dot product of i8 and seven-bit
   * integers, in one instruction or in three that some processors do sooner; `i16` without.
   */
  readonly dot: 'quads' | 'pairs' | 'i16'
}

export type Tile = { readonly rows: number; readonly vectors: number }
