import * as Elementwise from '../Elementwise.ts'
import { arity, type Operator, operators, type Program, type Register, write } from '../Program.ts'
import { map } from '../Tensor.ts'
import { type Case, edges, type Spec, source, stateless } from './Case.ts'

/** Map programs: every instruction on every edge, the transcendentals, random programs and shapes. */
export function* maps(): Generator<Case> {
  for (const op of operators) yield instruction(op)
  for (const [name, program] of Object.entries(functions)) yield wholeRange(name, program)
  for (const dtype of ['f32', 'u32', 'i8'] as const) yield narrowed(dtype)
  for (let index = 0; index < 60; index++) yield randomProgram(index)
}

const { exp, log, rsqrt, sigmoid, silu, gelu, tanh, sin, cos, sqrt, reluSquared } = Elementwise
const functions = { exp, log, rsqrt, sigmoid, silu, gelu, tanh, sin, cos, sqrt, reluSquared }

/** One instruction on all combinations of edges, its bits as they are and as an op stores them. */
function instruction(op: Operator): Case {
  const reads = arity[op]
  const shape = Array.from({ length: reads }, () => edges.length)
  const axes = shape.map((size, axis) => ({
    shape: shape.map((_, other) => (other === axis ? size : 1)),
    fill: Uint32Array.from(edges),
  }))
  const program = write(reads, (w, ...inputs) => w[op](...inputs))
  return stateless(`instruction ${op}`, axes, (...inputs) => bothWays(program, inputs))
}

/** A function from the least to the greatest pattern in equal steps, and at the edges' neighbours. */
function wholeRange(name: string, program: Program): Case {
  const steps = Array.from({ length: 4096 }, (_, index) => index * 0x10_0001)
  const near = edges.flatMap((edge) => [-2, -1, 0, 1, 2].map((distance) => edge + distance))
  const fill = Uint32Array.from([...steps, ...near])
  const specs = [
    { shape: [fill.length], fill },
    { shape: [fill.length], fill: 'wild' },
  ] as const
  return stateless(name, specs, (x, y) => ({
    ...bothWays(program, [x!]),
    wild: map(program, [y!]),
  }))
}

/** What is stored of a register: an f32, all bits, the low byte. */
function narrowed(dtype: 'f32' | 'u32' | 'i8'): Case {
  const program = write(1, (_, x) => x)
  return stateless(`map to ${dtype}`, [{ shape: [3, 67], fill: 'wild' }], (x) => ({
    y: map(program, [x!], { dtype }),
  }))
}

/** Instructions at random, on inputs that broadcast in all ways. */
function randomProgram(index: number): Case {
  const name = `random program ${index}`
  const next = source(name)
  const pick = <T>(list: readonly T[]): T => list[next() % list.length]!
  const inputs = index % 5
  const shape = pick([[1], [4], [7, 9], [3, 1, 5], [2, 3, 33], [130], [2, 2, 2, 5], [65, 4]])
  const program = write(inputs, (w, ...given) => {
    const registers: Register[] = [...given, w.f32(1.5), w.bits(pick(edges)), w.bits(next())]
    const length = 1 + (next() % 40)
    for (let i = 0; i < length; i++) {
      const op = pick(operators)
      registers.push(w[op](...Array.from({ length: arity[op] }, () => pick(registers.slice(-8)))))
    }
    return registers.at(-1)!
  })
  const specs = Array.from({ length: inputs }, (): Spec => {
    const kept = shape.map((size) => (next() % 3 === 0 ? 1 : size))
    return {
      shape: pick([shape, shape, kept, shape.slice(next() % shape.length), []]),
      fill: 'wild',
    }
  })
  return stateless(name, specs, (...tensors) => ({
    stored: map(program, tensors, { shape }),
    bits: map(program, tensors, { shape, dtype: 'u32' }),
  }))
}

function bothWays(program: Program, inputs: Parameters<typeof map>[1]) {
  return { stored: map(program, inputs), bits: map(program, inputs, { dtype: 'u32' }) }
}
