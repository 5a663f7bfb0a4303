/** Vectors of one 32-bit constant in variables of a function: V8 would put one anew wherever it is used. */
import type { Code, Local, Scope } from './assemble.ts'
import { v128 } from './instructions.ts'

export type Constants = {
  /** The vector with these bits in each lane. */
  readonly of: (bits: number) => Code
  /** Sets the variables of all that were asked for so far: stands before the first use. */
  readonly prepare: () => Code
}

export function startConstants(local: Scope['local']): Constants {
  const known = new Map<number, Local>()
  return {
    of(bits) {
      const variable = known.get(bits >>> 0) ?? local('v128')
      known.set(bits >>> 0, variable)
      return variable.get
    },
    prepare: () => [...known].map(([bits, variable]) => variable.set(v128.splat(bits))),
  }
}
