/**
 * SHA-256 of rows of equal length, four at once, one in each lane of SIMD: for short messages far faster
 * than calls to node:crypto, most of whose time is the call.
 */
import type { Assembler, Code, Function, Local, Scope } from './assemble.ts'
import {
  advance,
  call,
  count,
  i32,
  i32x4,
  least,
  memory,
  one,
  repeat,
  v128,
  when,
  zero,
} from './instructions.ts'

/** Leaves of a subtree that is folded in one go, and their bytes. */
export const subtreeLeaves = 1024
export const leafBytes = 256

/** Bytes of room that a call needs, from a multiple of 16 on. */
export const roomBytes = 2048 + subtreeLeaves * 32
/** Bytes that `roundWords` take: where they stand is given when the functions are written. */
export const roundBytes = 64 * 16

const laneBytes = 320
/** In the room: the state, then the four padded messages, then the hashes of a subtree. */
const room = { state: 0, lanes: 256, hashes: 2048 } as const

/** The words to put at the address of the round constants: each four times. */
export function roundWords(at: number): readonly (readonly [address: number, word: number])[] {
  return roundConstants().flatMap((k, round) =>
    [0, 1, 2, 3].map((lane) => [at + round * 16 + lane * 4, k] as const),
  )
}

/**
 * A function (prefix, from, rowBytes, rows, to, room): of each of so many rows, one after the other, the
 * SHA-256 of a byte and the row, 32 bytes each. Rows are 1 to 256 bytes long. `to` may be `from` when
 * they are no shorter than hashes.
 */
export function hashRows(module: Assembler, roundsAt: number): Function {
  const parameters = Array.from({ length: 6 }, () => 'i32' as const)
  return module.once('sha-256', () =>
    module.define({ parameters }, (scope) => rowsBody(module, roundsAt, scope)),
  )
}

/**
 * A function (from, bytes, to, room): the root of a Merkle tree (RFC 6962) over at most 1,024 leaves of 256
 * bytes, the last of them shorter where the bytes end; 32 bytes.
 */
export function hashSubtree(module: Assembler, roundsAt: number): Function {
  const parameters = ['i32', 'i32', 'i32', 'i32'] as const
  return module.once('subtree', () =>
    module.define({ parameters }, ({ parameters: [from, bytes, to, work], local }) => {
      const [whole, rest, size, pairs, hashes] = [1, 2, 3, 4, 5].map(() => local('i32')) as Locals5
      const rows = (...given: readonly Code[]) =>
        call(hashRows(module, roundsAt), ...given, work!.get)
      const at = (index: Code) => i32.add(hashes.get, i32.shl(index, i32.const(5)))
      const isOdd = i32.and(size.get, one)
      const copyHash = (target: Code, source: Code) => memory.copy(target, source, i32.const(32))
      const isMany = i32.gtU(size.get, one)
      return [
        hashes.set(i32.add(work!.get, i32.const(room.hashes))),
        whole.set(i32.shrU(bytes!.get, i32.const(8))),
        rest.set(i32.and(bytes!.get, i32.const(leafBytes - 1))),
        rows(zero, from!.get, i32.const(leafBytes), whole.get, hashes.get),
        size.set(whole.get),
        when(rest.get, [
          rows(
            zero,
            i32.add(from!.get, i32.shl(whole.get, i32.const(8))),
            rest.get,
            one,
            at(whole.get),
          ),
          advance(size, one),
        ]),
        when(
          isMany,
          repeat(
            [
              pairs.set(i32.shrU(size.get, one)),
              rows(one, hashes.get, i32.const(64), pairs.get, hashes.get),
              when(isOdd, copyHash(at(pairs.get), at(i32.sub(size.get, one)))),
              size.set(i32.add(pairs.get, isOdd)),
            ],
            isMany,
          ),
        ),
        copyHash(to!.get, hashes.get),
      ]
    }),
  )
}

type Locals5 = [Local, Local, Local, Local, Local]
type Locals6 = [...Locals5, Local]

function rowsBody(module: Assembler, roundsAt: number, { parameters, local }: Scope): Code {
  const [prefix, from, rowBytes, rows, to, work] = parameters as readonly Local[] as Locals6
  const [left, block, blocks, lanes, row] = [1, 2, 3, 4, 5].map(() => local('i32')) as Locals5
  const four = Array.from({ length: 4 }, () => local('v128'))
  const each = [0, 1, 2, 3]
  const laneAt = (lane: number, offset = 0) => room.lanes + lane * laneBytes + offset
  const pad = each.map((lane) => [
    i32.store8(work.get, prefix.get, laneAt(lane)),
    i32.store8(i32.add(work.get, rowBytes.get), i32.const(0x80), laneAt(lane, 1)),
    // The length in bits, big-endian, at the end of the last block.
    i32.store8(
      lastWord(work, blocks),
      i32.shrU(lengthInBits(rowBytes), i32.const(8)),
      laneAt(lane, 62),
    ),
    i32.store8(lastWord(work, blocks), lengthInBits(rowBytes), laneAt(lane, 63)),
  ])
  const fill = each.map((lane) =>
    memory.copy(
      i32.add(work.get, i32.const(laneAt(lane, 1))),
      i32.add(from.get, i32.mul(least(i32.const(lane), i32.sub(left.get, one)), rowBytes.get)),
      rowBytes.get,
    ),
  )
  const store = (half: number) => [
    four.map((variable, word) => variable.set(v128.load(work.get, (half + word) * 16))),
    transposed(four).map((hash, lane) =>
      when(i32.gtU(left.get, i32.const(lane)), v128.store(to.get, hash, lane * 32 + half * 4)),
    ),
  ]
  return [
    blocks.set(i32.shrU(i32.add(rowBytes.get, i32.const(73)), i32.const(6))),
    memory.fill(i32.add(work.get, i32.const(room.lanes)), zero, i32.const(4 * laneBytes)),
    pad,
    count(row, { from: zero, to: rows.get, step: i32.const(4) }, [
      left.set(i32.sub(rows.get, row.get)),
      fill,
      initialState.map((word, index) => v128.store(work.get, v128.splat(word), index * 16)),
      lanes.set(i32.add(work.get, i32.const(room.lanes))),
      block.set(blocks.get),
      repeat(
        [call(compression(module, roundsAt), lanes.get, work.get), advance(lanes, i32.const(64))],
        block.tee(i32.sub(block.get, one)),
      ),
      [0, 4].map(store),
      advance(from, i32.shl(rowBytes.get, i32.const(2))),
      advance(to, i32.const(128)),
    ]),
  ]
}

function lengthInBits(rowBytes: Local): Code {
  return i32.shl(i32.add(rowBytes.get, one), i32.const(3))
}

function lastWord(work: Local, blocks: Local): Code {
  return i32.add(work.get, i32.shl(i32.sub(blocks.get, one), i32.const(6)))
}

/** FIPS 180-4, section 6.2.2: a function (block, state) on one block of each of four messages. */
function compression(module: Assembler, roundsAt: number): Function {
  return module.once('compression', () =>
    module.define({ parameters: ['i32', 'i32'] }, ({ parameters: [block, state], local }) => {
      const variables = Array.from({ length: 8 }, () => local('v128'))
      const w = Array.from({ length: 16 }, () => local('v128'))
      const four = Array.from({ length: 4 }, () => local('v128'))
      const [t1, t2] = [local('v128'), local('v128')]
      return [
        loadWords(block!, w, four),
        variables.map((variable, index) => variable.set(v128.load(state!.get, index * 16))),
        Array.from({ length: 64 }, (_, round) =>
          oneRound(round, { variables, w, t1, t2, roundsAt }),
        ),
        variables.map((variable, index) =>
          v128.store(state!.get, add(variable.get, v128.load(state!.get, index * 16)), index * 16),
        ),
      ]
    }),
  )
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

type Round = {
  readonly variables: readonly Local[]
  readonly w: readonly Local[]
  readonly t1: Local
  readonly t2: Local
  readonly roundsAt: number
}

/** The variables change places instead of being moved. */
function oneRound(round: number, { variables, w, t1, t2, roundsAt }: Round): Code {
  const [a, b, c, d, e, f, g, h] = variables.map((_, index) => variables[(index - round + 64) % 8]!)
  const word = w[round % 16]!
  const [w15, w2] = [w[(round + 1) % 16]!, w[(round + 14) % 16]!]
  const small0 = xor(rotate(w15, 7), rotate(w15, 18), i32x4.shrU(w15.get, i32.const(3)))
  const small1 = xor(rotate(w2, 17), rotate(w2, 19), i32x4.shrU(w2.get, i32.const(10)))
  const big1 = xor(rotate(e!, 6), rotate(e!, 11), rotate(e!, 25))
  const chosen = v128.bitselect(f!.get, g!.get, e!.get)
  const big0 = xor(rotate(a!, 2), rotate(a!, 13), rotate(a!, 22))
  const majority = v128.bitselect(c!.get, b!.get, v128.xor(a!.get, b!.get))
  const k = v128.load(i32.const(roundsAt), round * 16)
  return [
    round < 16 ? [] : word.set(add(word.get, small0, w[(round + 9) % 16]!.get, small1)),
    t1.set(add(h!.get, big1, chosen, k, word.get)),
    t2.set(add(big0, majority)),
    d!.set(add(d!.get, t1.get)),
    h!.set(add(t1.get, t2.get)),
  ]
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

function roundConstants(): readonly number[] {
  return firstFractions(64, 3)
}

const initialState = firstFractions(8, 2)

/** The first 32 bits behind the point of a root of each of the first primes, found by exact integers. */
function firstFractions(count: number, degree: number): readonly number[] {
  const primes: number[] = []
  for (let n = 2; primes.length < count; n++)
    if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  return primes.map((prime) => {
    const target = BigInt(prime) << BigInt(32 * degree)
    let root = 0n
    for (let bit = 1n << 36n; bit > 0n; bit >>= 1n)
      if ((root + bit) ** BigInt(degree) <= target) root += bit
    return Number(root & 0xffffffffn)
  })
}
