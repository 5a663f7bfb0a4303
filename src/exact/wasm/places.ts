/** Where values and rooms stand in memory, and how threads share what is done to them. */
import { byteLength, type DType, type Shape } from '../Tensor.ts'
import type { Code } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { i32 } from './instructions.ts'
import type { Access, Stage } from './Stage.ts'

/** A value in memory. */
export type Placed = {
  readonly dtype: DType
  readonly shape: Shape
  readonly at: number
  /** The value whose memory it has, when panels of it are packed for good. */
  readonly constant?: number | undefined
  /** Whether its integers are known to be from -64 to 63. */
  readonly isNarrow?: boolean | undefined
}

/** Where things stand that belong to no value. */
export type Rooms = {
  /** Room of each thread for itself, and the bytes from one to the next. */
  readonly workAt: number
  readonly workBytes: number
  /** Room of this op while it runs. */
  readonly scratchAt: number
  /** A word that is zero before each step. */
  readonly flagAt: number
  /** Packed weights that do not change: where they stand, and the stages that pack them anew. */
  readonly constantPanels: (key: string, bytes: number) => ConstantPanels
}

export type ConstantPanels = {
  readonly at: number
  readonly flagAt: number
  readonly isNew: boolean
  readonly add: (...stages: readonly Stage[]) => void
}

/** A task's values in memory, and rooms. */
export type Given = {
  readonly inputs: readonly Placed[]
  readonly out: Placed
  readonly rooms: Rooms
}

/** Units for each thread: all of them for one, when it is little work. */
export function share(
  { threads, aloneBelow }: Compilation,
  { units, work, multiple = 1 }: { units: number; work: number; multiple?: number },
): number {
  if (threads === 1 || work < aloneBelow) return units
  return Math.ceil(units / threads / multiple) * multiple
}

/** Rows for each thread: a multiple of a tile's rows, so that rows stay with one thread from op to op. */
export function shareRows(compilation: Compilation, rows: number, work: number): number {
  const { rows: multiple } = compilation.kernels.tile
  return share(compilation, { units: rows, work, multiple })
}

export function access(kind: Access['kind'], value: Placed, ownBytes?: number): Access {
  return { kind, start: value.at, bytes: byteLength(value), ownBytes }
}

export function numbers(...values: readonly number[]): readonly Code[] {
  return values.map((value) => i32.const(value))
}

/** The address of a thread's own room. */
export function workOf({ workAt, workBytes }: Rooms, thread: Code): Code {
  return i32.add(i32.const(workAt), i32.mul(thread, i32.const(workBytes)))
}
