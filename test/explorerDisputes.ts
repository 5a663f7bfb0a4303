/** Disputes as the explorer hears of them: two parties play to the end on a chain, or as far as they are let. */
import { valueOf } from '../src/exact/Graph.ts'
import type { Chain, DisputeAction } from '../src/chain/Chain.ts'
import * as DisputeKey from '../src/protocol/dispute/DisputeKey.ts'
import type * as Move from '../src/protocol/dispute/Move.ts'
import * as Position from '../src/protocol/dispute/Position.ts'
import * as ExactClaim from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import { challengerMove } from '../src/verification/dispute/challengerMove.ts'
import { claimantMove } from '../src/verification/dispute/claimantMove.ts'
import * as Game from '../src/verification/dispute/Game.ts'
import { type Claimed, claimRun, type Fault } from './exactDisputes.ts'
import { decoderTraining, type TinyRun } from './exactRuns.ts'
import type { Party } from './explorerWorld.ts'

/** An honest run, and the same with something wrong in it. */
export type Runs = {
  readonly honest: Claimed
  readonly liar: Claimed
  /** What the liar does to its own moves; `lie` is the element that it claims. */
  readonly tamper?: ((move: Move.Move, lie: Hex.Hex) => Move.Move) | undefined
}

/** What goes wrong: a sum of products, the same with operands that fit the lie, other data, a slot of the state. */
export type Wrong = 'sum' | 'operand' | 'data' | 'state'

/** A decoder in training, with something wrong late in it. */
export async function wrongRuns(
  wrong: Wrong,
  options: { steps?: number; rows?: number; length?: number } = {},
): Promise<Runs> {
  const run = await decoderTraining(options)
  const honest = await claimRun(run)
  if (wrong === 'data') {
    const data = run.data!.map((byte) => byte ^ 1)
    const { prover, claim } = await claimRun({ ...run, data, batch: run.batchOf(data) })
    return { honest, liar: { prover, claim: { ...claim, data: honest.claim.data } } }
  }
  for (const fault of wrong === 'state' ? wrongState(run) : wrongSum(run)) {
    const liar = await claimRun(run, { fault })
    // Some are lost in rounding.
    if (liar.claim.run === honest.claim.run) continue
    return { honest, liar, tamper: tampers[wrong] }
  }
  throw new Error('No fault shows in the end.')
}

/** One element of the longest sum of products of a step. */
function wrongSum({ graph, steps }: TinyRun): readonly Fault[] {
  const step = Math.floor(steps * 0.7)
  const slots = graph.state.length + graph.batch.length
  const products = graph.ops.flatMap(({ op, inputs }, index) => {
    if (op.kind !== 'contract') return []
    const terms = valueOf(graph, inputs[0]!).shape.at(op.transposeA ? -2 : -1)!
    return [{ number: slots + index, terms }]
  })
  return products
    .toSorted((a, b) => b.terms - a.terms)
    .map(({ number }) => ({
      value: (at) =>
        at.step === step && at.number === number ? turned(at.bytes, 42, 18) : undefined,
    }))
}

function wrongState({ steps }: TinyRun): readonly Fault[] {
  const step = Math.floor(steps / 2)
  const state: Fault['state'] = ({ step: at, after }) =>
    at === step ? after.map((bytes, slot) => (slot === 3 ? turned(bytes, 0, 20) : bytes)) : after
  return [{ state }]
}

/** Says that the lie was in the accumulator before the last segment already: so its products must be wrong. */
function smeared(move: Move.Move, lie: Hex.Hex): Move.Move {
  if (move.type !== 'accumulators') return move
  return { ...move, bytes: `0x${move.bytes.slice(2, -8)}${lie.slice(2)}` }
}

/** The same, with another operand than stands where it is read. */
export function tampered(move: Move.Move, lie: Hex.Hex): Move.Move {
  if (move.type !== 'operands') return smeared(move, lie)
  return { ...move, bytes: Hex.from(turned(Hex.toBytes(move.bytes), 1, 31)) }
}

const tampers: Readonly<Partial<Record<Wrong, Runs['tamper']>>> = {
  sum: smeared,
  operand: tampered,
}

function turned(bytes: Uint8Array, element: number, bit: number): Uint8Array {
  const copy = bytes.slice()
  const place = (element * 4) % copy.byteLength
  copy[place + (bit >>> 3)]! ^= 1 << (bit & 7)
  return copy
}

/** A dispute on the chain. */
export type Dispute = Awaited<ReturnType<typeof openDispute>>

/** Puts up the bonds and challenges the claim of `runs.liar`. */
export async function openDispute(
  { claimant, challenger, mint }: Parties,
  runs: Runs,
  { job = Hex.zero, bond = 5_000_000n }: { job?: Hex.Hex; bond?: bigint } = {},
) {
  const { domain } = claimant.chain
  for (const party of [claimant, challenger]) {
    const account = party.identity.address
    await mint(account, bond)
    await party.chain.send({ type: 'dispute-deposit', account, amountMicroUsd: bond })
  }
  const { timestampSeconds } = await challenger.chain.head()
  const challengeUntil = timestampSeconds + 1_200
  const { address } = claimant.identity
  const message = { ...runs.liar.claim, claimant: address, job, bond, challengeUntil }
  const claim = ExactClaim.sign(domain, message, claimant.identity)
  await challenger.chain.send({ type: 'challenge', claim: message, signature: claim.signature })
  const key = { claim: ExactClaim.hash(domain, message), challenger: challenger.identity.address }
  const positions: Position.Position[] = [Position.first(message)]
  const shown: Move.Move[] = []
  const { tamper = (made: Move.Move) => made } = runs
  let lie: Hex.Hex = '0x'

  /** The move whose turn it is; false when that ended it. */
  async function move(): Promise<boolean> {
    const position = positions.at(-1)!
    const isClaimants = position.turn === 'claimant'
    const made = isClaimants
      ? tamper(await claimantMove(runs.liar.prover, position), lie)
      : await challengerMove(runs.honest.prover, position, shown)
    const action: DisputeAction = {
      type: 'dispute-move',
      claim: message,
      challenger: key.challenger,
      position,
      move: made,
    }
    await (isClaimants ? claimant : challenger).chain.send(action)
    if (isClaimants) shown.push(made)
    if (made.type === 'element')
      lie = Hex.from(Hex.toBytes(made.bytes).slice(made.place * 4, made.place * 4 + 4))
    const outcome = Game.play(message, position, made)
    if (outcome.type === 'position') positions.push(outcome.position)
    return outcome.type === 'position'
  }

  return {
    id: DisputeKey.id(key),
    key,
    claim: message,
    positions,
    move,
    /** Plays until it ends, or until the position is such. */
    async play(until: (position: Position.Position) => boolean = () => false) {
      while (!until(positions.at(-1)!)) if (!(await move())) return
    },
  }
}

type Parties = {
  readonly claimant: Party
  readonly challenger: Party
  readonly mint: (to: Hex.Address, amountMicroUsd: bigint) => Promise<void> | void
}

/** Money from nothing, on a test chain. */
export function minting(chain: Chain): Parties['mint'] {
  return async (to, amountMicroUsd) => {
    await chain.send({ type: 'mint', to, amountMicroUsd })
  }
}
