import { randomBytes } from 'node:crypto'
import type { Random } from './Random.ts'

/** Randomness of the operating system, fit for keys and nonces. */
export function systemRandom(): Random {
  return {
    next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
    bytes: (length) => new Uint8Array(randomBytes(length)),
  }
}
