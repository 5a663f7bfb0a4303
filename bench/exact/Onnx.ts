/** A model in the format of ONNX, as far as the bench writes it: `onnx.proto3` as bytes. */

export type Value = {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

export type DType = 'float' | 'int32' | 'int64' | 'bool'

export type Node = {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>> | undefined
}

/** A whole number, a list of them, a text, or an f32. */
export type Attribute = number | readonly number[] | string | { readonly float: number }

export type Constant = Value & { readonly bytes: Uint8Array }

export type Model = {
  readonly nodes: readonly Node[]
  readonly constants: readonly Constant[]
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
}

/** Numbers of `TensorProto.DataType`. */
const dtypes: Readonly<Record<DType, number>> = { float: 1, int32: 6, int64: 7, bool: 9 }

/** The version of the operators, and that of the file format. */
const [opset, irVersion] = [20, 9]

/** The bytes of a model. */
export function serialize({ nodes, constants, inputs, outputs }: Model): Uint8Array<ArrayBuffer> {
  const graph = message(
    nodes.map((node) => field(1, nodeBytes(node))),
    field(2, text('graph')),
    constants.map((constant) => field(5, constantBytes(constant))),
    inputs.map((value) => field(11, valueBytes(value))),
    outputs.map((value) => field(12, valueBytes(value))),
  )
  return message(number(1, irVersion), field(7, graph), field(8, message(number(2, opset))))
}

function nodeBytes({ op, inputs, outputs, attributes = {} }: Node): Uint8Array {
  return message(
    inputs.map((name) => field(1, text(name))),
    outputs.map((name) => field(2, text(name))),
    field(4, text(op)),
    Object.entries(attributes).map(([name, value]) => field(5, attributeBytes(name, value))),
  )
}

/** Numbers of `AttributeProto.AttributeType`: FLOAT 1, INT 2, STRING 3, INTS 7. */
function attributeBytes(name: string, value: Attribute): Uint8Array {
  const title = field(1, text(name))
  if (typeof value === 'number') return message(title, number(3, value), number(20, 2))
  if (typeof value === 'string') return message(title, field(4, text(value)), number(20, 3))
  if ('float' in value) {
    const bytes = new Uint8Array(Float32Array.of(value.float).buffer)
    return message(title, Uint8Array.of((2 << 3) | 5), bytes, number(20, 1))
  }
  return message(
    title,
    value.map((each) => number(8, each)),
    number(20, 7),
  )
}

function constantBytes({ name, dtype, shape, bytes }: Constant): Uint8Array {
  return message(
    shape.map((size) => number(1, size)),
    number(2, dtypes[dtype]),
    field(8, text(name)),
    field(9, bytes),
  )
}

function valueBytes({ name, dtype, shape }: Value): Uint8Array {
  const sizes = message(shape.map((size) => field(1, message(number(1, size)))))
  const tensor = message(number(1, dtypes[dtype]), field(2, sizes))
  return message(field(1, text(name)), field(2, message(field(1, tensor))))
}

type Part = Uint8Array | readonly Part[]

function message(...parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const all = (parts.flat(9) as Uint8Array[]).filter((part) => part.length > 0)
  const bytes = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of all) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** A field that is bytes, a text, or a message. */
function field(key: number, bytes: Uint8Array): Uint8Array {
  return message(varint(BigInt((key << 3) | 2)), varint(BigInt(bytes.length)), bytes)
}

/** A field that is a whole number. */
function number(key: number, value: number): Uint8Array {
  return message(varint(BigInt(key << 3)), varint(BigInt.asUintN(64, BigInt(value))))
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    const more = rest > 127n ? 128 : 0
    bytes.push(Number(rest & 127n) | more)
    rest >>= 7n
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}
