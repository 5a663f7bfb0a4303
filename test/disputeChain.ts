/** Plays disputes to the end on a real node: every move a transaction, and the money after. */
import { expect } from 'vitest'
import type { Chain } from '../src/chain/Chain.ts'
import { RevertedError } from '../src/chain/Chain.ts'
import { deploy } from '../src/chain/deploy.ts'
import { viemChain } from '../src/chain/viem.ts'
import { askNode } from '../src/chain/viemCompliance.ts'
import * as DisputeKey from '../src/protocol/dispute/DisputeKey.ts'
import type * as Move from '../src/protocol/dispute/Move.ts'
import * as Position from '../src/protocol/dispute/Position.ts'
import * as ExactClaim from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'
import * as Game from '../src/verification/dispute/Game.ts'
import { MoveError } from '../src/verification/dispute/MoveError.ts'
import type { Played, Player, playOut, Tried } from './exactDisputes.ts'

/** A party of a dispute, with an account on the chain. */
export type Member = { readonly identity: Identity.Identity; readonly chain: Chain }

export type DisputeChain = {
  readonly rpcUrl: string
  readonly claimant: Member
  readonly challenger: Member
  /** Claims something, signed by the claimant, for ten minutes from now. */
  claim(message: ExactClaim.ExactClaim): Promise<ReturnType<typeof ExactClaim.sign>>
  elapse(seconds: number): Promise<void>
  /** Plays a dispute to its end, and sees that the right party pays. */
  readonly play: typeof playOut
  /** Gas of the disputes that were played, all their transactions together. */
  readonly gas: readonly number[]
}

export const bond = 1_000n

/** Deploys the contracts, and gives both parties credit and stake for many disputes. */
export async function disputeChain({ rpcUrl }: { rpcUrl: string }): Promise<DisputeChain> {
  const random = systemRandom()
  const deployment = await deploy({ rpcUrl, deployer: Identity.from(random.bytes(32)) })
  const join = async (): Promise<Member> => {
    const identity = Identity.from(random.bytes(32))
    const chain = await viemChain({ rpcUrl, identity, ...deployment })
    const { address, peerId } = identity
    await chain.send({ type: 'mint', to: address, amountMicroUsd: 2_000_000n })
    await chain.send({ type: 'dispute-deposit', account: address, amountMicroUsd: 1_000_000n })
    await chain.send({ type: 'register', peerId, offerUri: '', stakeMicroUsd: 1_000_000n })
    return { identity, chain }
  }
  const [claimant, challenger] = [await join(), await join()]
  const gas: number[] = []
  let played = 0

  const elapse = async (seconds: number) => {
    await askNode(rpcUrl, 'evm_increaseTime', [seconds])
    await askNode(rpcUrl, 'evm_mine', [])
  }
  const claim = async (message: ExactClaim.ExactClaim) => {
    const { timestampSeconds } = await claimant.chain.head()
    const job = Hex.sha256(`job ${played++} of ${claimant.identity.address}`)
    const facts = { job, bond, challengeUntil: timestampSeconds + 600 }
    const whole = { ...message, ...facts, claimant: claimant.identity.address }
    return ExactClaim.sign(claimant.chain.domain, whole, claimant.identity)
  }

  const play = async (
    unsigned: ExactClaim.ExactClaim,
    players: Readonly<Record<Position.Party, Player>>,
  ): Promise<Played> => {
    const signed = await claim(unsigned)
    const { message, signature } = signed
    const members = { claimant, challenger }
    const before = await worthOf(members)
    const opened = await challenger.chain.send({ type: 'challenge', claim: message, signature })
    const key = {
      claim: ExactClaim.hash(claimant.chain.domain, message),
      challenger: challenger.identity.address,
    }
    const table = { ...members, message, key, gas: Number(opened.gasUsed), elapse }
    const outcome = await moves(table, players)
    gas.push(table.gas)
    await settled(table, outcome.winner)
    expect(await worthOf(members), outcome.winner).toEqual(
      outcome.winner === 'challenger'
        ? [before[0]! - 2n * bond, before[1]! + 2n * bond - bond / 5n]
        : [before[0]! + bond, before[1]! - bond],
    )
    return outcome
  }
  return { rpcUrl, claimant, challenger, claim, elapse, play, gas }
}

type Table = {
  readonly claimant: Member
  readonly challenger: Member
  readonly message: ExactClaim.ExactClaim
  readonly key: DisputeKey.DisputeKey
  gas: number
  readonly elapse: (seconds: number) => Promise<void>
}

/** As `playOut` plays, with the chain as its board. */
async function moves(
  table: Table,
  players: Readonly<Record<Position.Party, Player>>,
): Promise<Played> {
  const { message, key } = table
  const id = DisputeKey.id(key)
  const made: Move.Move[] = []
  const refusals: string[] = []
  const tried: Tried[] = []
  const shown: Move.Move[] = []
  let position = Position.first(message)
  for (let number = 0; number < 100; number++) {
    const mover = position.turn
    const facts = { position, moves: made, refusals, tried }
    let accepted: Move.Move | undefined
    for (let attempt = 0, refusal: MoveError | undefined; !accepted; attempt++) {
      const chosen = attempt < 5 ? await players[mover](position, shown, refusal) : undefined
      if (!chosen) {
        const { clockSeconds } = table[mover].chain.parameters.disputes
        await table.elapse(clockSeconds + 2)
        const other = table[Game.other(mover)]
        table.gas += Number((await other.chain.send({ type: 'dispute-timeout', key })).gasUsed)
        return { ...facts, winner: Game.other(mover), reason: 'stalled', last: undefined }
      }
      try {
        await send(table, mover, position, chosen)
        accepted = chosen
      } catch (error) {
        if (!(error instanceof RevertedError)) throw error
        // The twin refuses it too.
        expect(() => Game.play(message, position, chosen)).toThrow()
        refusal = new MoveError('WrongPhase', error.message)
        refusals.push(error.code)
      }
    }
    made.push(accepted)
    const outcome = Game.play(message, position, accepted)
    const state = await table.challenger.chain.dispute(id)
    if (outcome.type === 'end') {
      expect(state.state).toBe(`${outcome.winner}-won`)
      return { ...facts, ...outcome, last: accepted }
    }
    expect(state).toMatchObject({ state: 'open', position: Position.hash(outcome.position) })
    if (mover === 'claimant') shown.push(accepted)
    position = outcome.position
  }
  throw new Error('The dispute does not end.')
}

async function send(
  table: Table,
  mover: Position.Party,
  position: Position.Position,
  move: Move.Move,
): Promise<void> {
  const { message: claim, key } = table
  const { challenger } = key
  const action = { type: 'dispute-move', claim, challenger, position, move } as const
  table.gas += Number((await table[mover].chain.send(action)).gasUsed)
}

/** The loser's money goes where it belongs. */
async function settled(table: Table, winner: Position.Party): Promise<void> {
  const { message: claim, key, challenger, claimant } = table
  if (winner === 'challenger') {
    await challenger.chain.send({ type: 'slash-claimant', claim, challenger: key.challenger })
    await challenger.chain.send({ type: 'burn-bond', claim: key.claim })
    return
  }
  await table.elapse(601)
  await claimant.chain.send({ type: 'release-claim', claim })
}

/** Credit and stake of both. */
async function worthOf({ claimant, challenger }: Pick<Table, 'claimant' | 'challenger'>) {
  return await Promise.all(
    [claimant, challenger].map(async ({ chain, identity }) => {
      const { freeMicroUsd, reservedMicroUsd } = await chain.credit(identity.address)
      const { stakeMicroUsd } = await chain.registration(identity.address)
      return freeMicroUsd + reservedMicroUsd + stakeMicroUsd
    }),
  )
}
