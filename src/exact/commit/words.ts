/**
 * Joins values as a Solidity contract reads them (`abi.encode` of fixed-size types): each takes 32
 * bytes; numbers are big-endian, hashes stand as they are.
 */
export function words(...values: readonly (number | Uint8Array)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 32)
  const view = new DataView(bytes.buffer)
  values.forEach((value, index) => {
    if (typeof value === 'number') view.setBigUint64(index * 32 + 24, BigInt(value))
    else bytes.set(value, index * 32)
  })
  return bytes
}
