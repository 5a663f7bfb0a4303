import { fma32 } from '../fma32.ts'
import { strides, type Value } from './Value.ts'

/** Each element is one chain of fused multiply-adds, k ascending, from +0. */
export function contract({ transposeA, transposeB }: Transposes, inputs: readonly Value[]) {
  const [a, b] = inputs as [Value, Value]
  const at = operands(a, b, { transposeA, transposeB })
  return (out: Value) =>
    forEachElement(out, (batch, m, n, index) => {
      let sum = 0
      for (let k = 0; k < at.k; k++)
        sum = fma32(a.f32[at.a(batch, m, k)]!, b.f32[at.b(batch, k, n)]!, sum)
      out.f32[index] = sum
    })
}

/** Each element is an exact sum of products of integers, rounded to f32, times the scales. */
export function contractI8({ transposeA, transposeB }: Transposes, inputs: readonly Value[]) {
  const [a, b, scaleA, scaleB] = inputs as [Value, Value, Value, Value]
  const at = operands(a, b, { transposeA, transposeB })
  return (out: Value) =>
    forEachElement(out, (batch, m, n, index) => {
      let sum = 0
      for (let k = 0; k < at.k; k++) sum += a.i8[at.a(batch, m, k)]! * b.i8[at.b(batch, k, n)]!
      const [rows, columns] = [out.shape.at(-2)!, out.shape.at(-1)!]
      const left = scaleA.f32[(scaleA.shape.length > 1 ? batch * rows : 0) + m]!
      const right = scaleB.f32[(scaleB.shape.length > 1 ? batch * columns : 0) + n]!
      out.f32[index] = Math.fround(Math.fround(sum) * left) * right
    })
}

type Transposes = { readonly transposeA: boolean; readonly transposeB: boolean }

/** Where an operand's element lies, whichever way round it lies. */
function operands(a: Value, b: Value, { transposeA, transposeB }: Transposes) {
  const at = (value: Value, transposed: boolean) => {
    const size = value.shape.at(-2)! * value.shape.at(-1)!
    const [row, column] = transposed
      ? strides(value.shape).slice(-2).toReversed()
      : strides(value.shape).slice(-2)
    const batched = value.shape.length > 2
    return (batch: number, i: number, j: number) =>
      (batched ? batch * size : 0) + i * row! + j * column!
  }
  return { a: at(a, transposeA), b: at(b, transposeB), k: a.shape.at(transposeA ? -2 : -1)! }
}

function forEachElement(
  { shape, f32 }: Value,
  visit: (batch: number, m: number, n: number, index: number) => void,
): void {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!]
  for (let index = 0; index < f32.length; index++)
    visit(
      Math.floor(index / (rows * columns)),
      Math.floor(index / columns) % rows,
      index % columns,
      index,
    )
}
