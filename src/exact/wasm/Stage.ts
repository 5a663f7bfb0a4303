import type { Node } from '../Graph.ts'
import type { Code } from './assemble.ts'

/** A part of a step that threads do side by side, each its own units, without hearing of each other. */
export type Stage = {
  /** The kind of op it is of, or `pack` and `copy`: what products and the next state need beside that. */
  readonly what: Node['op']['kind'] | 'pack' | 'copy'
  /** The op of the graph whose value it gives; undefined for copies at the end. */
  readonly op?: number | undefined
  readonly units: number
  /** Units of each thread; all of them when one thread does it alone. */
  readonly perThread: number
  /** Code that does the units from `begin` up to `end`, by the thread of this number. */
  readonly run: (begin: Code, end: Code, thread: Code) => Code
  readonly accesses: readonly Access[]
}

/** Memory that a stage reads or writes. */
export type Access = {
  readonly start: number
  readonly bytes: number
  readonly kind: 'read' | 'write'
  /**
   * Bytes that belong to one thread, when each touches only its own: from `start` on the first so many
   * are those of thread 0. Without it any thread may touch any byte.
   */
  readonly ownBytes?: number | undefined
}

/**
 * Whether one of two stages has to wait for the other. Where both touch the same memory, one of them
 * writing, they may still run on when every thread stays with its own part of it.
 */
export function mustWait(a: readonly Access[], b: readonly Access[]): boolean {
  return a.some((one) => b.some((other) => conflicts(one, other)))
}

function conflicts(a: Access, b: Access): boolean {
  if (a.kind === 'read' && b.kind === 'read') return false
  if (a.start + a.bytes <= b.start || b.start + b.bytes <= a.start) return false
  return !(a.ownBytes !== undefined && a.ownBytes === b.ownBytes && a.start === b.start)
}
