import { chacha20 } from '@noble/ciphers/chacha.js'

/** The words of ChaCha20 (RFC 8439) under a key that is used once: each call gives the next one. */
export function keystream(key: Uint8Array): () => number {
  let block = 0
  let words = new Uint32Array(0)
  let at = 0
  return () => {
    if (at === words.length) {
      const bytes = chacha20(key, nonce, zeros, undefined, block)
      block += blocks
      words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
      at = 0
    }
    return words[at++]!
  }
}

const nonce = new Uint8Array(12)
/** Blocks of 64 bytes that are made at once. */
const blocks = 256
const zeros = new Uint8Array(blocks * 64)
