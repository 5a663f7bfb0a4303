import type { Graph } from '../Graph.ts'
import { type Code, type Function, type Local, startModule } from './assemble.ts'
import { barrier, control } from './barrier.ts'
import type { Compilation } from './Compilation.ts'
import { call, i32, least, memory, one, when } from './instructions.ts'
import { workBytes } from './matmul.ts'
import { type Copy, type Plan, plan } from './plan.ts'
import { panelBytes } from './productStages.ts'
import { laneBytes } from './reduce.ts'
import { type Access, mustWait, type Stage } from './Stage.ts'
import type { ConstantPanels, Placed, Rooms } from './places.ts'
import { markImport } from './StageTimes.ts'
import { stagesOf } from './stagesOf.ts'
import { fuse } from './fuse.ts'
import { type Task, type Tasks, valueOf } from './Task.ts'

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
  /** State slots of which packed copies exist. */
  readonly packedSlots: ReadonlySet<number>
  /** Whether any stage is divided between threads. */
  readonly isParallel: boolean
  /** All stages, in the order of the numbers that a module with a stopwatch marks them by. */
  readonly stages: readonly Stage[]
}

export type Range = { readonly at: number; readonly bytes: number }

export type CompileOptions = Pick<Compilation, 'fusion' | 'kernels' | 'threads' | 'aloneBelow'> & {
  /** How long threads wait for each other. */
  readonly stallMs: number
  /** Whether the module calls `env.mark` with the number of each stage that begins. */
  readonly isTimed: boolean
}

const pageBytes = 65_536
/** Stages in one function: a step as one function would take long to optimise. */
const stagesPerFunction = 64

/** Writes the module that runs a graph, and plans its memory. */
export function compile(graph: Graph, options: CompileOptions): Compiled {
  const { fusion, kernels, threads, stallMs, aloneBelow, isTimed } = options
  const module = startModule(isTimed ? [markImport] : [])
  const tasks = fuse(graph)
  const { masksAt, words, end } = masks
  const compilation: Compilation = { module, fusion, kernels, threads, aloneBelow, masksAt }
  const flags = tasks.ops.filter(({ op }) => op.kind === 'contract-i8').length
  const stepFlags = { at: end, bytes: flags * 4 }
  const constantFlags = { at: end + flags * 4, bytes: flags * 4 }
  const workAt = aligned(end + flags * 8)
  const workOfThread = aligned(roomOfThread(compilation))
  const planned = plan(tasks, workAt + threads * workOfThread, (task) =>
    scratchOf(compilation, tasks, task),
  )
  const constant = startConstants(planned.bytes, constantFlags.at)
  const stages = planStages(compilation, tasks, planned, {
    workAt,
    workBytes: workOfThread,
    flagsAt: stepFlags.at,
    constantPanels: constant.panels,
  })
  const isParallel = [...constant.stages, ...stages].some(
    ({ units, perThread }) => perThread < units,
  )
  if (threads > 1 && !isParallel) return compile(graph, { ...options, threads: 1 })
  const all = [...stages, ...planned.copies.map(copyStage)]
  defineStep(compilation, { packing: constant.stages, stages: all, stallMs, isTimed })
  const pages = Math.ceil(constant.top() / pageBytes)
  const shared = threads > 1
  return {
    code: module.bytes({ pages, shared }),
    pages,
    shared,
    plan: planned,
    words,
    stepFlags,
    constantFlags,
    packedSlots: constantSlots(tasks),
    isParallel,
    stages: [...constant.stages, ...all],
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

/** The slot a value is, when it stays as it is. */
function constantSlot(graph: Tasks, root: number): number | undefined {
  return root < graph.state.length && graph.next[root] === root ? root : undefined
}

function constantSlots(graph: Tasks): ReadonlySet<number> {
  return new Set(graph.state.keys().filter((slot) => constantSlot(graph, slot) !== undefined))
}

/** Room for the packed right operand of a product, unless it is packed for good. */
function scratchOf(compilation: Compilation, graph: Tasks, node: Task): number {
  const { op } = node
  if (op.kind !== 'contract' && op.kind !== 'contract-i8') return 0
  if (constantSlot(graph, node.inputs[1]!) !== undefined) return 0
  const values = node.inputs.map((input) => ({ ...valueOf(graph, input), at: 0 }))
  return panelBytes(compilation, op, values, { ...node, at: 0 })
}

/** Packed weights that do not change, above all other memory. */
function startConstants(base: number, flagsAt: number) {
  const known = new Map<string, Omit<ConstantPanels, 'isNew'>>()
  const stages: Stage[] = []
  let top = aligned(base)
  const panels = (key: string, bytes: number): ConstantPanels => {
    const found = known.get(key)
    if (found) return { ...found, isNew: false }
    const made = {
      at: top,
      flagAt: flagsAt + known.size * 4,
      add: (stage: Stage) => void stages.push(stage),
    }
    top = aligned(top + bytes)
    known.set(key, made)
    return { ...made, isNew: true }
  }
  return { panels, stages, top: () => top + 64 }
}

type Places = Pick<Rooms, 'workAt' | 'workBytes' | 'constantPanels'> & { readonly flagsAt: number }

function planStages(
  compilation: Compilation,
  graph: Tasks,
  { order, addresses, scratch }: Plan,
  { flagsAt, ...places }: Places,
): readonly Stage[] {
  const first = graph.state.length + graph.batch.length
  const placed = (value: number): Placed => {
    const { dtype, shape } = valueOf(graph, value)
    return { dtype, shape, at: addresses[value]!, constant: constantSlot(graph, value) }
  }
  let flags = 0
  return order.flatMap((op) => {
    const node = graph.ops[op]!
    const flagAt = flagsAt + 4 * (node.op.kind === 'contract-i8' ? flags++ : 0)
    const stages = stagesOf(compilation, node, {
      inputs: node.inputs.map(placed),
      out: placed(first + op),
      rooms: { ...places, flagAt, scratchAt: scratch.get(op) ?? 0 },
    })
    return stages.map((stage) => ({ ...stage, op: node.source }))
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
  /** Done when a constant weight has changed. */
  readonly packing: readonly Stage[]
  readonly stages: readonly Stage[]
  readonly stallMs: number
  readonly isTimed: boolean
}

/** The exported function: all stages, and a meeting wherever one has to wait for another. */
function defineStep(compilation: Compilation, step: Step): void {
  const { packing, stages, stallMs, isTimed } = step
  const meet = compilation.threads > 1 ? call(barrier(compilation, stallMs)) : []
  const mark = (thread: Local, stage: number) =>
    isTimed ? when(i32.eqz(thread.get), call(marking, i32.const(stage))) : []
  const packs = sequence(compilation, packing, { meet, mark })
  const all = sequence(compilation, stages, {
    meet,
    mark: (thread, stage) => mark(thread, packing.length + stage),
  })
  compilation.module.define(
    { parameters: ['i32'], exported: 'step' },
    ({ parameters: [thread] }) => {
      const run = (functions: readonly Function[]) =>
        functions.map((each) => [call(each, thread!.get)])
      return [
        packing.length > 0 ? when(i32.load(i32.const(control.changed)), [run(packs), meet]) : [],
        run(all),
        meet,
        mark(thread!, packing.length + stages.length),
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
  { meet, mark }: { meet: Code; mark: (thread: Local, stage: number) => Code },
): readonly Function[] {
  const { module, threads } = compilation
  const functions: Function[] = []
  let since: Access[] = []
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
        return [
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
