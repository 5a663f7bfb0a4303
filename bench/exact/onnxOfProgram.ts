import * as Expression from '../../src/exact/autodiff/Expression.ts'
import { floatOf, type Operator, type Program, type Register } from '../../src/exact/Program.ts'
import type { DType, Shape } from '../../src/exact/Tensor.ts'
import * as Transcendentals from '../../src/exact/transcendentals.ts'
import type * as Onnx from './Onnx.ts'

/** Gathers the nodes and constants of a model; equal ones are one. All give the name of the value. */
export type Emitter = {
  readonly emit: (
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Onnx.Attribute>>,
  ) => string
  readonly float: (value: number) => string
  readonly word: (value: number) => string
  /** A list, as shapes and axes are given. */
  readonly integers: (values: readonly number[]) => string
  readonly tensor: (type: { dtype: DType; shape: Shape }, bytes: Uint8Array) => string
}

type Kind = 'float' | 'int' | 'mask'

/**
 * Writes a program as elementwise operators. What ONNX has an operator for (exp, log, sigmoid, abs)
 * is found by its sequence of instructions and becomes that operator.
 */
export function writeProgram(
  { emit, float, word }: Emitter,
  program: Program,
  { names, dtypes, dtype }: writeProgram.Options,
): string {
  const expression = Expression.from(program)
  const functions = functionsOf(expression)
  const written = new Map<string, string>()

  const write = (register: number, kind: Kind): string => {
    const key = `${register} ${kind}`
    const known = written.get(key) ?? compute(register, kind)
    written.set(key, known)
    return known
  }
  const compute = (register: number, kind: Kind): string => {
    const node = expression.at(register)
    if (node.kind === 'constant')
      return kind === 'float' ? float(floatOf(node.bits)) : word(node.bits)
    if (node.kind === 'input') {
      const isFloat = dtypes[node.index] === 'f32'
      if (isFloat !== (kind === 'float')) throw new Error('The bench cannot write bits of a float.')
      return names[node.index]!
    }
    const found = functions.get(register)
    if (found) return found.write(emit, (of) => write(of, 'float'))
    return kind === 'mask' ? mask(node) : kind === 'int' ? integer(node) : number(node)
  }

  type Code = Extract<Expression.Node, { kind: 'code' }>
  type Args = Code['args']
  const number = ({ op, args }: Code): string => {
    const written = numbers[op]?.(args)
    if (written !== undefined) return written
    throw new Error(`The bench has no ONNX operator for the instruction ${op}.`)
  }
  const float32 = (register: number) => write(register, 'float')
  const plain = (name: string) => (args: Args) => emit(name, args.map(float32))
  const numbers: Partial<Readonly<Record<Operator, (args: Args) => string>>> = {
    add: plain('Add'),
    sub: plain('Sub'),
    div: plain('Div'),
    min: plain('Min'),
    max: plain('Max'),
    sqrt: plain('Sqrt'),
    float: ([x]) => emit('Cast', [write(x!, 'int')], { to: 1 }),
    mul([a, b]) {
      if (isMinusOne(expression, a!)) return emit('Neg', [float32(b!)])
      if (isMinusOne(expression, b!)) return emit('Neg', [float32(a!)])
      return emit('Mul', [float32(a!), float32(b!)])
    },
    fma([a, b, c]) {
      const product = emit('Mul', [float32(a!), float32(b!)])
      const less = negated(expression, c!)
      return less === undefined
        ? emit('Add', [product, float32(c!)])
        : emit('Sub', [product, float32(less)])
    },
    select([condition, a, b]) {
      const differing = unequal(expression, condition!)
      if (!differing) return emit('Where', [write(condition!, 'mask'), float32(a!), float32(b!)])
      const words = differing.map((at) => write(at, 'int'))
      return emit('Where', [emit('Equal', words), float32(b!), float32(a!)])
    },
    and([a, b]) {
      if (isConstant(expression, b!, 0x7fff_ffff)) return emit('Abs', [float32(a!)])
      return emit('Where', [write(a!, 'mask'), float32(b!), float(0)])
    },
  }
  const integer = ({ op, args }: Code): string => {
    if (op !== 'iadd' && op !== 'isub') throw new Error(`${op} is not written for integers.`)
    return emit(
      op === 'iadd' ? 'Add' : 'Sub',
      args.map((at) => write(at, 'int')),
    )
  }
  const mask = ({ op, args }: Code): string => {
    const name = { lt: 'Less', le: 'LessOrEqual', eq: 'Equal' }[op as 'lt' | 'le' | 'eq']
    if (!name) throw new Error(`${op} is not a comparison.`)
    return emit(
      name,
      args.map((at) => write(at, 'float')),
    )
  }
  return write(expression.result, dtype === 'f32' ? 'float' : 'int')
}

export declare namespace writeProgram {
  type Options = {
    names: readonly string[]
    dtypes: readonly DType[]
    dtype: DType
  }
}

type Found = {
  readonly write: (emit: Emitter['emit'], argument: (register: number) => string) => string
}

/** The registers at which a function ends that ONNX has. The widest come last, so that they win. */
function functionsOf(expression: Expression.Expression): ReadonlyMap<number, Found> {
  const { finder } = expression
  const found = new Map<number, Found>()
  const end = expression.size()
  const seek = (
    part: (w: typeof finder, x: Register) => Register,
    write: (emit: Emitter['emit'], x: string) => string,
  ) => {
    for (let x = 0; x < end; x++) {
      const at = part(finder, x as unknown as Register) as unknown as number
      if (at >= 0) found.set(at, { write: (emit, argument) => write(emit, argument(x)) })
    }
  }
  seek(Transcendentals.exp, (emit, x) => emit('Exp', [x]))
  seek(Transcendentals.log, (emit, x) => emit('Log', [x]))
  seek(Transcendentals.sigmoid, (emit, x) => emit('Sigmoid', [x]))
  seek(Transcendentals.silu, (emit, x) => emit('Mul', [x, emit('Sigmoid', [x])]))
  return found
}

/** The two words of which a mask says whether they differ: the last step of `Elementwise.equalWords`. */
function unequal(
  expression: Expression.Expression,
  register: number,
): readonly [number, number] | undefined {
  const shift = expression.at(register)
  if (shift.kind !== 'code' || shift.op !== 'shrs') return undefined
  const either = expression.at(shift.args[0]!)
  if (either.kind !== 'code' || either.op !== 'or') return undefined
  const difference = expression.at(either.args[0]!)
  if (difference.kind !== 'code' || difference.op !== 'xor') return undefined
  return [difference.args[0]!, difference.args[1]!]
}

/** What a register is the negative of. */
function negated(expression: Expression.Expression, register: number): number | undefined {
  const node = expression.at(register)
  if (node.kind !== 'code' || node.op !== 'mul') return undefined
  return isMinusOne(expression, node.args[1]!) ? node.args[0] : undefined
}

function isMinusOne(expression: Expression.Expression, register: number): boolean {
  return isConstant(expression, register, 0xbf80_0000)
}

function isConstant(expression: Expression.Expression, register: number, bits: number): boolean {
  const node = expression.at(register)
  return node.kind === 'constant' && node.bits === bits
}
