import { byteLength } from '../../exact/Tensor.ts'
import { PayloadError } from '../payload/PayloadError.ts'
import type { Layout } from '../Replica.ts'

/** Parameters one after the other, as a checkpoint moves between workers. */
export function toBytes(parameters: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parameters.reduce((sum, each) => sum + each.byteLength, 0))
  let at = 0
  for (const each of parameters) {
    bytes.set(each, at)
    at += each.byteLength
  }
  return bytes
}

/**
 * Reads what `toBytes` wrote.
 *
 * @throws {PayloadError} when the bytes are not as many as the parameters take.
 */
export function fromBytes({ slots }: Layout, bytes: Uint8Array): readonly Uint8Array[] {
  const total = slots.reduce((sum, slot) => sum + byteLength(slot), 0)
  if (bytes.byteLength !== total)
    throw new PayloadError(`A state of this run takes ${total} bytes, not ${bytes.byteLength}.`)
  let at = 0
  return slots.map((slot) => {
    at += byteLength(slot)
    return bytes.slice(at - byteLength(slot), at)
  })
}
