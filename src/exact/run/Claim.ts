import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { cidOf } from '../encode.ts'
import type { Graph } from '../Graph.ts'
import { rootOf } from '../judgeable.ts'

/**
 * What a run says of itself, and what a receipt for exact work carries (SPEC.md section 5): whoever has the
 * data and the first state can repeat the run and compare.
 */
export type Claim = Origin & {
  readonly steps: number
  /** State root after the last step. */
  readonly finalRoot: Hash
  /** Root over the state roots of all steps. */
  readonly runRoot: Hash
}

/** What a run follows from: two runs of one origin have the same state after every step. */
export type Origin = {
  readonly graphCid: string
  readonly graphRoot: Hash
  /** State root before the first step. */
  readonly startRoot: Hash
  /** That of no bytes when the graph reads no batch. */
  readonly dataRoot: Hash
  readonly seed: readonly [number, number]
}

/** 32 bytes in hexadecimal digits after `0x`. */
export type Hash = `0x${string}`

/** The origin of a run of a graph. */
export function originOf(graph: Graph, { startRoot, dataRoot, seed }: originOf.Options): Origin {
  return {
    graphCid: cidOf(graph),
    graphRoot: hashOf(rootOf(graph)),
    startRoot: hashOf(startRoot),
    dataRoot: hashOf(dataRoot),
    seed,
  }
}

export declare namespace originOf {
  type Options = {
    startRoot: Uint8Array
    dataRoot: Uint8Array
    seed: readonly [number, number]
  }
}

/**
 * What two origins differ in, in words; nothing when they are the same. Where the seed differs, the start
 * state that was drawn by it is not named too.
 */
export function differences(a: Origin, b: Origin): readonly string[] {
  const isOtherGraph = a.graphCid !== b.graphCid || a.graphRoot !== b.graphRoot
  const isOtherSeed = a.seed.join() !== b.seed.join()
  return [
    ...(isOtherGraph ? ['graph'] : []),
    ...(isOtherSeed ? ['seed'] : []),
    ...(a.dataRoot === b.dataRoot ? [] : ['data']),
    ...(a.startRoot === b.startRoot || isOtherSeed || isOtherGraph ? [] : ['start state']),
  ]
}

/** A root as text. */
export function hashOf(root: Uint8Array): Hash {
  return `0x${bytesToHex(root)}`
}

/** A root from its text. */
export function bytesOf(hash: Hash): Uint8Array {
  return hexToBytes(hash.slice(2))
}

/** Whether a text is a root. */
export function isHash(text: unknown): text is Hash {
  return typeof text === 'string' && /^0x[0-9a-f]{64}$/.test(text)
}
