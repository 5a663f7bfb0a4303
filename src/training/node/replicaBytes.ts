import { byteLength } from '../../exact/Tensor.ts'
import { PayloadError } from '../payload/PayloadError.ts'
import { floats } from './makePayload.ts'
import { type Layout, lengthOf, type Replica } from '../Replica.ts'

/** Parameters one after the other, then what the outer step carries, as a checkpoint moves between workers. */
export function toBytes({ parameters, outer }: Omit<Replica, 'rounds'>): Uint8Array {
  const carried = outer ? [new Uint8Array(outer.buffer, outer.byteOffset, outer.byteLength)] : []
  const parts = [...parameters, ...carried]
  const bytes = new Uint8Array(parts.reduce((sum, each) => sum + each.byteLength, 0))
  let at = 0
  for (const each of parts) {
    bytes.set(each, at)
    at += each.byteLength
  }
  return bytes
}

/**
 * Reads what `toBytes` wrote.
 *
 * @throws {PayloadError} when the bytes are not as many as parameters and some vectors take.
 */
export function fromBytes(layout: Layout, bytes: Uint8Array): Omit<Replica, 'rounds'> {
  const total = layout.slots.reduce((sum, slot) => sum + byteLength(slot), 0)
  const rest = bytes.byteLength - total
  const vector = 4 * lengthOf(layout)
  if (rest < 0 || rest % vector !== 0 || rest / vector > greatestSlots)
    throw new PayloadError(`A state of this run takes ${total} bytes, not ${bytes.byteLength}.`)
  let at = 0
  const parameters = layout.slots.map((slot) => {
    at += byteLength(slot)
    return bytes.slice(at - byteLength(slot), at)
  })
  return rest === 0 ? { parameters } : { parameters, outer: floats(bytes.subarray(total)) }
}

/** The most bytes that a state takes. */
export function greatestBytes(layout: Layout): number {
  const parameters = layout.slots.reduce((sum, slot) => sum + byteLength(slot), 0)
  return parameters + greatestSlots * 4 * lengthOf(layout)
}

/** Two moments and an aggregate that waits. */
const greatestSlots = 3
