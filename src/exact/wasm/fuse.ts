import { type Graph, valueOf } from '../Graph.ts'
import { count, same, type Shape } from '../Tensor.ts'
import { compose, type Part } from './compose.ts'
import { identity } from './reduce.ts'
import { rootsOf } from './roots.ts'
import type { Fused, Task, Tasks } from './Task.ts'

/** The most inputs and instructions of a task. */
const most = { inputs: 10, code: 256 }

/**
 * Makes one task of several: a map that only maps and reductions of as many elements read becomes a
 * part of them, and what it gives is never stored. The rules for what an f32 op stores stay between
 * the programs, so that no bit changes.
 */
export function fuse(graph: Graph): Tasks {
  const first = graph.state.length + graph.batch.length
  const uses = usesOf(graph)
  const tasks = new Map<number, Task>()
  /** Maps that become a part of what reads them. */
  const parts = new Map<number, Task & { readonly program: Fused }>()
  const computed = (value: number) => {
    const { program, ...task } = parts.get(value) ?? {}
    if (program) tasks.set(value, task as Task)
    parts.delete(value)
  }

  graph.ops.forEach((node, op) => {
    const value = first + op
    const program = programOf(node)
    const iterated = node.op.kind === 'reduce' ? valueOf(graph, node.inputs[0]!).shape : node.shape
    const sources: (number | Part)[] = [...node.inputs]
    let task: Task = { ...node, source: op }
    node.inputs.forEach((input, index) => {
      const part = parts.get(input)
      if (!part) return
      const tried = program && absorbed(index, part)
      if (tried) task = tried
      else computed(input)
    })

    function absorbed(index: number, part: Task & { readonly program: Fused }): Task | undefined {
      if (part.inputs.length > 0 && !same(part.shape, iterated)) return undefined
      const isFloat = part.dtype === 'f32'
      const next = sources.with(index, { program: part.program, reads: part.inputs, isFloat })
      const made = compose(program!, next)
      if (made.reads.length > most.inputs || made.program.code.length > most.code) return undefined
      if (isAcross(node, iterated) && !isAlone(made.reads, iterated)) return undefined
      sources.splice(index, 1, next[index]!)
      const fused = {
        program: made.program,
        ...(node.op.kind === 'reduce' ? { from: iterated } : {}),
      }
      return { ...node, op: { ...node.op, ...fused }, inputs: made.reads, source: op } as Task
    }
    if (task.op.kind === 'map' && uses.isPart(value, task.inputs, task.op.program))
      parts.set(value, { ...task, program: task.op.program })
    else tasks.set(value, task)
  })
  return renumbered(graph, tasks)

  /** Whether all that is read is one value of the whole shape. */
  function isAlone([read, ...others]: readonly number[], shape: Shape): boolean {
    return read !== undefined && others.length === 0 && same(valueOf(graph, read).shape, shape)
  }
}

function programOf({ op }: Task): Fused | undefined {
  if (op.kind === 'map') return op.program
  return op.kind === 'reduce' ? identity : undefined
}

/** Whether a reduction runs along another axis than the last one that has more than one element. */
function isAcross({ op }: Task, shape: Shape): boolean {
  return op.kind === 'reduce' && count(shape.slice(op.axis + 1)) > 1
}

/** Who reads what. */
function usesOf(graph: Graph) {
  const first = graph.state.length + graph.batch.length
  const roots = rootsOf(graph)
  const stays = new Set([...graph.next, ...graph.results.map(({ value }) => value)])
  const readers = new Map<number, number[]>()
  const lastReader = new Map<number, number>()
  graph.ops.forEach(({ inputs }, op) => {
    for (const input of new Set(inputs)) {
      readers.set(input, [...(readers.get(input) ?? []), op])
      lastReader.set(roots[input]!, op)
    }
  })
  for (const value of stays) lastReader.set(roots[value]!, Infinity)
  const isLarge = (value: number, shape: Shape) =>
    count(valueOf(graph, value).shape) === count(shape)

  return {
    /** Whether a map may become a part of its readers: it has one, or it costs next to nothing. */
    isPart(value: number, inputs: readonly number[], program: Fused): boolean {
      const all = readers.get(value) ?? []
      const { dtype, shape } = valueOf(graph, value)
      if (all.length === 0 || stays.has(value) || dtype === 'i8') return false
      if (all.some((op) => programOf(graph.ops[op]!) === undefined)) return false
      const isCheap = program.code.length <= 1 && inputs.length <= 1
      if (all.length > 1 && !isCheap) return false
      // What it reads is then kept until its reader runs: no more of it than what it gives.
      const kept = inputs.filter(
        (input) =>
          input >= first && isLarge(input, shape) && lastReader.get(roots[input]!)! < all.at(-1)!,
      )
      return kept.length <= 1
    },
  }
}

/** Tasks in order, their values numbered without gaps. */
function renumbered(graph: Graph, tasks: ReadonlyMap<number, Task>): Tasks {
  const first = graph.state.length + graph.batch.length
  const kept = [...tasks.keys()].toSorted((a, b) => a - b)
  const numbers = new Map(kept.map((value, index) => [value, first + index]))
  const numberOf = (value: number) => (value < first ? value : numbers.get(value)!)
  return {
    state: graph.state,
    batch: graph.batch,
    ops: kept.map((value) => {
      const task = tasks.get(value)!
      return { ...task, inputs: task.inputs.map(numberOf) }
    }),
    next: graph.next.map(numberOf),
    results: graph.results.map(({ name, value }) => ({ name, value: numberOf(value) })),
  }
}
