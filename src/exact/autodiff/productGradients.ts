import { product, type Profile } from '../ops.ts'
import { contract, count, reshape, type Tensor, transpose } from '../Tensor.ts'

/**
 * The gradients of a matrix product: each a matrix product again. Where an operand has no leading
 * dimensions and the other has, its gradient is one product over all of them, ascending.
 */
export function productGradients(
  { a, b, transposeA = false, transposeB = false }: Product,
  upstream: Tensor,
  profiles: { readonly a: Profile; readonly b: Profile },
): readonly [a: () => Tensor, b: () => Tensor] {
  const gradientOfA = () => {
    const profile = profiles.a
    if (a.shape.length === 2 && b.shape.length > 2) {
      const rows = flat(transposeB ? b : swapped(b))
      const above = flat(swapped(upstream))
      return transposeA
        ? product(rows, above, { transposeA: true, profile })
        : product(above, rows, { transposeA: true, profile })
    }
    return transposeA
      ? product(b, upstream, { transposeA: transposeB, transposeB: true, profile })
      : product(upstream, b, { transposeB: !transposeB, profile })
  }
  const gradientOfB = () => {
    const profile = profiles.b
    if (b.shape.length === 2 && a.shape.length > 2) {
      const rows = flat(transposeA ? swapped(a) : a)
      const above = flat(upstream)
      return transposeB
        ? product(above, rows, { transposeA: true, profile })
        : product(rows, above, { transposeA: true, profile })
    }
    return transposeB
      ? product(upstream, a, { transposeA: true, transposeB: transposeA, profile })
      : product(a, upstream, { transposeA: !transposeA, profile })
  }
  return [gradientOfA, gradientOfB]
}

type Product = contract.Options & { readonly a: Tensor; readonly b: Tensor }

/** All leading dimensions and the rows as one. */
function flat(x: Tensor): Tensor {
  return reshape(x, [count(x.shape.slice(0, -1)), x.shape.at(-1)!])
}

function swapped(x: Tensor): Tensor {
  const axes = [...x.shape.keys()]
  return transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!])
}
