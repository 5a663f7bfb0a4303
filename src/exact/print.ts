import { type Graph, valueOf } from './Graph.ts'
import { floatOf, type Program } from './Program.ts'
import type { DType, Op, Shape } from './Tensor.ts'

/**
 * Writes a graph for people, one line a value: its number, type and shape, and what computes it from
 * which numbers. Programs of maps are written once each, below.
 *
 * @example
 * ```ts
 * console.log(print(graph))
 * // %2 = f32 [3, 4]  contract(%0, %1) with b transposed
 * ```
 */
export function print(graph: Graph): string {
  const { state, batch, ops, next, results } = graph
  const programs = new Map<string, string>()
  const nameOf = (program: Program) => {
    const text = printProgram(program)
    if (!programs.has(text)) programs.set(text, `program ${programs.size}`)
    return programs.get(text)!
  }
  const first = state.length + batch.length
  const lines = [
    `graph: ${state.length} state, ${batch.length} batch, ${ops.length} ops, ${results.length} results`,
    '',
    ...state.map((slot, at) => line(at, slot, `state ${quoted(slot.name)}, next %${next[at]}`)),
    ...batch.map((slot, at) => line(state.length + at, slot, `batch ${quoted(slot.name)}`)),
    ...ops.map((node, at) => {
      const read = node.inputs.map((index) => `%${index}`).join(', ')
      return line(first + at, node, `${node.op.kind}(${read})${details(node.op, nameOf)}`)
    }),
    '',
    ...results.map(
      ({ name, value }) => `result ${quoted(name)} = %${value}: ${told(valueOf(graph, value))}`,
    ),
  ]
  for (const [text, name] of programs) lines.push('', `${name}:`, text)
  return `${lines.join('\n').trimEnd()}\n`
}

/** Writes a program for people, one line an instruction; constants stand where they are read. */
export function printProgram({ inputs, constants, code, result }: Program): string {
  const register = (at: number) => {
    if (at < inputs) return `x${at}`
    const bits = constants[at - inputs]
    return bits === undefined ? `r${at - inputs - constants.length}` : constant(bits)
  }
  return [
    ...code.map(([op, ...read], at) => `  r${at} = ${op}(${read.map(register).join(', ')})`),
    `  return ${register(result)}`,
  ].join('\n')
}

function details(op: Op, nameOf: (program: Program) => string): string {
  switch (op.kind) {
    case 'map':
      return ` by ${nameOf(op.program)}`
    case 'contract':
    case 'contract-i8': {
      const turned = [op.transposeA && 'a', op.transposeB && 'b'].filter(Boolean)
      return turned.length > 0 ? ` with ${turned.join(' and ')} transposed` : ''
    }
    case 'reduce':
      return ` to ${op.of} along axis ${op.axis}`
    case 'transpose':
      return ` to axes [${op.permutation.join(', ')}]`
    case 'slice':
      return ` from [${op.starts.join(', ')}]`
    case 'concat':
    case 'place':
      return ` along axis ${op.axis}`
    case 'philox':
      return ` stream ${op.stream}`
    case 'state':
    case 'batch':
    case 'reshape':
    case 'broadcast':
    case 'gather':
    case 'scatter-add':
      return ''
  }
}

function line(number: number, value: { dtype: DType; shape: Shape }, what: string): string {
  return `%${number} = ${told(value)}  ${what}`
}

function told({ dtype, shape }: { dtype: DType; shape: Shape }): string {
  return `${dtype} [${shape.join(', ')}]`
}

/** Names come from strangers: whatever could drive a terminal is escaped. */
function quoted(name: string): string {
  return JSON.stringify(name).replace(
    /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  )
}

/** A number where the bits are plainly one, else the bits. */
function constant(bits: number): string {
  const value = floatOf(bits)
  const plain = bits === 0 || (Math.abs(value) >= 2 ** -30 && Math.abs(value) < 2 ** 30)
  return plain ? `${Number(value.toPrecision(9))}` : `0x${bits.toString(16).padStart(8, '0')}`
}
