/** Where chance comes from, as a port. `systemRandom` is the real one, `seededRandom` the one for simulations. */
export type Random = {
  /** A number in [0, 1). */
  next(): number
  /** `length` bytes. */
  bytes(length: number): Uint8Array
}
