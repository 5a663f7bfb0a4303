import type { Graph } from '../Graph.ts'
import { byteLength } from '../Tensor.ts'
import { type Code, type Function, type Local, startModule } from './assemble.ts'
import { barrier, control } from './barrier.ts'
import type { Compilation } from './Compilation.ts'
import { call, i32, least, memory, one, when } from './instructions.ts'
import { workBytes } from './matmul.ts'
import { type Copy, type Plan, plan } from './plan.ts'
import { integerBound } from './program.ts'
import { packRight, panelBytes, type Product } from './productStages.ts'
import { laneBytes } from './reduce.ts'
import { type Access, mustWait, type Stage } from './Stage.ts'
import type { ConstantPanels, Given, Rooms } from './places.ts'
import { constantTasks, type ConstantTasks } from './constantTasks.ts'
import { rootsOf } from './roots.ts'
import { markImport } from './StageTimes.ts'
import { stagesOf } from './stagesOf.ts'
import { fuse } from './fuse.ts'
import { type Task, type Tasks, valueOf } from './Task.ts'
import { awaitCommit, type Commitment, commitmentOf, defineCommit } from './commit.ts'
import * as Sha256 from './sha256.ts'

/** A graph as a module, and where its values stand in the memory it imports. */
export type Compiled = {
  /** Exports `step(thread)`, which every thread calls. */
  readonly code: Uint8Array<ArrayBuffer>
  readonly pages: number
  readonly shared: boolean
  readonly plan: Plan
  /** Words to put into memory before the first step. */
  readonly words: readonly (readonly [address: number, word: number])[]
  /** Words that have to be zero before each step, and before weights are packed anew. */
  readonly stepFlags: Range
  readonly constantFlags: Range
  /** State slots that no step changes: what is computed from them is computed once. */
  readonly constantSlots: ReadonlySet<number>
  /** Whether any stage is divided between threads. */
  readonly isParallel: boolean
  readonly threads: number
  readonly hashers: number
  /** What `commit` hashes, and where the roots of subtrees are. */
  readonly commitment: Commitment & { readonly rootsAt: number }
  /** All stages, in the order of the numbers that a module with a stopwatch marks them by. */
  readonly stages: readonly Stage[]
}

export type Range = { readonly at: number; readonly bytes: number }

export type CompileOptions = Pick<Compilation, 'fusion' | 'kernels' | 'threads' | 'aloneBelow'> & {
  /** How long threads wait for each other. */
  readonly stallMs: number
  /** Threads that hash the state beside those that compute; without any, these do. */
  readonly hashers: number
  /** Whether the module calls `env.mark` with the number of each stage that begins. */
  readonly isTimed: boolean
}

const pageBytes = 65_536
/** Stages in one function: a step as one function would take long to optimise. */
const stagesPerFunction = 64

/** Writes the module that runs a graph, and plans its memory. */
export function compile(graph: Graph, options: CompileOptions): Compiled {
  const { fusion, kernels, threads, hashers, stallMs, aloneBelow, isTimed } = options
  const module = startModule(isTimed ? [markImport] : [])
  const tasks = fuse(graph)
  const { masksAt, end } = masks
  const compilation: Compilation = { module, fusion, kernels, threads, aloneBelow, masksAt }
  const flags = tasks.ops.filter(({ op }) => isProduct(op)).length
  const stepFlags = { at: end, bytes: flags * 4 }
  const constantFlags = { at: end + flags * 4, bytes: flags * 4 }
  const commitment = commitmentOf(tasks)
  const roundsAt = aligned(end + flags * 8)
  const roomAt = roundsAt + Sha256.roundBytes
  const rootsAt = roomAt + (hashers || threads) * Sha256.roomBytes
  const workAt = aligned(rootsAt + commitment.bytes)
  const workOfThread = aligned(roomOfThread(compilation))
  const constant = constantTasks(tasks)
  const planned = plan(tasks, workAt + threads * workOfThread, (task, op) =>
    isProduct(task.op) && !constant.isPackedForGood(op, task.inputs[1]!)
      ? scratchOf(compilation, tasks, task, task.op)
      : 0,
  )
  const once = startOnce(planned.bytes, constantFlags.at)
  const stages = planStages(compilation, tasks, planned, {
    workAt,
    workBytes: workOfThread,
    flagsAt: stepFlags.at,
    constant,
    once,
  })
  const isParallel = [...once.stages, ...stages].some(({ units, perThread }) => perThread < units)
  if (threads > 1 && !isParallel) return compile(graph, { ...options, threads: 1 })
  const all = [...stages, ...planned.copies.map(copyStage)]
  const shared = threads > 1 || hashers > 0
  const guarded = planned.addresses.slice(0, graph.state.length).map((start, slot) => ({
    kind: 'read' as const,
    start,
    bytes: byteLength(graph.state[slot]!),
  }))
  const isGuarded = (accesses: readonly Access[]) => hashers > 0 && mustWait(guarded, accesses)
  defineStep(compilation, { once: once.stages, stages: all, stallMs, isTimed, isGuarded })
  const { addresses } = planned
  defineCommit(compilation, tasks, commitment, { addresses, roundsAt, roomAt, rootsAt })
  const pages = Math.ceil(once.top() / pageBytes)
  return {
    code: module.bytes({ pages, shared }),
    pages,
    shared,
    plan: planned,
    words: [...masks.words, ...Sha256.roundWords(roundsAt)],
    stepFlags,
    constantFlags,
    constantSlots: new Set(graph.state.keys().filter(constant.isConstant)),
    isParallel,
    threads,
    hashers,
    commitment: { ...commitment, rootsAt },
    stages: [...once.stages, ...all],
  }
}

/** Masks of the reductions: sixteen words of ones, then sixteen of zeros. */
const masks = {
  masksAt: control.end,
  words: Array.from(
    { length: 32 },
    (_, lane) => [control.end + lane * 4, lane < 16 ? 0xffff_ffff : 0] as const,
  ),
  end: control.end + 32 * 4,
}

function roomOfThread(compilation: Compilation): number {
  const kinds = ['f32', 'i8', 'i16'] as const
  return Math.max(laneBytes, ...kinds.map((kind) => workBytes(compilation, kind)))
}

function isProduct(op: Task['op']): op is Product {
  return op.kind === 'contract' || op.kind === 'contract-i8'
}

/** Whether a value is made of integers from -64 to 63: quantised as the right operand of a product. */
function isNarrow(graph: Tasks, value: number): boolean {
  const op = graph.ops[value - graph.state.length - graph.batch.length]?.op
  return op?.kind === 'map' && integerBound(op.program) <= 63
}

/** Room for the packed right operand of a product. */
function scratchOf(compilation: Compilation, graph: Tasks, node: Task, op: Product): number {
  const roots = rootsOf(graph)
  const values = node.inputs.map((input) => ({
    ...valueOf(graph, input),
    at: 0,
    isNarrow: isNarrow(graph, roots[input]!),
  }))
  return panelBytes(compilation, op, values, { ...node, at: 0 })
}

/** What is done once, as long as no constant is written: panels stand above all other memory. */
function startOnce(base: number, flagsAt: number) {
  const known = new Map<string, Omit<ConstantPanels, 'isNew'>>()
  const stages: Stage[] = []
  let top = aligned(base)
  const panels = (key: string, bytes: number): ConstantPanels => {
    const found = known.get(key)
    if (found) return { ...found, isNew: false }
    const made = {
      at: top,
      flagAt: flagsAt + known.size * 4,
      add: (...some: readonly Stage[]) => void stages.push(...some),
    }
    top = aligned(top + bytes)
    known.set(key, made)
    return { ...made, isNew: true }
  }
  const add = (...some: readonly Stage[]) => void stages.push(...some)
  return { panels, stages, add, top: () => top + 64 }
}

type Places = Pick<Rooms, 'workAt' | 'workBytes'> & {
  readonly flagsAt: number
  readonly constant: ConstantTasks
  readonly once: ReturnType<typeof startOnce>
}

function planStages(
  compilation: Compilation,
  graph: Tasks,
  { order, addresses, scratch }: Plan,
  { flagsAt, constant, once, ...places }: Places,
): readonly Stage[] {
  const first = graph.state.length + graph.batch.length
  const roots = rootsOf(graph)
  const products = [...graph.ops.keys()].filter((op) => isProduct(graph.ops[op]!.op))
  const flagAt = new Map(products.map((op, index) => [op, flagsAt + index * 4]))
  const placed = (op: number) => (value: number) => ({
    ...valueOf(graph, value),
    at: addresses[value]!,
    constant: constant.isPackedForGood(op, value) ? roots[value] : undefined,
    isNarrow: isNarrow(graph, roots[value]!),
  })
  const given = (op: number): Given => ({
    inputs: graph.ops[op]!.inputs.map(placed(op)),
    out: placed(op)(first + op),
    rooms: {
      ...places,
      constantPanels: once.panels,
      flagAt: flagAt.get(op) ?? 0,
      scratchAt: scratch.get(op) ?? 0,
    },
  })
  const packAll = (root: number) => {
    for (const op of products) {
      const task = graph.ops[op]!
      const right = task.inputs[1]!
      if (isProduct(task.op) && roots[right] === root && constant.isPackedForGood(op, right))
        packRight(compilation, task.op, given(op))
    }
  }
  return order.flatMap((op) => {
    const task = graph.ops[op]!
    const stages = stagesOf(compilation, task, given(op)).map((stage) => ({
      ...stage,
      op: task.source,
    }))
    if (!constant.ops.has(op)) return stages
    once.add(...stages)
    // Before something else takes its place.
    packAll(first + op)
    return []
  })
}

function copyStage({ to, from, bytes }: Copy): Stage {
  return {
    what: 'copy',
    units: 1,
    perThread: 1,
    run: (begin, end) =>
      when(i32.ltU(begin, end), memory.copy(i32.const(to), i32.const(from), i32.const(bytes))),
    accesses: [
      { kind: 'write', start: to, bytes },
      { kind: 'read', start: from, bytes },
    ],
  }
}

type Step = {
  /** Done when a constant has changed. */
  readonly once: readonly Stage[]
  readonly stages: readonly Stage[]
  readonly stallMs: number
  readonly isTimed: boolean
  /** Whether what a stage does to memory must wait for threads that hash the state. */
  readonly isGuarded: (accesses: readonly Access[]) => boolean
}

/** The exported function: all stages, and a meeting wherever one has to wait for another. */
function defineStep(compilation: Compilation, step: Step): void {
  const { once, stages, stallMs, isTimed, isGuarded } = step
  const meet = compilation.threads > 1 ? call(barrier(compilation, stallMs)) : []
  const mark = (thread: Local, stage: number) =>
    isTimed ? when(i32.eqz(thread.get), call(marking, i32.const(stage))) : []
  const wait = (left: Local) => awaitCommit(left, stallMs)
  const first = sequence(compilation, once, { meet, mark, wait, isGuarded: () => false })
  const all = sequence(compilation, stages, {
    meet,
    mark: (thread, stage) => mark(thread, once.length + stage),
    wait,
    isGuarded,
  })
  compilation.module.define(
    { parameters: ['i32'], exported: 'step' },
    ({ parameters: [thread] }) => {
      const run = (functions: readonly Function[]) =>
        functions.map((each) => [call(each, thread!.get)])
      return [
        once.length > 0 ? when(i32.load(i32.const(control.changed)), [run(first), meet]) : [],
        run(all),
        meet,
        mark(thread!, once.length + stages.length),
      ]
    },
  )
}

/** The function of JavaScript that a module with a stopwatch imports first. */
const marking: Function = { index: 0 }

/** Stages in functions of some each. */
function sequence(
  compilation: Compilation,
  stages: readonly Stage[],
  {
    meet,
    mark,
    wait,
    isGuarded,
  }: {
    readonly meet: Code
    readonly mark: (thread: Local, stage: number) => Code
    readonly wait: (left: Local) => Code
    readonly isGuarded: Step['isGuarded']
  },
): readonly Function[] {
  const { module, threads } = compilation
  const functions: Function[] = []
  let since: Access[] = []
  let hasWaited = false
  for (let first = 0; first < stages.length; first += stagesPerFunction) {
    const some = stages.slice(first, first + stagesPerFunction)
    const define = module.define({ parameters: ['i32'] }, ({ parameters: [thread], local }) => {
      const [begin, end] = [local('i32'), local('i32')]
      return some.map(({ units, perThread, accesses, run }, index) => {
        const waits = mustWait(since, accesses)
        if (waits) since = []
        since.push(...accesses)
        const upTo = (number: Code) =>
          least(i32.mul(number, i32.const(perThread)), i32.const(units))
        const isFirst = !hasWaited && isGuarded(accesses)
        hasWaited ||= isFirst
        return [
          isFirst ? wait(begin) : [],
          waits ? meet : [],
          mark(thread!, first + index),
          threads === 1
            ? run(i32.const(0), i32.const(units), i32.const(0))
            : [
                begin.set(upTo(thread!.get)),
                end.set(upTo(i32.add(thread!.get, one))),
                when(i32.ltU(begin.get, end.get), run(begin.get, end.get, thread!.get)),
              ],
        ]
      })
    })
    functions.push(define)
  }
  return functions
}

function aligned(value: number): number {
  return Math.ceil(value / 64) * 64
}
