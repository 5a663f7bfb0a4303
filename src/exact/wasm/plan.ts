import { BackendError } from '../Backend.ts'
import { byteLength, same } from '../Tensor.ts'
import { startArena } from './arena.ts'
import { rootsOf } from './roots.ts'
import { constantTasks, type ConstantTasks } from './constantTasks.ts'
import { schedule } from './schedule.ts'
import { type Task, type Tasks, valueOf } from './Task.ts'

/** Where everything of a graph stands in memory, and in which order it runs. */
export type Plan = {
  /** Numbers of ops. */
  readonly order: readonly number[]
  /** The address of each value. */
  readonly addresses: readonly number[]
  /** Room of an op for itself, while it runs. */
  readonly scratch: ReadonlyMap<number, number>
  /** Copies at the end of a step, in order: first what would be overwritten, then the next state. */
  readonly copies: readonly Copy[]
  /** The address of each result. */
  readonly results: readonly number[]
  readonly bytes: number
}

export type Copy = { readonly to: number; readonly from: number; readonly bytes: number }

/** Memory that WebAssembly can address. */
const mostBytes = 2 ** 32 - 65_536
/** Vectors may be read a little past the end of a value. */
const slackBytes = 64

/**
 * Plans the memory of a graph: values that are not alive at once share it, an elementwise op writes over
 * an input that dies there, and the next value of a state slot over the slot where nobody minds.
 *
 * @param base the first free address.
 * @param scratchBytes how much room an op needs for itself.
 * @throws {BackendError} when it is more than 4 GiB.
 */
export function plan(
  graph: Tasks,
  base: number,
  scratchBytes: (node: Task, op: number) => number,
): Plan {
  const order = schedule(graph)
  const roots = rootsOf(graph)
  const arena = startArena(base)
  const first = graph.state.length + graph.batch.length
  const bytesOf = (value: number) => byteLength(valueOf(graph, value))
  const addresses: number[] = Array.from({ length: first }, (_, value) =>
    arena.take(bytesOf(value)),
  )
  const constant = constantTasks(graph)
  const lastRead = lastReads(graph, { order, roots, constant })
  const { copies, results, takeSaved } = ending(graph, roots, arena.take)
  const inPlace = nextInPlace(graph, { order, roots, constant })
  const scratch = new Map<number, number>()
  const owned = new Map<number, number>()

  order.forEach((op, position) => {
    const node = graph.ops[op]!
    const value = first + op
    if (roots[value] === value) {
      const slot = inPlace.get(value)
      const heir = slot === undefined ? heirOf(node, position) : undefined
      addresses[value] =
        slot !== undefined
          ? addresses[slot]!
          : heir !== undefined
            ? owned.get(heir)!
            : arena.take(bytesOf(value))
      if (heir !== undefined) owned.delete(heir)
      if (slot === undefined) owned.set(value, addresses[value]!)
      const room = scratchBytes(node, op)
      if (room > 0) scratch.set(op, arena.take(room))
      if (room > 0) arena.free(scratch.get(op)!)
    }
    const touched = new Set([value, ...node.inputs].map((each) => roots[each]!))
    for (const root of touched)
      if ((lastRead.get(root) ?? position) <= position && owned.has(root)) {
        arena.free(owned.get(root)!)
        owned.delete(root)
      }
  })

  /** An input that this op alone still wants, and whose elements it reads where it writes. */
  function heirOf(node: Task, position: number): number | undefined {
    return identityInputs(graph, node)
      .map((input) => roots[input]!)
      .find((root) => {
        const others = node.inputs.filter((input) => roots[input] === root)
        const isOnly = others.every((input) => identityInputs(graph, node).includes(input))
        return isOnly && owned.has(root) && lastRead.get(root) === position
      })
  }

  roots.forEach((root, value) => (addresses[value] = addresses[root]!))
  const bytes = arena.top() + slackBytes
  if (bytes > mostBytes)
    throw new BackendError(
      `The graph needs ${Math.ceil(bytes / 2 ** 20)} MiB, WebAssembly has 4096: make its batch smaller.`,
    )
  return {
    order,
    addresses,
    scratch,
    copies: copies(addresses, inPlace),
    results: results.map((value) => takeSaved(value, addresses)),
    bytes,
  }
}

/** Inputs that an op reads only where it writes: it may write over them. */
export function identityInputs(graph: Tasks, node: Task): readonly number[] {
  if (node.op.kind === 'place') return node.inputs.slice(0, 1)
  if (node.op.kind !== 'map' || node.dtype === 'i8') return []
  return node.inputs.filter((input) => {
    const { dtype, shape } = valueOf(graph, input)
    return dtype !== 'i8' && same(shape, node.shape)
  })
}

type Ordered = { readonly order: readonly number[]; readonly roots: readonly number[] }

/** The last position at which the memory of a root is read; the end for what outlives a step. */
function lastReads(
  graph: Tasks,
  { order, roots, constant }: Ordered & { readonly constant: ConstantTasks },
): ReadonlyMap<number, number> {
  const last = new Map<number, number>()
  order.forEach((op, position) => {
    for (const input of graph.ops[op]!.inputs) {
      // What is not computed in every step has to outlive the steps, unless only panels of it are read.
      const outlives = constant.isConstant(input) && !constant.ops.has(op)
      if (constant.isPackedForGood(op, input)) continue
      last.set(
        roots[input]!,
        outlives ? Infinity : Math.max(position, last.get(roots[input]!) ?? 0),
      )
    }
  })
  for (const value of [...graph.next, ...graph.results.map((result) => result.value)])
    last.set(roots[value]!, Infinity)
  return last
}

/** Values that are written over the state slot they are the next value of. */
function nextInPlace(
  graph: Tasks,
  { order, roots, constant }: Ordered & { readonly constant: ConstantTasks },
): ReadonlyMap<number, number> {
  const first = graph.state.length + graph.batch.length
  const positions = new Map(order.map((op, position) => [op, position]))
  const nextRoots = graph.next.map((value) => roots[value]!)
  const outlive = new Set([...nextRoots, ...graph.results.map(({ value }) => roots[value]!)])
  const lastOther = new Map<number, number>()
  order.forEach((op, position) => {
    const node = graph.ops[op]!
    for (const input of node.inputs) lastOther.set(roots[input]!, position)
  })
  const found = new Map<number, number>()
  nextRoots.forEach((value, slot) => {
    const op = value - first
    if (op < 0 || outlive.has(slot) || found.has(value) || constant.ops.has(op)) return
    const node = graph.ops[op]!
    const position = positions.get(op)!
    const last = lastOther.get(slot) ?? -1
    const own = node.inputs.filter((input) => roots[input] === slot)
    const isIdentity = own.every((input) => identityInputs(graph, node).includes(input))
    const alone = node.op.kind !== 'place' || own.length < 2
    if (last < position || (last === position && isIdentity && alone)) found.set(value, slot)
  })
  return found
}

/** What has to be copied when all ops have run. */
function ending(graph: Tasks, roots: readonly number[], take: (bytes: number) => number) {
  const states = graph.state.length
  const nextRoots = graph.next.map((value) => roots[value]!)
  const changes = (slot: number) => slot < states && nextRoots[slot] !== slot
  const results = graph.results.map(({ value }) => roots[value]!)
  const wanted = [...results, ...nextRoots.filter((root, slot) => root !== slot)]
  const saved = new Map(
    [...new Set(wanted)]
      .filter(changes)
      .map((slot) => [slot, take(byteLength(graph.state[slot]!))] as const),
  )
  const copies = (addresses: readonly number[], inPlace: ReadonlyMap<number, number>) => {
    const saves = [...saved].map(([slot, to]) => ({
      to,
      from: addresses[slot]!,
      bytes: byteLength(graph.state[slot]!),
    }))
    const moves = nextRoots.flatMap((root, slot) => {
      if (root === slot || inPlace.get(root) === slot) return []
      const from = saved.get(root) ?? addresses[root]!
      return [{ to: addresses[slot]!, from, bytes: byteLength(graph.state[slot]!) }]
    })
    return [...saves, ...moves]
  }
  return {
    copies,
    results,
    takeSaved: (root: number, addresses: readonly number[]) => saved.get(root) ?? addresses[root]!,
  }
}
