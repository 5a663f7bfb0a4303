import type { Graph } from '../Graph.ts'
import { byteLength } from '../Tensor.ts'
import { type Code, type Function, type Local, startModule } from './assemble.ts'
import { barrier, control } from './barrier.ts'
import type { Compilation } from './Compilation.ts'
import { call, i32, least, memory, one, when } from './instructions.ts'
import { workBytes } from './matmul.ts'
import { type Copy, type Plan, plan } from './plan.ts'
import { isProduct, type Planning, planStages, scratchBytes, startOnce } from './planStages.ts'
import { laneBytes } from './reduce.ts'
import { type Access, mustWait, type Stage } from './Stage.ts'
import { constantTasks } from './constantTasks.ts'
import { markImport } from './StageTimes.ts'
import { fuse } from './fuse.ts'
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
  const planning: Planning = { compilation, graph: tasks, constant: constantTasks(tasks) }
  const roomOf = scratchBytes(planning)
  const planned = plan(tasks, workAt + threads * workOfThread, (_, op) => roomOf(op))
  const once = startOnce(planned.bytes, constantFlags.at)
  const stages = planStages(planning, planned, {
    workAt,
    workBytes: workOfThread,
    flagsAt: stepFlags.at,
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
    constantSlots: new Set(graph.state.keys().filter(planning.constant.isConstant)),
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
