import { giveRule } from '../autodiff/GradientRule.ts'
import { neg } from '../ops.ts'
import { write } from '../Program.ts'
import { concat, map, slice, type Tensor } from '../Tensor.ts'

/**
 * Rotary embedding, the halves of a head as pairs (as Hugging Face's Llama has it): element i and
 * element i + half turn together by the angle of the position.
 *
 * @param x [..., positions, head]
 * @param cos [positions, head / 2], as `sin`.
 */
export function rotate(x: Tensor, { cos, sin }: { cos: Tensor; sin: Tensor }): Tensor {
  const half = x.shape.at(-1)! / 2
  const axis = x.shape.length - 1
  const part = (start: number) =>
    slice(x, x.shape.map(() => 0).with(axis, start), x.shape.with(axis, half))
  const [a, b] = [part(0), part(half)]
  const turned = concat([map(first, [a, b, cos, sin]), map(second, [a, b, cos, sin])], axis)
  // A rotation's gradient is the rotation back.
  const gradients = (upstream: Tensor) => [rotate(upstream, { cos, sin: neg(sin) })]
  return giveRule(turned, { inputs: [x], gradients })
}

const first = write(4, (w, a, b, c, s) => w.fma(w.mul(b, w.f32(-1)), s, w.mul(a, c)))
const second = write(4, (w, a, b, c, s) => w.fma(a, s, w.mul(b, c)))
