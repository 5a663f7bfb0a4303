/**
 * The f32 that equal 16-bit floats: as bytes, little-endian, twice as many.
 *
 * @param bytes little-endian.
 */
export function widen(type: 'F16' | 'BF16', bytes: Uint8Array): Uint8Array {
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const result = new Uint8Array(bytes.byteLength * 2)
  const to = new DataView(result.buffer)
  for (let at = 0; at < bytes.byteLength; at += 2) {
    const bits = from.getUint16(at, true)
    to.setUint32(at * 2, type === 'BF16' ? bits << 16 : widenHalf(bits), true)
  }
  return result
}

/** The f32 bits of a binary16. */
export function widenHalf(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 31
  const fraction = half & 1023
  if (exponent === 31) return (sign | 0x7f800000 | (fraction << 13)) >>> 0
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
  if (fraction === 0) return sign >>> 0
  const top = 31 - Math.clz32(fraction)
  return (sign | ((top + 103) << 23) | ((fraction << (23 - top)) & 0x7fffff)) >>> 0
}

/** The binary16 nearest to an f32, ties to even; too large gives infinity. */
export function narrowHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 255) - 112
  const fraction = bits & 0x7fffff
  if (exponent === 143) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200)
  if (exponent >= 31) return sign | 0x7c00
  if (exponent > 0) return sign + roundedShift((exponent << 23) | fraction, 13)
  // Below the normal ones: the fraction with its leading one, shifted to units of 2^-24.
  if (exponent < -10) return sign
  return sign + roundedShift(0x800000 | fraction, 14 - exponent)
}

/** Carries go where they belong: from the fraction into the exponent. */
function roundedShift(value: number, shift: number): number {
  const quotient = value >>> shift
  const rest = value - quotient * 2 ** shift
  const half = 2 ** (shift - 1)
  return rest > half || (rest === half && quotient % 2 === 1) ? quotient + 1 : quotient
}
