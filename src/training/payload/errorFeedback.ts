import { forEach, type Update } from './Update.ts'

/** How much of what was not sent is carried into the next round. */
export const decay = 0.95

/**
 * What a worker means to send: what earlier rounds left unsent, decayed, and this round's
 * pseudo-gradient, `parent - trained`. Each operation rounds to binary32.
 *
 * @param error what is left of earlier rounds; it becomes the sum.
 */
export function accumulate(
  error: Float32Array,
  { parent, trained }: { parent: Float32Array; trained: Float32Array },
): void {
  for (let index = 0; index < error.length; index++) {
    const delta = Math.fround(parent[index]! - trained[index]!)
    error[index] = Math.fround(Math.fround(error[index]! * decayed) + delta)
  }
}

/** Takes what was sent off what was meant; the rest waits for the next round. */
export function subtractSent(error: Float32Array, sent: Update): void {
  forEach(sent, (index, value) => {
    error[index] = Math.fround(error[index]! - value)
  })
}

const decayed = Math.fround(decay)
