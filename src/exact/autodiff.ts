import { GradientError } from './autodiff/differentiate.ts'
import { ruleOf } from './autodiff/GradientRule.ts'
import { mapGradient, opGradient } from './autodiff/opGradients.ts'
import { productGradients } from './autodiff/productGradients.ts'
import { add, constant, type Profile } from './ops.ts'
import { operandsOf } from './quantise.ts'
import { broadcast, count, type Tensor } from './Tensor.ts'

/**
 * The gradients of a scalar with respect to tensors it is computed from, as tensors made of ordinary
 * ops: a training step is a graph like any other.
 *
 * Products of a quantised profile pass over the rounding, straight through, and their gradients are
 * products of the same profile unless `profiles` says otherwise. Where several elements are the
 * greatest of a `reduce`, they share its gradient; `max` and `min` of two operands give it to the
 * second on a tie. A tensor that the scalar does not depend on has a gradient of zeros.
 *
 * @param of f32 with one element.
 * @throws {GradientError} when the scalar depends on one of them through what has no gradient.
 *
 * @example
 * ```ts
 * const [slope] = gradients(Ops.sumAll(Ops.mul(x, x)), [x])
 * ```
 */
export function gradients(
  of: Tensor,
  withRespectTo: readonly Tensor[],
  { profiles = (profile) => ({ a: profile, b: profile }) }: gradients.Options = {},
): readonly Tensor[] {
  if (of.dtype !== 'f32' || count(of.shape) !== 1)
    throw new GradientError(`${of.op.kind} of ${of.dtype} [${of.shape.join(', ')}], not a scalar,`)
  const wanted = new Set(withRespectTo)
  const order = inOrder(of)
  const active = new Set<Tensor>()
  for (const tensor of order)
    if (wanted.has(tensor) || sourcesOf(tensor).some((source) => active.has(source)))
      active.add(tensor)

  // What has come so far for each tensor: of its shape, or of one that broadcasts to it.
  const upstream = new Map<Tensor, Tensor>([[of, constant(1, of.shape)]])
  for (const tensor of order.toReversed()) {
    const above = upstream.get(tensor)
    if (!above || !active.has(tensor)) continue
    const parts = contributions(tensor, above, { active, profiles })
    sourcesOf(tensor).forEach((source, index) => {
      const part = parts[index]
      if (!part) return
      const before = upstream.get(source)
      upstream.set(source, before ? add(before, part) : part)
    })
  }
  return withRespectTo.map((tensor) => broadcast(upstream.get(tensor) ?? constant(0), tensor.shape))
}

export declare namespace gradients {
  type Options = {
    /** The profiles of the two gradients of a product of a profile. */
    profiles?: ((profile: Profile) => Readonly<Record<'a' | 'b', Profile>>) | undefined
  }
}

type Context = Required<gradients.Options> & { readonly active: ReadonlySet<Tensor> }

/** What the gradient of a tensor gives to each of its sources. */
function contributions(
  tensor: Tensor,
  above: Tensor,
  { active, profiles = (profile) => ({ a: profile, b: profile }) }: Context,
): readonly (Tensor | undefined)[] {
  const sources = sourcesOf(tensor)
  const isWanted = sources.map((source) => active.has(source) && source.dtype === 'f32')
  const whole = () => broadcast(above, tensor.shape)
  const rule = ruleOf(tensor)
  if (rule) return rule.gradients(whole()).map((part, i) => (isWanted[i] ? part : undefined))
  const { op } = tensor
  const product = operandsOf(tensor) ?? (op.kind === 'contract' ? plainProduct(tensor) : undefined)
  if (product) {
    const both = productGradients(product, whole(), profiles(product.profile))
    return both.map((part, i) => (isWanted[i] ? part() : undefined))
  }
  const one = (index: number) =>
    op.kind === 'map' ? mapGradient(tensor, above, index) : opGradient(tensor, whole(), index)
  return sources.map((_, index) => (isWanted[index] ? one(index) : undefined))
}

function plainProduct({ op, inputs }: Tensor) {
  const [a, b] = inputs as readonly [Tensor, Tensor]
  return op.kind === 'contract' ? { ...op, a, b, profile: 'f32' as const } : undefined
}

/** What a tensor is computed from, as gradients see it. */
function sourcesOf(tensor: Tensor): readonly Tensor[] {
  const rule = ruleOf(tensor)
  if (rule) return rule.inputs
  const product = operandsOf(tensor)
  return product ? [product.a, product.b] : tensor.inputs
}

/** Everything a tensor depends on and itself, sources first; without recursion, since graphs are deep. */
function inOrder(root: Tensor): readonly Tensor[] {
  const order: Tensor[] = []
  const seen = new Set<Tensor>()
  const stack: { tensor: Tensor; next: number }[] = [{ tensor: root, next: 0 }]
  seen.add(root)
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const source = sourcesOf(top.tensor)[top.next++]
    if (!source) {
      order.push(top.tensor)
      stack.pop()
    } else if (!seen.has(source)) {
      seen.add(source)
      stack.push({ tensor: source, next: 0 })
    }
  }
  return order
}
