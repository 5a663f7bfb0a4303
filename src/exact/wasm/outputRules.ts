/** What ops store of an f32. */
import type { Code, Local } from './assemble.ts'
import type { Constants } from './constants.ts'
import { f32x4, i32x4, v128 } from './instructions.ts'

export type OutputRules = {
  /** The one NaN in place of any. */
  readonly canonical: (value: Local) => Code
  /** Zero with its sign in place of a subnormal. */
  readonly flushed: (value: Local) => Code
  /** Both. */
  readonly stored: (value: Local) => Code
}

export function outputRules(constants: Constants): OutputRules {
  const magnitude = () => constants.of(0x7fff_ffff)
  const canonical = (value: Local) =>
    v128.bitselect(value.get, constants.of(0x7fc0_0000), f32x4.eq(value.get, value.get))
  const flushed = (value: Local) => {
    const isSmall = i32x4.lt(v128.and(value.get, magnitude()), constants.of(0x0080_0000))
    return v128.andnot(value.get, v128.and(isSmall, magnitude()))
  }
  return { canonical, flushed, stored: (value) => [value.set(flushed(value)), canonical(value)] }
}
