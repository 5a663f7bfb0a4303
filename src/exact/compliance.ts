/**
 * What every back end must pass: cases whose every output bit is known. A test compares a back end with
 * the committed fingerprints (`compliance/golden.json`, made by the reference back end); a node that joins
 * a network posts the hash of them all, so that a wrong runtime is found before it earns anything.
 *
 * @example
 * ```ts
 * for (const each of Compliance.cases()) {
 *   const difference = await Compliance.compare(backend, each)
 *   if (difference) throw new Error(difference)
 * }
 * ```
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Backend } from './Backend.ts'
import recorded from './compliance/golden.json' with { type: 'json' }
import type { Case } from './compliance/Case.ts'
import { graphs } from './compliance/graphs.ts'
import { maps } from './compliance/maps.ts'
import { moves } from './compliance/moves.ts'
import { products } from './compliance/products.ts'
import type { NamedValue } from './Graph.ts'
import { valueOf } from './Graph.ts'
import { reference } from './reference.ts'

export type { Case } from './compliance/Case.ts'

/** All cases, made one at a time: the same on every machine. */
export function* cases(): Generator<Case> {
  yield* maps()
  yield* products()
  yield* moves()
  yield* graphs()
}

/** The fingerprint of each case by name, as the reference back end made them. */
export const golden: Readonly<Record<string, string>> = recorded

/** What a back end makes of a case: the results of every step, then the last state. */
export async function outputs(backend: Backend, each: Case): Promise<readonly Output[]> {
  const { graph, state, batches } = each
  await using executable = await backend.prepare(graph)
  state.forEach((bytes, index) => executable.writeState(index, bytes))
  const results = batches.flatMap((batch, step) =>
    executable.step(batch).map((bytes, index): Output => {
      const { name, value } = graph.results[index]!
      const { dtype, shape } = valueOf(graph, value)
      return { name: `${name} of step ${step}`, dtype, shape, bytes: bytes.slice() }
    }),
  )
  const last = graph.state.map((slot, index) => ({
    ...slot,
    bytes: executable.readState(index).slice(),
  }))
  return [...results, ...last]
}

export type Output = NamedValue & { readonly bytes: Uint8Array }

/** SHA-256 of the outputs of a case, in hex. */
export async function fingerprint(backend: Backend, each: Case): Promise<string> {
  const hash = sha256.create()
  for (const { bytes } of await outputs(backend, each)) hash.update(bytes)
  return bytesToHex(hash.digest())
}

/** The fingerprints of all cases by name, to be compared with `golden`. */
export async function fingerprints(backend: Backend): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for (const each of cases()) found[each.name] = await fingerprint(backend, each)
  return found
}

/** SHA-256 of names and fingerprints in order, in hex: what a node posts of its back end. */
export function suiteHash(found: Readonly<Record<string, string>>): string {
  const lines = Object.entries(found).map(([name, print]) => `${name}\n${print}\n`)
  return bytesToHex(sha256(utf8ToBytes(lines.join(''))))
}

/** The first element in which a back end differs from another (the reference), for people; undefined when none. */
export async function compare(
  backend: Backend,
  each: Case,
  against: Backend = reference,
): Promise<string | undefined> {
  const actual = await outputs(backend, each)
  const expected = await outputs(against, each)
  for (const [index, { name, dtype, shape, bytes }] of expected.entries()) {
    const found = actual[index]?.bytes
    if (!found || found.length !== bytes.length)
      return `${each.name}: ${name} has ${found?.length ?? 'no'} bytes, not ${bytes.length}.`
    const at = bytes.findIndex((byte, place) => byte !== found[place])
    if (at < 0) continue
    const width = dtype === 'i8' ? 1 : 4
    const element = Math.floor(at / width)
    const hex = (from: Uint8Array) =>
      bytesToHex(from.slice(element * width, (element + 1) * width).reverse())
    return (
      `${each.name}: ${name}, ${dtype} [${shape.join(', ')}], element ${element}` +
      ` is 0x${hex(found)} by ${backend.name}, 0x${hex(bytes)} by ${against.name}.`
    )
  }
  return undefined
}
