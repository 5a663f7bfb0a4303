import type { Tensor } from '../Tensor.ts'

/**
 * A gradient given for a tensor as a whole, in the place of the gradients of the ops it is made of:
 * cheaper, or steadier, or what is meant.
 */
export type GradientRule = {
  readonly inputs: readonly Tensor[]
  /** From the gradient of the tensor (of its shape) that of each input, undefined for none. */
  gradients(upstream: Tensor): readonly (Tensor | undefined)[]
}

/** Gives a tensor a rule, once, where it is made. */
export function giveRule(tensor: Tensor, rule: GradientRule): Tensor {
  rules.set(tensor, rule)
  return tensor
}

/** The rule that a tensor was given. */
export function ruleOf(tensor: Tensor): GradientRule | undefined {
  return rules.get(tensor)
}

const rules = new WeakMap<Tensor, GradientRule>()
