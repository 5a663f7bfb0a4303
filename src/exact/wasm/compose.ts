import type { Fused, Step } from './Task.ts'

/** A program whose result stands in the place of an input of another. */
export type Part = {
  readonly program: Fused
  /** The values it reads, by any numbers that mean the same in all parts. */
  readonly reads: readonly number[]
  /** Whether its result follows the rules for what an f32 op stores. */
  readonly isFloat: boolean
}

/** A program, and the values that it reads. */
export type Composed = { readonly program: Fused; readonly reads: readonly number[] }

/**
 * Puts programs in the place of some inputs of another, the rules for what an op stores between them.
 * Equal values, constants and instructions stand once.
 *
 * @param sources for each input of the program a value, or the part that gives it.
 */
export function compose(program: Fused, sources: readonly (number | Part)[]): Composed {
  const reads: number[] = []
  const constants: number[] = []
  const code: (readonly [Step[0], ...Symbolic[]])[] = []
  const known = new Map<string, Symbolic>()
  const once = (key: string, create: () => Symbolic): Symbolic => {
    const found = known.get(key) ?? create()
    known.set(key, found)
    return found
  }
  const input = (value: number) =>
    once(`input ${value}`, () => ({ kind: 'input', index: reads.push(value) - 1 }))
  const constant = (bits: number) =>
    once(`constant ${bits}`, () => ({ kind: 'constant', index: constants.push(bits) - 1 }))
  const step = (op: Step[0], args: readonly Symbolic[]) =>
    once(`${op} ${args.map(({ kind, index }) => `${kind} ${index}`).join()}`, () => ({
      kind: 'code',
      index: code.push([op, ...args]) - 1,
    }))
  const write = (part: Fused, inputs: readonly Symbolic[]) => {
    const registers = [...inputs, ...part.constants.map(constant)]
    for (const [op, ...args] of part.code)
      registers.push(
        step(
          op,
          args.map((at) => registers[at]!),
        ),
      )
    return registers[part.result]!
  }
  const given = (part: Part) => {
    const result = write(part.program, part.reads.map(input))
    const bits = result.kind === 'constant' ? constants[result.index]! : undefined
    const isStored = bits !== undefined ? isUnchanged(bits) : code[result.index]?.[0] === 'output'
    return !part.isFloat || (isStored && result.kind !== 'input')
      ? result
      : step('output', [result])
  }
  const result = write(
    program,
    sources.map((source) => (typeof source === 'number' ? input(source) : given(source))),
  )
  const place = ({ kind, index }: Symbolic) =>
    index + (kind === 'input' ? 0 : reads.length + (kind === 'constant' ? 0 : constants.length))
  const placed = code.map(([op, ...args]) => [op, ...args.map(place)] as unknown as Step)
  return {
    program: { inputs: reads.length, constants, code: placed, result: place(result) },
    reads,
  }
}

type Symbolic = { readonly kind: 'input' | 'constant' | 'code'; readonly index: number }

/** Whether the rules for an output leave these bits as they are. */
function isUnchanged(bits: number): boolean {
  const magnitude = bits & 0x7fff_ffff
  return magnitude === 0 || (magnitude >= 0x0080_0000 && magnitude <= 0x7f80_0000)
}
