/** Honest and faulty runs, and games about them, for tests of disputes. */
import type { Backend, Executable } from '../src/exact/Backend.ts'
import * as DataRoot from '../src/exact/commit/DataRoot.ts'
import * as RunRoot from '../src/exact/commit/RunRoot.ts'
import type { Graph, Node } from '../src/exact/Graph.ts'
import { valueOf } from '../src/exact/Graph.ts'
import { rootOf } from '../src/exact/judgeable.ts'
import { reference } from '../src/exact/reference.ts'
import type { ExactClaim } from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Game from '../src/verification/dispute/Game.ts'
import * as Move from '../src/verification/dispute/Move.ts'
import { MoveError } from '../src/verification/dispute/MoveError.ts'
import * as Position from '../src/verification/dispute/Position.ts'
import { recordRun } from '../src/verification/dispute/recordRun.ts'
import { type Prover, startProver } from '../src/verification/dispute/startProver.ts'
import type { TinyRun } from './exactRuns.ts'

/** What goes wrong while a run is computed; each may change what it is given. */
export type Fault = {
  readonly batch?: (step: number, batch: readonly Uint8Array[]) => readonly Uint8Array[]
  /** After a value was computed: its number, its bytes, and those of all before it. */
  readonly value?: (at: Computed) => void
  readonly state?: (at: Stepped) => void
}
export type Computed = {
  readonly step: number
  readonly number: number
  readonly bytes: Uint8Array
  readonly values: readonly Uint8Array[]
}
export type Stepped = {
  readonly step: number
  readonly before: readonly Uint8Array[]
  readonly after: readonly Uint8Array[]
}

/**
 * The reference back end, op by op, with a fault. It knows the step from a counter in the state, as training
 * and generation have one.
 */
export function faultyBackend(graph: Graph, fault: Fault): Backend {
  const counter = graph.state.findIndex(({ name }) => name === 'step' || name === 'count')
  return {
    name: 'faulty',
    async prepare(prepared) {
      const state = prepared.state.map((slot) => new Uint8Array(bytesIn(slot)))
      const ops = await Promise.all(prepared.ops.map((node) => single(prepared, node)))
      return {
        graph: prepared,
        memoryBytes: 0,
        step(given) {
          const step = new DataView(state[counter]!.buffer).getUint32(0, true)
          const before = state.map((bytes) => bytes.slice())
          const values = [...before, ...(fault.batch?.(step, given) ?? given)]
          prepared.ops.forEach(({ inputs }, index) => {
            const [bytes] = ops[index]!.step(inputs.map((input) => values[input]!))
            const number = values.push(bytes!) - 1
            fault.value?.({ step, number, bytes: bytes!, values })
          })
          prepared.next.forEach((value, slot) => state[slot]!.set(values[value]!))
          fault.state?.({ step, before, after: state })
          return prepared.results.map(({ value }) => values[value]!)
        },
        readState: (index) => state[index]!,
        writeState: (index, bytes) => void state[index]!.set(bytes),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }
    },
  }
}

const singles = new WeakMap<Node, Executable>()

/** One op alone: the reference back end copies what it is given and what it gives, so all may share it. */
async function single(graph: Graph, node: Node): Promise<Executable> {
  const known = singles.get(node)
  if (known) return known
  const batch = node.inputs.map((input, index) => ({ name: `${index}`, ...valueOf(graph, input) }))
  const inputs = [...batch.keys()]
  const executable = await reference.prepare({
    version: 1,
    state: [],
    batch,
    ops: [{ ...node, inputs }],
    next: [],
    results: [{ name: 'out', value: batch.length }],
  })
  singles.set(node, executable)
  return executable
}

/** A run and the claim of who did it. */
export type Claimed = { readonly prover: Prover; readonly claim: ExactClaim }

export const claimant: Hex.Address = `0x${'c1'.repeat(20)}`

/** Does a run, with a fault or without, and claims what came out. */
export async function claimRun(
  run: TinyRun,
  { steps, fault, windowBytes }: { steps: number; fault?: Fault; windowBytes?: number },
): Promise<Claimed> {
  const backend = fault ? faultyBackend(run.graph, fault) : reference
  const { graph, start, data, seed, worker } = run
  const options = { graph, start, data, seed, worker, steps }
  const { stateRoots, checkpoints } = await recordRun({ backend }, options)
  const prover = await startProver(
    { backend },
    { ...options, stateRoots, checkpoints, windowBytes },
  )
  const roots = Array.from({ length: steps }, (_, step) => prover.stateRoot(step + 1))
  const claim: ExactClaim = {
    claimant,
    job: Hex.zero,
    graph: Hex.from(rootOf(graph)),
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
  return { prover, claim }
}

/** Moves in its turn; nothing when it stalls. `refusal` is set when its last move was refused. */
export type Player = (
  position: Position.Position,
  shown: Move.Move,
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
}

/** Plays a dispute to its end. Who stalls, or is refused five times in a row, has lost. */
export async function playOut(
  claim: ExactClaim,
  players: Readonly<Record<Position.Party, Player>>,
): Promise<Played> {
  const moves: Move.Move[] = []
  const refusals: string[] = []
  let position = Position.first(claim)
  let shown: Move.Move = { type: 'concede' }
  for (let number = 0; number < 100; number++) {
    const mover = position.turn
    const facts = { position, moves, refusals }
    let outcome: Game.Outcome | undefined
    let move: Move.Move | undefined
    for (let attempt = 0, refusal: MoveError | undefined; !outcome; attempt++) {
      const chosen = attempt < 5 ? await players[mover](position, shown, refusal) : undefined
      if (!chosen)
        return { ...facts, winner: Game.other(mover), reason: 'stalled', last: undefined }
      move = Move.deserialize(Move.serialize(chosen))
      try {
        outcome = Game.play(claim, position, move)
      } catch (error) {
        if (!(error instanceof MoveError)) throw error
        refusal = error
        refusals.push(error.code)
      }
    }
    moves.push(move!)
    if (outcome.type === 'end') return { ...facts, ...outcome, last: move }
    if (mover === 'claimant') shown = move!
    position = outcome.position
  }
  throw new Error('The game does not end.')
}

function bytesIn({ dtype, shape }: { dtype: string; shape: readonly number[] }): number {
  return shape.reduce((product, size) => product * size, 1) * (dtype === 'i8' ? 1 : 4)
}
