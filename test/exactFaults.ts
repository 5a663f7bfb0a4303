/** Every way to lie about a run that the tests of disputes know, on either side. */
import { source } from '../src/exact/compliance/Case.ts'
import type { Node } from '../src/exact/Graph.ts'
import { valueOf } from '../src/exact/Graph.ts'
import type { Program } from '../src/exact/Program.ts'
import { runProgramOnMany } from '../src/exact/reference/runProgram.ts'
import * as Hex from '../src/protocol/Hex.ts'
import { challengerMove } from '../src/verification/dispute/challengerMove.ts'
import { claimantMove } from '../src/verification/dispute/claimantMove.ts'
import { partsOf } from '../src/verification/dispute/Game.ts'
import type * as Move from '../src/protocol/dispute/Move.ts'
import type { DisputedStep } from '../src/verification/dispute/openStep.ts'
import type { Position } from '../src/protocol/dispute/Position.ts'
import type { Prover } from '../src/verification/dispute/startProver.ts'
import { depth, fold, type Leaves, spanUnder } from '../src/verification/dispute/tree.ts'
import type { Computed, Fault, Player } from './exactDisputes.ts'
import type { TinyRun } from './exactRuns.ts'

/** Seemingly random numbers that depend on a name alone. */
export type Dice = { below(limit: number): number; pick<item>(items: readonly item[]): item }

export function diceOf(name: string): Dice {
  const next = source(name)
  const below = (limit: number) => next() % limit
  return { below, pick: (items) => items[below(items.length)]! }
}

/** A fault in a run, and where a dispute about it must end. */
export type Injected = {
  readonly name: string
  readonly fault: Fault
  /** The step, where it is known before. */
  readonly step: number | undefined
  /** The value that is wrong first; a slot of the state after the step for `slot`. */
  readonly at: { readonly value: number } | { readonly slot: number } | undefined
  readonly element?: number | undefined
}

/** The faults of a run, by kind. */
export const kinds = {
  weight: (run: TinyRun, dice: Dice): Injected => stateBit('weight', run, dice),
  optimiser: (run: TinyRun, dice: Dice): Injected => stateBit('optimiser', run, dice),
  activation(run: TinyRun, dice: Dice): Injected {
    const step = dice.below(run.steps)
    const index = dice.below(run.graph.ops.length)
    const number = run.graph.state.length + run.graph.batch.length + index
    const { dtype, shape } = valueOf(run.graph, number)
    const width = dtype === 'i8' ? 1 : 4
    const element = dice.below(shape.reduce((product, size) => product * size, 1))
    const bit = dice.below(8 * width)
    const value = (at: Computed) =>
      at.step === step && at.number === number ? flipped(at.bytes, element * width, bit) : undefined
    return {
      name: `bit ${bit} of op ${index}`,
      fault: { value },
      step,
      at: { value: number },
      element,
    }
  },
  /** The batch of another step, of another worker's seed, or one other byte. */
  order(run: TinyRun, dice: Dice): Injected {
    const step = dice.below(run.steps)
    const other = 1 + dice.below(50)
    const bit = dice.below(7)
    const place = dice.below(run.batch(0)[0]!.byteLength / 4)
    const isWhole = dice.below(2) === 0
    const batch = (at: number, given: readonly Uint8Array[]) => {
      if (at !== step) return given
      return isWhole ? run.batch(step + other) : [flipped(given[0]!, place * 4, bit)]
    }
    const value = run.graph.state.length
    return { name: isWhole ? 'order' : 'token', fault: { batch }, step, at: { value } }
  },
  skipped(run: TinyRun, dice: Dice): Injected {
    const step = dice.below(run.steps)
    const counter = run.graph.state.findIndex(({ name }) => name === 'step' || name === 'count')
    const state: Fault['state'] = (at) =>
      at.step === step
        ? at.after.map((bytes, slot) => (slot === counter ? bytes : at.before[slot]!))
        : at.after
    return { name: 'skipped step', fault: { state }, step, at: undefined }
  },
  /** Another op in an op's place, from a step on: what a wrong kernel or a fast mode of a compiler does. */
  kernel(run: TinyRun, dice: Dice): Injected {
    const step = dice.below(run.steps)
    const slots = run.graph.state.length + run.graph.batch.length
    const able = run.graph.ops.flatMap((node, index) => (wrongKernel(node) ? [index] : []))
    const index = dice.pick(able)
    const node = run.graph.ops[index]!
    const wrong = wrongKernel(node)!
    const value = ({ step: at, number, values }: Computed) =>
      at >= step && number === slots + index
        ? wrong(
            node.inputs.map((input) => values[input]!),
            run,
          )
        : undefined
    // It may give the right bits for some steps.
    return {
      name: `wrong ${node.op.kind}`,
      fault: { value },
      step: undefined,
      at: { value: slots + index },
    }
  },
  /** Begins from another state than it says. */
  start(run: TinyRun, dice: Dice): Injected {
    const { slot, place, bit } = someBit(run, dice, (name) => name !== 'step' && name !== 'count')
    const read: Fault['read'] = (step, state) =>
      step === 0
        ? state.map((bytes, at) => (at === slot ? flipped(bytes, place, bit) : bytes))
        : state
    return {
      name: `start of ${run.graph.state[slot]!.name}`,
      fault: { read },
      step: 0,
      at: undefined,
    }
  },
} satisfies Readonly<Record<string, (run: TinyRun, dice: Dice) => Injected>>

function stateBit(kind: 'weight' | 'optimiser', run: TinyRun, dice: Dice): Injected {
  const step = dice.below(run.steps)
  const isOf = (name: string) =>
    name !== 'step' &&
    name !== 'count' &&
    /\.[mv]$|^cache|^tokens/.test(name) === (kind === 'optimiser')
  const { slot, place, bit } = someBit(run, dice, isOf)
  const change = (state: readonly Uint8Array[]) =>
    state.map((bytes, index) => (index === slot ? flipped(bytes, place, bit) : bytes))
  const name = `bit of ${run.graph.state[slot]!.name}`
  if (run.graph.next[slot] === slot) {
    // Nobody hashes again what no step changes, so the claim does not say it; what is computed from it does.
    const read: Fault['read'] = (at, state) => (at >= step ? change(state) : state)
    return { name, fault: { read }, step: undefined, at: undefined }
  }
  const state: Fault['state'] = (at) => (at.step === step ? change(at.after) : at.after)
  return { name, fault: { state }, step, at: { slot } }
}

/** The first state with a bit turned. */
export function changedStart(run: TinyRun, dice: Dice): readonly Uint8Array[] {
  const { slot, place, bit } = someBit(run, dice, (name) => name !== 'step' && name !== 'count')
  return run.start.map((bytes, at) => (at === slot ? flipped(bytes, place, bit) : bytes))
}

function someBit({ graph }: TinyRun, dice: Dice, isOf: (name: string) => boolean) {
  const able = graph.state.flatMap(({ name }, slot) => (isOf(name) ? [slot] : []))
  const slot = dice.pick(able)
  const { dtype, shape } = graph.state[slot]!
  const width = dtype === 'i8' ? 1 : 4
  const place = width * dice.below(shape.reduce((product, size) => product * size, 1))
  return { slot, place, bit: dice.below(8 * width) }
}

function flipped(bytes: Uint8Array, place: number, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[place + (bit >>> 3)]! ^= 1 << (bit & 7)
  return copy
}

type Kernel = (inputs: readonly Uint8Array[], run: TinyRun) => Uint8Array | undefined

/** An op done wrong as programs do it: in double precision, in another order, with another instruction. */
function wrongKernel(node: Node): Kernel | undefined {
  const { op, shape } = node
  if (op.kind === 'map' && node.dtype === 'f32' && swapped(op.program))
    return (inputs, { graph }) => {
      const shapes = node.inputs.map((input) => valueOf(graph, input).shape)
      // Where inputs broadcast, the whole is not redone.
      if (shapes.some((each) => each.join() !== shape.join())) return undefined
      const columns = inputs.map((bytes) => new Uint32Array(bytes.slice().buffer))
      const size = shape.reduce((product, each) => product * each, 1)
      return new Uint8Array(
        runProgramOnMany(swapped(op.program)!, columns, size).buffer as ArrayBuffer,
      )
    }
  if (op.kind === 'reduce' && op.of === 'sum' && op.axis === shape.length - 1)
    return ([bytes]) => {
      const x = new Float32Array(bytes!.slice().buffer)
      const length = x.length / shape.reduce((product, each) => product * each, 1)
      const out = Float32Array.from({ length: x.length / length }, (_, row) =>
        x
          .subarray(row * length, (row + 1) * length)
          .reduce((sum, each) => Math.fround(sum + each), 0),
      )
      return new Uint8Array(out.buffer)
    }
  if (op.kind === 'contract' && shape.length === 2 && !op.transposeA && op.transposeB)
    return ([left, right]) => {
      const [a, b] = [
        new Float32Array(left!.slice().buffer),
        new Float32Array(right!.slice().buffer),
      ]
      const [rows, columns] = shape as [number, number]
      const k = a.length / rows
      const out = Float32Array.from({ length: rows * columns }, (_, at) => {
        let sum = 0
        for (let i = k - 1; i >= 0; i--)
          sum += a[Math.floor(at / columns) * k + i]! * b[(at % columns) * k + i]!
        return sum
      })
      return new Uint8Array(out.buffer)
    }
  return undefined
}

function swapped(program: Program): Program | undefined {
  const other: Readonly<Record<string, 'add' | 'sub' | 'mul'>> = {
    add: 'sub',
    sub: 'add',
    mul: 'add',
  }
  const at = program.code.findIndex(([op]) => op in other)
  if (at < 0) return undefined
  const [op, ...registers] = program.code[at]!
  return { ...program, code: program.code.with(at, [other[op]!, ...registers]) }
}

/** A claimant that shows what its prover finds. */
export function honestClaimant(prover: Prover): Player {
  return (position) => claimantMove(prover, position)
}

export function honestChallenger(prover: Prover): Player {
  return (position, shown) => challengerMove(prover, position, shown)
}

/** Lies where it is not bound yet: in a trace, in accumulators, in operands. */
export function lyingClaimant(prover: Prover, dice: Dice): Player {
  const lies = dice.pick(['enter', 'accumulators', 'operands', 'all'] as const)
  return async (position) => {
    const move = await claimantMove(prover, position)
    if (lies !== 'all' && lies !== move.type) return move
    if (move.type === 'enter') return garbled(move, dice)
    if (move.type === 'accumulators' || move.type === 'operands')
      return { ...move, bytes: garbledBytes(move, position, dice) }
    return move
  }
}

/** Another trace, from some place on. */
function garbled(move: Move.Of<'enter'>, dice: Dice): Move.Move {
  const { batch, ops } = move.header
  const level = depth(batch + ops)
  const { from, to } = spanUnder({ level, index: 0, count: batch + ops })
  const at = dice.below(to - from)
  const nodes = move.nodes.map((node, index) => (index === at ? Hex.sha256(node) : node))
  return { ...move, nodes, trace: Hex.from(fold(nodes.map(Hex.toBytes))) }
}

function garbledBytes(
  { type, bytes: hex }: Move.Of<'accumulators' | 'operands'>,
  position: Position,
  dice: Dice,
): Hex.Hex {
  const bytes = Hex.toBytes(hex)
  const way = dice.below(3)
  if (type === 'operands' && way === 0) return Hex.from(Uint8Array.of(...bytes, 0))
  if (type === 'operands' && way === 1) return Hex.from(bytes.subarray(1))
  if (bytes.length === 0) return hex
  const inner = partsOf(position).length - 2
  const changes = type === 'accumulators' ? 1 + dice.below(inner) : 1
  for (let change = 0; change < changes; change++)
    bytes[dice.below(bytes.length)]! ^= 1 << dice.below(8)
  return Hex.from(bytes)
}

/** Says one thing and then another: shows again what it is not bound to, before it gives in or stalls. */
export function equivocatingClaimant(honest: Player, dice: Dice): Player {
  const givesIn = dice.below(2) === 0
  return async (position, shown, refusal) => {
    const move = await honest(position, shown)
    if (!move || (refusal && givesIn)) return move
    return otherThan(move, dice)
  }
}

/** The same move with a bit changed in whatever binds it. */
function otherThan(move: Move.Move, dice: Dice): Move.Move {
  const twist = (hex: Hex.Hex): Hex.Hex =>
    hex.length > 2 ? Hex.from(flipped(Hex.toBytes(hex), dice.below((hex.length - 2) / 2), 0)) : hex
  const twistOne = (nodes: readonly Hex.Hex[]) => {
    const at = dice.below(Math.max(1, nodes.length))
    return nodes.map((node, index) => (index === at ? twist(node) : node))
  }
  switch (move.type) {
    case 'reveal':
      return { ...move, nodes: twistOne(move.nodes) }
    case 'enter':
      return dice.pick([
        { ...move, before: twist(move.before) },
        { ...move, after: twist(move.after) },
        { ...move, header: { ...move.header, ops: move.header.ops + 1 } },
        { ...move, nodes: twistOne(move.nodes) },
        { ...move, path: [...move.path, move.trace] },
      ])
    case 'tensor':
      return dice.pick([
        { ...move, root: twist(move.root) },
        { ...move, nodes: twistOne([...move.nodes, move.root]) },
        { ...move, bytes: twist(`${move.bytes}00`) },
      ])
    case 'leaf':
      return { ...move, bytes: twist(move.bytes) }
    case 'accumulators':
      return { ...move, bytes: `${move.bytes}00` }
    case 'operands':
    case 'pick':
    case 'dispute-after':
    case 'element':
    case 'part':
    case 'prove-read':
    case 'prove-arithmetic':
    case 'prove-slot':
    case 'concede':
      return { type: 'dispute-after' }
  }
}

/** Stops moving at some turn. */
export function staller(player: Player, dice: Dice): Player {
  let turns = dice.below(6)
  return async (...at) => (turns-- > 0 ? player(...at) : undefined)
}

/** Points at what is right, against a true claim, and forges proofs in the end. */
export function lyingChallenger(prover: Prover, dice: Dice): Player {
  const wrong = mirrored(prover, dice)
  return (position, shown) => {
    const { phase, level, batchCount, opCount } = position
    if (phase === 'trace' && level === depth(batchCount + opCount) && dice.below(4) === 0)
      return Promise.resolve({ type: 'dispute-after' })
    return challengerMove(wrong, position, shown)
  }
}

/** A prover that finds something else than is right: an honest player who believes it is a liar. */
function mirrored(prover: Prover, dice: Dice): Prover {
  const wrong = (leaves: Leaves): Leaves => {
    const at = dice.below(leaves.count)
    return {
      count: leaves.count,
      hashes(from, to) {
        const hashes = leaves.hashes(from, to)
        if (at >= from && at < to) hashes[(at - from) * 32]! ^= 1
        return hashes
      },
    }
  }
  const steps = new Map<number, DisputedStep>()
  const values = new Map<number, Uint8Array>()
  return {
    ...prover,
    run: wrong(prover.run),
    async step(index) {
      const step = await prover.step(index)
      const known = steps.get(index) ?? {
        ...step,
        trace: wrong(step.trace),
        after: { ...wrong(step.after), roots: step.after.roots },
        async values(numbers) {
          const found = await step.values(numbers)
          return found.map((bytes, at) => {
            const number = numbers[at]!
            const other =
              values.get(number) ?? flipped(bytes, dice.below(bytes.length), dice.below(8))
            values.set(number, other)
            return other
          })
        },
      }
      steps.set(index, known)
      return known
    },
  }
}
