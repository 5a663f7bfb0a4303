import { type Code, type Local, startModule } from '../wasm/assemble.ts'
import { i32, i32x4, memory as bytes, repeat, v128 } from '../wasm/instructions.ts'

/**
 * SHA-256 of four messages of one length at once, one in each lane of WebAssembly's SIMD: for short messages
 * far faster than calls to node:crypto, most of whose time is the call.
 */
export function startFourHashes(): FourHashes | undefined {
  const module = startModule()
  module.define(
    { parameters: ['i32', 'i32', 'i32'], exported: 'hash' },
    ({ parameters: [rowBytes, blocks, groups], local }) =>
      hashGroups({ rowBytes: rowBytes!, blocks: blocks!, groups: groups!, local }),
  )
  const code = module.bytes({ pages, shared: false })
  if (!WebAssembly.validate(code)) return undefined
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } })
  const hash = instance.exports['hash'] as (row: number, blocks: number, groups: number) => void
  const view = new DataView(memory.buffer)
  constants().forEach((k, index) => {
    for (let lane = 0; lane < 4; lane++) view.setUint32(at.k + index * 16 + lane * 4, k, true)
  })
  const area = new Uint8Array(memory.buffer)
  return (prefix, rows, { rowBytes, out }) => {
    const count = Math.floor(rows.byteLength / rowBytes / 4) * 4
    const blocks = Math.ceil((rowBytes + 10) / 64)
    for (let lane = 0; lane < 4; lane++) {
      const start = at.lanes + lane * laneBytes
      area.fill(0, start, start + laneBytes)
      area[start] = prefix
      area[start + 1 + rowBytes] = 0x80
      view.setUint32(start + blocks * 64 - 4, (1 + rowBytes) * 8)
    }
    const most = Math.floor(inputBytes / rowBytes / 4) * 4
    for (let row = 0; row < count; row += most) {
      const some = Math.min(most, count - row)
      area.set(rows.subarray(row * rowBytes, (row + some) * rowBytes), at.input)
      hash(rowBytes, blocks, some / 4)
      out.set(area.subarray(at.output, at.output + some * 32), row * 32)
    }
    return count
  }
}

/**
 * Hashes whole rows after a prefix, four at a time, into 32 bytes each of `out`; rows of at most
 * `longestRow` bytes.
 *
 * @returns how many rows it hashed: a multiple of four; the rest is for others.
 */
export type FourHashes = (
  prefix: number,
  rows: Uint8Array,
  options: { rowBytes: number; out: Uint8Array },
) => number

export const longestRow = 256

const laneBytes = 320
const inputBytes = 65_536
const at = { k: 0, state: 1024, lanes: 2048, input: 4096, output: 4096 + inputBytes } as const
const pages = 3

type Variables = {
  readonly rowBytes: Local
  readonly blocks: Local
  readonly groups: Local
  readonly local: (type: 'i32' | 'v128') => Local
}

function hashGroups({ rowBytes, blocks, groups, local }: Variables): Code {
  const [from, to, block, left] = [local('i32'), local('i32'), local('i32'), local('i32')]
  const state = Array.from({ length: 8 }, () => local('v128'))
  const w = Array.from({ length: 16 }, () => local('v128'))
  const four = Array.from({ length: 4 }, () => local('v128'))
  const copies = [0, 1, 2, 3].map((lane) => [
    bytes.copy(i32.const(at.lanes + lane * laneBytes + 1), from.get, rowBytes.get),
    from.set(i32.add(from.get, rowBytes.get)),
  ])
  const initial = firstFractions(8, 1 / 2)
  return [
    from.set(i32.const(at.input)),
    to.set(i32.const(at.output)),
    repeat(
      [
        copies,
        initial.map((word, index) => v128.store(i32.const(at.state), v128.splat(word), index * 16)),
        block.set(i32.const(at.lanes)),
        left.set(blocks.get),
        repeat(
          [
            loadWords(block, w, four),
            compress(state, w, [four[0]!, four[1]!]),
            block.set(i32.add(block.get, i32.const(64))),
          ],
          left.tee(i32.sub(left.get, i32.const(1))),
        ),
        [0, 4].map((half) => [
          four.map((local, index) =>
            local.set(v128.load(i32.const(at.state), (half + index) * 16)),
          ),
          transposed(four).map((row, lane) => v128.store(to.get, row, lane * 32 + half * 4)),
        ]),
        to.set(i32.add(to.get, i32.const(128))),
      ],
      groups.tee(i32.sub(groups.get, i32.const(1))),
    ),
  ]
}

/** Word i of the block of each lane, big-endian, into w[i]. */
function loadWords(block: Local, w: readonly Local[], four: readonly Local[]): Code {
  return [0, 4, 8, 12].map((first) => [
    four.map((local, lane) => local.set(v128.load(block.get, lane * laneBytes + first * 4))),
    transposed(four).map((words, index) => w[first + index]!.set(words)),
  ])
}

/** Four vectors of four words the other way round, and the bytes of each word turned. */
function transposed([a, b, c, d]: readonly Local[]): readonly Code[] {
  return [0, 1, 2, 3].map((word) => {
    const pick = (base: number) => [3, 2, 1, 0].map((byte) => base + word * 4 + byte)
    const lanes = [...pick(0), ...pick(16), ...pick(0), ...pick(16)]
    const low = v128.shuffle(a!.get, b!.get, lanes)
    const high = v128.shuffle(c!.get, d!.get, lanes)
    return v128.shuffle(low, high, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23])
  })
}

/** FIPS 180-4, section 6.2.2. */
function compress(state: readonly Local[], w: readonly Local[], [t1, t2]: [Local, Local]): Code {
  const code: Code[] = state.map((local, index) =>
    local.set(v128.load(i32.const(at.state), index * 16)),
  )
  for (let round = 0; round < 64; round++) {
    const [a, b, c, d, e, f, g, h] = state.map((_, index) => state[(index - round + 64) % 8]!)
    const word = w[round % 16]!
    if (round >= 16) {
      const [w15, w2] = [w[(round + 1) % 16]!, w[(round + 14) % 16]!]
      const small0 = xor(rotate(w15, 7), rotate(w15, 18), i32x4.shrU(w15.get, i32.const(3)))
      const small1 = xor(rotate(w2, 17), rotate(w2, 19), i32x4.shrU(w2.get, i32.const(10)))
      code.push(word.set(add(word.get, small0, w[(round + 9) % 16]!.get, small1)))
    }
    const big1 = xor(rotate(e!, 6), rotate(e!, 11), rotate(e!, 25))
    const chosen = v128.bitselect(f!.get, g!.get, e!.get)
    const k = v128.load(i32.const(at.k), round * 16)
    const big0 = xor(rotate(a!, 2), rotate(a!, 13), rotate(a!, 22))
    const majority = v128.bitselect(c!.get, b!.get, v128.xor(a!.get, b!.get))
    code.push(
      t1.set(add(h!.get, big1, chosen, k, word.get)),
      t2.set(add(big0, majority)),
      d!.set(add(d!.get, t1.get)),
      h!.set(add(t1.get, t2.get)),
    )
  }
  const sums = state.map((local, index) =>
    v128.store(
      i32.const(at.state),
      add(local.get, v128.load(i32.const(at.state), index * 16)),
      index * 16,
    ),
  )
  return [code, sums]
}

function rotate(value: Local, by: number): Code {
  return v128.or(i32x4.shrU(value.get, i32.const(by)), i32x4.shl(value.get, i32.const(32 - by)))
}

function add(...values: readonly Code[]): Code {
  return values.reduce((sum, value) => i32x4.add(sum, value))
}

function xor(...values: readonly Code[]): Code {
  return values.reduce((sum, value) => v128.xor(sum, value))
}

function constants(): readonly number[] {
  return firstFractions(64, 1 / 3)
}

/** The first 32 bits behind the point of a root of each of the first primes, found by exact integers. */
function firstFractions(count: number, power: number): readonly number[] {
  const primes: number[] = []
  for (let n = 2; primes.length < count; n++)
    if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  const degree = Math.round(1 / power)
  return primes.map((prime) => {
    const target = BigInt(prime) << BigInt(32 * degree)
    let root = 0n
    for (let bit = 1n << 36n; bit > 0n; bit >>= 1n)
      if ((root + bit) ** BigInt(degree) <= target) root += bit
    return Number(root & 0xffffffffn)
  })
}
