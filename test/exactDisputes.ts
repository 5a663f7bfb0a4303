/** Honest and faulty runs, and games about them, for tests of disputes. */
import type { Backend, Executable } from '../src/exact/Backend.ts'
import { equal } from '../src/exact/commit/merkle.ts'
import * as DataRoot from '../src/exact/commit/DataRoot.ts'
import * as RunRoot from '../src/exact/commit/RunRoot.ts'
import type { Graph, Node } from '../src/exact/Graph.ts'
import { valueOf } from '../src/exact/Graph.ts'
import { rootFrom } from '../src/exact/judgeable.ts'
import { reference } from '../src/exact/reference.ts'
import type { ExactClaim } from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Game from '../src/verification/dispute/Game.ts'
import * as Move from '../src/protocol/dispute/Move.ts'
import { MoveError } from '../src/verification/dispute/MoveError.ts'
import * as Position from '../src/protocol/dispute/Position.ts'
import { recordRun } from '../src/verification/dispute/recordRun.ts'
import { type Prover, startProver } from '../src/verification/dispute/startProver.ts'
import type { TinyRun } from './exactRuns.ts'

/** What goes wrong while a run is computed. */
export type Fault = {
  /** Another batch. */
  readonly batch?: (step: number, batch: readonly Uint8Array[]) => readonly Uint8Array[]
  /** Another state that a step reads, while it says that it reads the right one. */
  readonly read?: (step: number, state: readonly Uint8Array[]) => readonly Uint8Array[]
  /** Another value in the place of the one that was computed; nothing to leave it. */
  readonly value?: (at: Computed) => Uint8Array | undefined
  /** Another state after a step, slot by slot. */
  readonly state?: (at: Stepped) => readonly Uint8Array[]
}
export type Computed = {
  readonly step: number
  readonly number: number
  readonly bytes: Uint8Array
  /** All values before it. */
  readonly values: readonly Uint8Array[]
}
export type Stepped = {
  readonly step: number
  readonly before: readonly Uint8Array[]
  readonly after: readonly Uint8Array[]
}

/** All values of each step of an honest run, so that what a fault does not touch is not computed again. */
type Memory = Map<number, readonly Uint8Array[]>
const memories = new WeakMap<TinyRun, Memory>()

/**
 * The reference back end, op by op, with a fault, for this run alone: it computes each step once, and knows by
 * the state which step it is asked for.
 */
export function faultyBackend(run: TinyRun, fault: Fault = {}): Backend {
  const { graph } = run
  const memory = memories.get(run) ?? new Map<number, readonly Uint8Array[]>()
  memories.set(run, memory)
  const isHonest = Object.keys(fault).length === 0
  const states: (readonly Uint8Array[])[] = []
  const done: Memory = isHonest ? memory : new Map<number, readonly Uint8Array[]>()

  async function compute(
    step: number,
    given: readonly (readonly Uint8Array[])[],
  ): Promise<readonly Uint8Array[]> {
    const honest = memory.get(step)
    const [state, batch] = given as [readonly Uint8Array[], readonly Uint8Array[]]
    const read = fault.read?.(step, state) ?? state
    const values = [...read, ...(fault.batch?.(step, batch) ?? batch)].map((bytes, number) =>
      honest && equal(bytes, honest[number]!) ? honest[number]! : bytes.slice(),
    )
    for (const node of graph.ops) {
      const number = values.length
      const isKnown = honest && node.inputs.every((input) => values[input] === honest[input])
      const bytes = isKnown ? honest[number]! : await single(graph, node, values)
      const other = fault.value?.({ step, number, bytes, values }) ?? bytes
      values.push(honest && equal(other, honest[number]!) ? honest[number]! : other)
    }
    return values
  }

  const after = (
    step: number,
    before: readonly Uint8Array[],
    values: readonly Uint8Array[],
  ): readonly Uint8Array[] => {
    const next = graph.next.map((value, slot) => (value === slot ? before[slot]! : values[value]!))
    return fault.state?.({ step, before, after: next }) ?? next
  }

  /** Computes steps ahead, which the port cannot wait for. */
  const ready: Promise<void> = (async () => {
    let state = run.start
    for (let step = 0; step < run.steps; step++) {
      const values = done.get(step) ?? (await compute(step, [state, run.batch(step)]))
      done.set(step, values)
      states.push(state)
      state = after(step, state, values)
    }
  })()

  return {
    name: 'faulty',
    async prepare(prepared) {
      await ready
      let state = [...run.start]
      let at: number | undefined
      return {
        graph: prepared,
        memoryBytes: 0,
        step() {
          const step =
            at ??
            states.findIndex((known) => known.every((bytes, slot) => equal(bytes, state[slot]!)))
          const values = done.get(step)!
          const results = prepared.results.map(({ value }) => values[value]!)
          state = [...after(step, state, values)]
          at = step + 1
          return results
        },
        readState: (index) => state[index]!,
        writeState(index, bytes) {
          state[index] = bytes.slice()
          at = undefined
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }
    },
  }
}

const singles = new WeakMap<Node, Executable>()

/** One op alone: the reference back end copies what it is given and what it gives, so all may share it. */
async function single(
  graph: Graph,
  node: Node,
  values: readonly Uint8Array[],
): Promise<Uint8Array> {
  let executable = singles.get(node)
  if (!executable) {
    const batch = node.inputs.map((input, at) => ({ name: `${at}`, ...valueOf(graph, input) }))
    const ops = [{ ...node, inputs: [...batch.keys()] }]
    const results = [{ name: 'out', value: batch.length }]
    executable = await reference.prepare({ version: 1, state: [], batch, ops, next: [], results })
    singles.set(node, executable)
  }
  return executable.step(node.inputs.map((input) => values[input]!))[0]!
}

/** A run and the claim of who did it. */
export type Claimed = { readonly prover: Prover; readonly claim: ExactClaim }

export const claimant: Hex.Address = `0x${'c1'.repeat(20)}`

/** Does a run, with a fault or without, and claims what came out. */
export async function claimRun(
  run: TinyRun,
  { fault, windowBytes }: { fault?: Fault; windowBytes?: number } = {},
): Promise<Claimed> {
  const backend = faultyBackend(run, fault)
  const { graph, start, data, seed, worker, steps } = run
  const options = { graph, start, data, seed, worker, steps }
  const { stateRoots, checkpoints } = await recordRun({ backend }, options)
  const prover = await startProver(
    { backend },
    { ...options, stateRoots, checkpoints, windowBytes },
  )
  return { prover, claim: claimOf(prover) }
}

/** What a prover's run is, as a claim. */
export function claimOf(prover: Prover): ExactClaim {
  const { graph, header, data, seed, worker, steps } = prover
  const roots = Array.from({ length: steps }, (_, step) => prover.stateRoot(step + 1))
  return {
    claimant,
    job: Hex.zero,
    graph: Hex.from(rootFrom(header)),
    graphCid: Hex.zero,
    start: Hex.from(prover.stateRoot(0)),
    end: Hex.from(prover.stateRoot(steps)),
    data: graph.batch.length > 0 ? Hex.from(DataRoot.from(data!).root) : Hex.zero,
    seed0: seed[0],
    seed1: seed[1],
    worker,
    steps,
    run: Hex.from(RunRoot.from(roots)),
    bond: 1_000_000n,
    challengeUntil: 2_000_000_000,
  }
}

/**
 * Moves in its turn; nothing when it stalls. `shown` is what the claimant has shown so far; `refusal` is set when
 * its own last move was refused.
 */
export type Player = (
  position: Position.Position,
  shown: readonly Move.Move[],
  refusal?: MoveError,
) => Promise<Move.Move | undefined>

export type Played = {
  readonly winner: Position.Party
  readonly reason: Game.Reason | 'stalled'
  /** The last position, and the move that ended the game there. */
  readonly position: Position.Position
  readonly last: Move.Move | undefined
  readonly moves: readonly Move.Move[]
  readonly refusals: readonly string[]
  /** All moves that were tried, with what came of them. */
  readonly tried: readonly Tried[]
}

export type Tried = {
  readonly position: Position.Position
  readonly move: Move.Move
  readonly outcome: Game.Outcome | MoveError
}

/** Plays a dispute to its end. Who stalls, or is refused five times in a row, has lost. */
export async function playOut(
  claim: ExactClaim,
  players: Readonly<Record<Position.Party, Player>>,
): Promise<Played> {
  const moves: Move.Move[] = []
  const refusals: string[] = []
  const tried: Tried[] = []
  let position = Position.first(claim)
  const shown: Move.Move[] = []
  for (let number = 0; number < 100; number++) {
    const mover = position.turn
    const facts = { position, moves, refusals, tried }
    let outcome: Game.Outcome | undefined
    let move: Move.Move | undefined
    for (let attempt = 0, refusal: MoveError | undefined; !outcome; attempt++) {
      const chosen = attempt < 5 ? await players[mover](position, shown, refusal) : undefined
      if (!chosen)
        return { ...facts, winner: Game.other(mover), reason: 'stalled', last: undefined }
      move = Move.deserialize(Move.serialize(chosen))
      try {
        outcome = Game.play(claim, position, move)
        tried.push({ position, move, outcome })
      } catch (error) {
        if (!(error instanceof MoveError)) throw error
        refusal = error
        tried.push({ position, move, outcome: error })
        refusals.push(error.code)
      }
    }
    moves.push(move!)
    if (outcome.type === 'end') return { ...facts, ...outcome, last: move }
    if (mover === 'claimant') shown.push(move!)
    position = outcome.position
  }
  throw new Error('The game does not end.')
}

/** A back end that counts its steps, and how many executables were alive at once. */
export function countingBackend(backend: Backend) {
  let [steps, alive, most] = [0, 0, 0]
  return {
    name: backend.name,
    steps: () => steps,
    most: () => most,
    async prepare(...options: Parameters<Backend['prepare']>): Promise<Executable> {
      const executable = await backend.prepare(...options)
      most = Math.max(most, ++alive)
      return {
        ...executable,
        step(batch) {
          steps++
          return executable.step(batch)
        },
        [Symbol.asyncDispose]() {
          alive--
          return executable[Symbol.asyncDispose]()
        },
      }
    },
  }
}
