import { narrowHalf, widenHalf } from './halves.ts'
import { bitsOf, floatOf } from '../Program.ts'

/** ggml's Q8_0: blocks of 32 weights, each a binary16 scale and 32 signed bytes. */
export const block = { weights: 32, bytes: 34 } as const

/**
 * The f32 that blocks of Q8_0 stand for, exactly: a scale of 11 bits times an integer of 8. As bytes,
 * little-endian.
 */
export function dequantise(bytes: Uint8Array): Uint8Array {
  const blocks = bytes.byteLength / block.bytes
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const result = new Uint8Array(blocks * block.weights * 4)
  const to = new DataView(result.buffer)
  for (let index = 0; index < blocks; index++) {
    const at = index * block.bytes
    const scale = floatOf(widenHalf(from.getUint16(at, true)))
    for (let i = 0; i < block.weights; i++)
      to.setFloat32((index * block.weights + i) * 4, scale * from.getInt8(at + 2 + i), true)
  }
  return result
}

/**
 * Blocks of Q8_0 nearest to f32 as ggml makes them (`quantize_row_q8_0_ref`): the scale is the largest
 * magnitude / 127 as f32, weights times its inverse are rounded half away from zero, and only then the
 * scale is stored as binary16.
 *
 * @param bytes f32, little-endian, whole blocks of them.
 */
export function quantise(bytes: Uint8Array): Uint8Array {
  const blocks = bytes.byteLength / (block.weights * 4)
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const result = new Uint8Array(blocks * block.bytes)
  const to = new DataView(result.buffer)
  for (let index = 0; index < blocks; index++) {
    const weight = (i: number) => from.getFloat32((index * block.weights + i) * 4, true)
    let largest = 0
    for (let i = 0; i < block.weights; i++) largest = Math.max(largest, Math.abs(weight(i)))
    const scale = Math.fround(largest / 127)
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
    const at = index * block.bytes
    to.setUint16(at, narrowHalf(bitsOf(scale)), true)
    for (let i = 0; i < block.weights; i++)
      to.setInt8(at + 2 + i, roundAway(Math.fround(weight(i) * inverse)))
  }
  return result
}

function roundAway(value: number): number {
  const magnitude = Math.floor(Math.abs(value) + 0.5)
  return value < 0 ? -magnitude : magnitude
}
