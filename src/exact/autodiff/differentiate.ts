import { BaseError } from '../../runtime/Errors.ts'
import { floatOf, type Operator, type Program, type Register, type Writer } from '../Program.ts'
import { limits } from '../Program.ts'
import * as Transcendentals from '../transcendentals.ts'
import * as Expression from './Expression.ts'

/**
 * The gradient of a map program with respect to one of its inputs, times the gradient that comes from
 * above: itself a map program, or two where one would read more than four inputs.
 *
 * It is found instruction by instruction. The bit tricks of the transcendental functions have no
 * derivative an instruction at a time, so those functions are recognised as wholes, wherever they
 * stand in a program, and their derivatives are given. `min` and `max` pass everything to their second
 * operand on a tie; comparisons and the mask of `select` have derivative zero.
 *
 * @returns undefined when the result does not depend on the input but by steps.
 * @throws {GradientError} when bits of the input are used as an integer: that has no derivative.
 */
export function differentiate(program: Program, input: number): Derivative | undefined {
  const found = known.get(program) ?? new Map<number, Derivative | undefined>()
  known.set(program, found)
  if (!found.has(input)) found.set(input, derive(program, input))
  return found.get(input)
}

const known = new WeakMap<Program, Map<number, Derivative | undefined>>()

function derive(program: Program, input: number): Derivative | undefined {
  const direct = tangentOf(program, input, 'seed')
  if (!direct) return undefined
  if (direct.reads.length <= limits.inputs) return { times: 'inside', ...write(direct) }
  return { times: 'outside', ...write(tangentOf(program, input, 'one')!) }
}

export type Derivative = {
  readonly program: Program
  /** Which inputs the program reads; the number after the last is the gradient from above. */
  readonly reads: readonly number[]
  /** Whether the gradient from above is multiplied inside the program or is still to be. */
  readonly times: 'inside' | 'outside'
}

function tangentOf(program: Program, input: number, start: 'seed' | 'one') {
  const expression = Expression.from(program)
  const { writer } = expression
  const first = start === 'seed' ? expression.inputs.at(-1)! : plain(writer.f32(1))
  const tangent = tangents(expression, input, first)
  const register = tangent(expression.result)
  if (register === undefined) return undefined
  return { expression, register, reads: expression.reads(register) }
}

function write({ expression, register, reads }: NonNullable<ReturnType<typeof tangentOf>>) {
  return { program: expression.programOf(register), reads }
}

/** The tangent of each register, as a register; undefined is zero. */
function tangents(expression: Expression.Expression, input: number, seed: number) {
  const wholes = recognise(expression)
  const found = new Map<number, number | undefined>()
  const w = expression.writer
  return function tangent(register: number): number | undefined {
    if (found.has(register)) return found.get(register)
    const node = expression.at(register)
    const result = () => {
      if (node.kind === 'input') return node.index === input ? seed : undefined
      if (node.kind === 'constant') return undefined
      const whole = wholes.get(register)
      if (whole) {
        const inner = tangent(whole.argument)
        if (inner === undefined) return undefined
        const slope = functions[whole.name][1](w, opaque(whole.argument), opaque(register))
        return plain(w.mul(opaque(inner), slope))
      }
      const values = node.args.map(opaque)
      if (steps.has(node.op)) return undefined
      // The mask of a select is looked through: it only chooses.
      const moved = node.args.map((arg, index) =>
        node.op === 'select' && index === 0 ? undefined : tangent(arg),
      )
      if (moved.every((each) => each === undefined)) return undefined
      const rule = rules[node.op] ?? magnitudeRule(expression, node)
      if (!rule) throw new GradientError(node.op)
      const inner = moved.map((each) => (each === undefined ? undefined : opaque(each)))
      return plain(rule(w, values, inner, opaque(register)))
    }
    const value = result()
    found.set(register, value)
    return value
  }
}

type Rule = (
  w: Writer,
  values: readonly Register[],
  tangents: readonly (Register | undefined)[],
  result: Register,
) => Register

const steps: ReadonlySet<Operator> = new Set(['lt', 'le', 'eq'])

const rules: Partial<Readonly<Record<Operator, Rule>>> = {
  add: (w, _, [a, b]) => (a && b ? w.add(a, b) : (a ?? b)!),
  sub: (w, _, [a, b]) => (a && b ? w.sub(a, b) : (a ?? negated(w, b!))),
  mul: (w, [a, b], [ta, tb]) => productRule(w, [a!, b!], [ta, tb])!,
  fma: (w, [a, b], [ta, tb, tc]) => productRule(w, [a!, b!], [ta, tb], tc)!,
  div: (w, [, b], [ta, tb], quotient) => {
    if (!tb) return w.div(ta!, b!)
    const over = negated(w, quotient)
    return w.div(ta ? w.fma(over, tb, ta) : w.mul(over, tb), b!)
  },
  sqrt: (w, _, [t], root) => w.div(w.mul(t!, w.f32(0.5)), root),
  min: (w, [a, b], [ta, tb]) => w.select(w.lt(a!, b!), ta ?? w.f32(0), tb ?? w.f32(0)),
  max: (w, [a, b], [ta, tb]) => w.select(w.lt(b!, a!), ta ?? w.f32(0), tb ?? w.f32(0)),
  select: (w, [mask], [, a, b]) => w.select(mask!, a ?? w.f32(0), b ?? w.f32(0)),
}

function productRule(
  w: Writer,
  [a, b]: readonly [Register, Register],
  [ta, tb]: readonly [Register | undefined, Register | undefined],
  rest?: Register,
): Register | undefined {
  const left = tb ? (rest ? w.fma(a, tb, rest) : w.mul(a, tb)) : rest
  if (!ta) return left
  return left ? w.fma(ta, b, left) : w.mul(ta, b)
}

/** Clearing the sign bit is the absolute value; no other bit operation has a derivative. */
function magnitudeRule(
  expression: Expression.Expression,
  node: Extract<Expression.Node, { kind: 'code' }>,
): Rule | undefined {
  const at = node.args.findIndex((arg) => {
    const operand = expression.at(arg)
    return operand.kind === 'constant' && operand.bits === 0x7fff_ffff
  })
  if (node.op !== 'and' || at < 0) return undefined
  return (w, values, moved) => w.xor(moved[1 - at]!, w.and(values[1 - at]!, w.bits(0x8000_0000)))
}

function negated(w: Writer, x: Register): Register {
  return w.mul(x, w.f32(-1))
}

type Whole = { readonly name: Name; readonly argument: number }
type Name = 'exp' | 'log' | 'sin' | 'cos' | 'tanh' | 'sigmoid' | 'silu' | 'gelu'

type Slope = (w: Writer, x: Register, y: Register) => Register

/** Each function with its slope, from the argument and the value. */
const functions: Readonly<
  Record<Name, readonly [(w: Writer, x: Register) => Register, slope: Slope]>
> = {
  exp: [Transcendentals.exp, (_, __, y) => y],
  log: [Transcendentals.log, (w, x) => w.div(w.f32(1), x)],
  sin: [Transcendentals.sin, (w, x) => Transcendentals.cos(w, x)],
  cos: [Transcendentals.cos, (w, x) => negated(w, Transcendentals.sin(w, x))],
  tanh: [Transcendentals.tanh, (w, _, y) => w.fma(negated(w, y), y, w.f32(1))],
  sigmoid: [Transcendentals.sigmoid, (w, _, y) => w.mul(y, w.sub(w.f32(1), y))],
  silu: [
    Transcendentals.silu,
    (w, x, y) => {
      const gate = Transcendentals.sigmoid(w, x)
      return w.fma(y, w.sub(w.f32(1), gate), gate)
    },
  ],
  gelu: [
    Transcendentals.gelu,
    (w, x, y) => {
      const square = w.mul(x, x)
      const [cubic, linear] = [w.bits(0x3d92_2279), w.bits(0x3fcc_422a)]
      const gate = Transcendentals.sigmoid(w, w.mul(x, w.fma(square, cubic, linear)))
      const slope = w.fma(square, w.f32(3 * floatOf(0x3d92_2279)), linear)
      return w.fma(w.mul(y, w.sub(w.f32(1), gate)), slope, gate)
    },
  ],
}

/** Where in a program the functions stand whose derivatives are known as wholes. */
function recognise(expression: Expression.Expression): ReadonlyMap<number, Whole> {
  const wholes = new Map<number, Whole>()
  const size = expression.size()
  for (const [name, [write]] of Object.entries(functions))
    for (let argument = 0; argument < size; argument++) {
      const found = plain(write(expression.finder, opaque(argument)))
      if (found >= 0) wholes.set(found, { name: name as Name, argument })
    }
  return wholes
}

function plain(register: Register): number {
  return register as unknown as number
}

function opaque(register: number): Register {
  return register as unknown as Register
}

/** Thrown when a gradient is asked for through what has none. */
export class GradientError extends BaseError {
  override readonly code = 'Exact.GradientError'

  constructor(op: string) {
    super(`${op} has no gradient: keep what it reads out of the loss, or use ops that have one.`)
  }
}
