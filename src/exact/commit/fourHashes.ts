import { startModule } from '../wasm/assemble.ts'
import { call } from '../wasm/instructions.ts'
import * as Sha256 from '../wasm/sha256.ts'

/**
 * SHA-256 of rows of one length, four at once, and of whole subtrees, in WebAssembly: see `wasm/sha256.ts`.
 *
 * @returns undefined where WebAssembly has no SIMD.
 */
export function startFourHashes(): FourHashes | undefined {
  const module = startModule()
  const types = ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'] as const
  const [rowsInside, subtreeInside] = [Sha256.hashRows, Sha256.hashSubtree].map((write) =>
    write(module, at.rounds),
  )
  module.define({ parameters: types, exported: 'rows' }, ({ parameters }) =>
    call(rowsInside!, ...parameters.map(({ get }) => get)),
  )
  module.define({ parameters: types.slice(2), exported: 'subtree' }, ({ parameters }) =>
    call(subtreeInside!, ...parameters.map(({ get }) => get)),
  )
  const code = module.bytes({ pages, shared: false })
  if (!WebAssembly.validate(code)) return undefined
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } })
  const { rows, subtree } = instance.exports as Record<string, (...given: number[]) => void>
  const words = new Uint32Array(memory.buffer)
  for (const [address, word] of Sha256.roundWords(at.rounds)) words[address / 4] = word
  const area = new Uint8Array(memory.buffer)
  return {
    rows(prefix, bytes, { rowBytes, out }) {
      const count = Math.floor(bytes.byteLength / rowBytes)
      const most = Math.min(Math.floor(inputBytes / rowBytes), Math.floor(outputBytes / 32))
      for (let row = 0; row < count; row += most) {
        const some = Math.min(most, count - row)
        area.set(bytes.subarray(row * rowBytes, (row + some) * rowBytes), at.input)
        rows!(prefix, at.input, rowBytes, some, at.output, at.room)
        out.set(area.subarray(at.output, at.output + some * 32), row * 32)
      }
      return count
    },
    subtree(bytes) {
      area.set(bytes, at.input)
      subtree!(at.input, bytes.byteLength, at.output, at.room)
      return area.slice(at.output, at.output + 32)
    },
  }
}

export type FourHashes = {
  /**
   * Hashes whole rows after a prefix into 32 bytes each of `out`; rows of at most `longestRow` bytes.
   *
   * @returns how many rows there were; what is left of the bytes is for others.
   */
  readonly rows: (
    prefix: number,
    bytes: Uint8Array,
    options: { rowBytes: number; out: Uint8Array },
  ) => number
  /** The root of a Merkle tree over 1 to `subtreeBytes` bytes, in leaves of 256. */
  readonly subtree: (bytes: Uint8Array) => Uint8Array
}

export const longestRow = 256
export const subtreeBytes = Sha256.subtreeLeaves * Sha256.leafBytes

const inputBytes = subtreeBytes
const outputBytes = 32_768
const at = {
  rounds: 0,
  room: Sha256.roundBytes,
  output: Sha256.roundBytes + Sha256.roomBytes,
  input: Sha256.roundBytes + Sha256.roomBytes + outputBytes,
} as const
const pages = Math.ceil((at.input + inputBytes) / 65_536)
