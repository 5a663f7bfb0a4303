import { arity, type Operator, operators, type Program, type Register } from '../Program.ts'
import { bitsOf, write, type Writer } from '../Program.ts'

/**
 * A map program taken apart into expressions, so that others can be written beside it: equal ones are
 * one, and only what a result needs is written out again.
 */
export type Expression = {
  /** Writes expressions; registers are numbers of this expression alone. */
  readonly writer: Writer
  /** As `writer`, but finds only what is there already: -1 for whatever is not. */
  readonly finder: Writer
  /** The registers of the program's inputs, and of one more after them. */
  readonly inputs: readonly number[]
  readonly result: number
  /** What stands at a register. */
  at(register: number): Node
  /** How many registers there are. */
  size(): number
  /** The inputs that a register needs, ascending. */
  reads(register: number): readonly number[]
  /** The program that computes a register, of the inputs that it needs, in ascending order. */
  programOf(register: number): Program
}

export type Node =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'constant'; readonly bits: number }
  | { readonly kind: 'code'; readonly op: Operator; readonly args: readonly number[] }

/** Takes a program apart. */
export function from(program: Program): Expression {
  const nodes: Node[] = []
  const known = new Map<string, number>()
  const intern = (node: Node) => {
    const key = keyOf(node)
    const found = known.get(key) ?? nodes.push(node) - 1
    known.set(key, found)
    return found
  }
  const inputs = Array.from({ length: program.inputs + 1 }, (_, index) =>
    intern({ kind: 'input', index }),
  )
  const registers = inputs.slice(0, program.inputs)
  for (const bits of program.constants) registers.push(intern({ kind: 'constant', bits }))
  for (const [op, ...args] of program.code)
    registers.push(intern({ kind: 'code', op, args: args.map((arg) => registers[arg]!) }))

  const reads = (register: number) => {
    const found = new Set<number>()
    for (const at of needed(nodes, register)) {
      const node = nodes[at]!
      if (node.kind === 'input') found.add(node.index)
    }
    return [...found].toSorted((a, b) => a - b)
  }
  return {
    writer: writerOf(intern),
    finder: writerOf((node) => known.get(keyOf(node)) ?? -1),
    inputs,
    result: registers[program.result]!,
    at: (register) => nodes[register]!,
    size: () => nodes.length,
    reads,
    programOf(register) {
      const used = reads(register)
      return write(used.length, (w, ...parameters) => {
        const written = new Map<number, Register>()
        for (const at of needed(nodes, register)) {
          const node = nodes[at]!
          if (node.kind === 'input') written.set(at, parameters[used.indexOf(node.index)]!)
          else if (node.kind === 'constant') written.set(at, w.bits(node.bits))
          else written.set(at, w[node.op](...node.args.map((arg) => written.get(arg)!)))
        }
        return written.get(register)!
      })
    },
  }
}

/** Everything a register is computed from and itself, what is read before what reads it. */
function needed(nodes: readonly Node[], register: number): readonly number[] {
  const found = new Set([register])
  // A set gives its elements in the order they came, also those added while it is read.
  for (const at of found) {
    const node = nodes[at]!
    if (node.kind === 'code') for (const arg of node.args) found.add(arg)
  }
  return [...found].toSorted((a, b) => a - b)
}

function keyOf(node: Node): string {
  if (node.kind === 'input') return `input ${node.index}`
  return node.kind === 'constant' ? `#${node.bits}` : `${node.op} ${node.args.join(' ')}`
}

function writerOf(enter: (node: Node) => number): Writer {
  const bits = (pattern: number) => enter({ kind: 'constant', bits: pattern >>> 0 })
  const instructions = operators.map((op) => [
    op,
    (...args: readonly number[]) => enter({ kind: 'code', op, args: args.slice(0, arity[op]) }),
  ])
  const writer = { ...Object.fromEntries(instructions), bits, f32: (x: number) => bits(bitsOf(x)) }
  return writer as unknown as Writer
}
