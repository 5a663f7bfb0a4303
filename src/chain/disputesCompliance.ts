/** What every adapter of the chain port must do about disputes; part of the chain suite. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type Claimed, claimRun, type Computed } from '../../test/exactDisputes.ts'
import { generation } from '../../test/exactRuns.ts'
import * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import type * as Move from '../protocol/dispute/Move.ts'
import * as Position from '../protocol/dispute/Position.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Ply from '../protocol/Ply.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { challengerMove } from '../verification/dispute/challengerMove.ts'
import { claimantMove } from '../verification/dispute/claimantMove.ts'
import * as Game from '../verification/dispute/Game.ts'
import type { DisputeEvent } from './Chain.ts'
import { type Create, mint, type Party, type Setup } from './complianceSetup.ts'

let honest: Claimed
let liar: Claimed

export function disputesCompliance(create: Create): void {
  beforeAll(async () => {
    const run = await generation({ steps: 3 })
    honest = await claimRun(run)
    // The first product whose sign shows in the end: some are lost in rounding.
    const products = run.graph.ops.flatMap(({ op }, at) => (op.kind === 'contract' ? [at] : []))
    for (const at of products) {
      const wrong = run.graph.state.length + at
      liar = await claimRun(run, { fault: { value: (where) => flipped(where, wrong) } })
      if (liar.claim.run !== honest.claim.run) break
    }
  })
  creditCompliance(create)
  challengeCompliance(create)
  playCompliance(create)
  endCompliance(create)
}

function creditCompliance(create: Create): void {
  describe('credit for bonds', () => {
    test('is paid in by anybody, and comes back after the delay', async () => {
      await using setup = await create()
      const { stranger, buyer } = setup
      const { address } = buyer.identity
      const { parameters } = buyer.chain
      expect(await buyer.chain.credit(address)).toEqual(nothing)
      await mint(stranger, 50n)
      await stranger.chain.send({ type: 'dispute-deposit', account: address, amountMicroUsd: 30n })
      expect(await buyer.chain.credit(address)).toEqual({ ...nothing, freeMicroUsd: 30n })
      expect(await buyer.chain.balance(parameters.disputes.address)).toBe(30n)
      const empty = { type: 'dispute-deposit', account: address, amountMicroUsd: 0n } as const
      await expect(stranger.chain.send(empty)).rejects.toMatchObject({ code: 'Chain.ZeroAmount' })
      const much = { ...empty, amountMicroUsd: 21n }
      await expect(stranger.chain.send(much)).rejects.toMatchObject({
        code: 'Chain.ERC20InsufficientBalance',
      })
      const withdraw = { type: 'dispute-withdraw' } as const
      await expect(buyer.chain.send(withdraw)).rejects.toMatchObject({
        code: 'Chain.NothingToWithdraw',
      })
      await buyer.chain.send({ type: 'dispute-request-withdrawal', amountMicroUsd: 99n })
      await expect(buyer.chain.send(withdraw)).rejects.toMatchObject({
        code: 'Chain.WithdrawalTooEarly',
      })
      await setup.elapse(parameters.disputes.withdrawalDelaySeconds + 1)
      await buyer.chain.send(withdraw)
      expect(await buyer.chain.credit(address)).toEqual(nothing)
      expect(await buyer.chain.balance(address)).toBe(30n)
    })
  })
}

function challengeCompliance(create: Create): void {
  describe('a challenge', () => {
    test('reserves a bond of each side, once', async () => {
      await using setup = await create()
      const { key, claim, provider, buyer, challenge } = await disputing(setup)
      expect(await buyer.chain.exactClaim(claim.message)).toMatchObject({ state: 'none' })
      await challenge()
      const reserved = { freeMicroUsd: 60n, reservedMicroUsd: 40n }
      expect(await buyer.chain.credit(provider.identity.address)).toMatchObject(reserved)
      expect(await buyer.chain.credit(buyer.identity.address)).toMatchObject(reserved)
      expect(await buyer.chain.exactClaim(claim.message)).toEqual({
        state: 'challenged',
        bondMicroUsd: 40n,
        open: 1,
      })
      const { clockSeconds } = buyer.chain.parameters.disputes
      expect(await buyer.chain.dispute(DisputeKey.id(key))).toMatchObject({
        state: 'open',
        position: Position.hash(Position.first(claim.message)),
        number: 0,
        turn: 'claimant',
        claimantSeconds: clockSeconds,
        challengerSeconds: clockSeconds,
      })
      await expect(challenge()).rejects.toMatchObject({ code: 'Chain.AlreadyChallenged' })
    })

    test('is refused about what is ours, unsigned, over, or beyond our credit', async () => {
      await using setup = await create()
      const { claim, provider, stranger, challenge } = await disputing(setup)
      await expect(challenge({ by: provider })).rejects.toMatchObject({
        code: 'Chain.SelfChallenge',
      })
      const forged = ExactClaim.sign(
        provider.chain.domain,
        claim.message,
        stranger.identity,
      ).signature
      await expect(challenge({ signature: forged })).rejects.toMatchObject({
        code: 'Chain.InvalidSignature',
      })
      await expect(challenge({ by: stranger })).rejects.toMatchObject({
        code: 'Chain.InsufficientCredit',
      })
      await setup.elapse(1201)
      await expect(challenge()).rejects.toMatchObject({ code: 'Chain.ChallengeTooLate' })
      expect(await provider.chain.exactClaim(claim.message)).toMatchObject({ state: 'final' })
    })
  })
}

function playCompliance(create: Create): void {
  describe('a dispute', () => {
    test('is played to the proof, and costs the claimant bond and stake', async () => {
      await using setup = await create({ disputesAreCourt: true })
      const table = await disputing(setup)
      const { key, claim, provider, buyer, stranger, challenge } = table
      const { peerId, address } = provider.identity
      await mint(provider, 70n)
      const offer = { peerId, offerUri: 'weft:offers', stakeMicroUsd: 70n }
      await provider.chain.send({ type: 'register', ...offer })
      await mint(stranger, 50n)
      const own = { account: stranger.identity.address, amountMicroUsd: 50n }
      await stranger.chain.send({ type: 'dispute-deposit', ...own })
      await challenge()
      await challenge({ by: stranger })
      const from = (await buyer.chain.head()).number + 1n
      const { moves, positions } = await playOut(table)
      expect(moves.at(-1)!.type).toMatch(/^prove/)
      const id = DisputeKey.id(key)
      expect(await buyer.chain.dispute(id)).toMatchObject({ state: 'challenger-won' })
      expect(await buyer.chain.exactClaim(claim.message)).toMatchObject({ state: 'rejected' })
      const byStranger = { ...key, challenger: stranger.identity.address }
      const slash = { type: 'slash-claimant', claim: claim.message } as const
      const { challenger } = key
      await stranger.chain.send({ ...slash, challenger })
      await expect(stranger.chain.send({ ...slash, challenger })).rejects.toMatchObject({
        code: 'Chain.AlreadySlashed',
      })
      await stranger.chain.send({ type: 'burn-bond', claim: key.claim })
      await stranger.chain.send({ type: 'dispute-close', key: byStranger })
      expect((await buyer.chain.registration(address)).stakeMicroUsd).toBe(30n)
      expect(await buyer.chain.credit(challenger)).toMatchObject({
        freeMicroUsd: 100n + 32n + 40n,
        reservedMicroUsd: 0n,
      })
      expect(await buyer.chain.credit(stranger.identity.address)).toMatchObject({
        freeMicroUsd: 50n,
        reservedMicroUsd: 0n,
      })
      const { number } = await buyer.chain.head()
      const events = await buyer.chain.events({ from, to: number })
      const told = events.filter((event) => event.type === 'dispute-moved')
      expect(told.map((event) => event.made)).toEqual(
        moves.slice(0, -1).map((move, at) => ({ position: positions[at], move })),
      )
      expect(told.map((event) => event.position)).toEqual(positions.slice(1).map(Position.hash))
      expect(told.map((event) => event.number)).toEqual(told.map((_, at) => at + 1))
      const last = { position: positions.at(-1), move: moves.at(-1) }
      const fine = { dispute: id, claimant: address, winner: challenger }
      const gasUsed = expect.any(BigInt) as bigint
      const by = last.move!.type
      const won = { dispute: id, claim: key.claim, state: 'challenger-won', by, made: last }
      const other = { dispute: DisputeKey.id(byStranger), claim: key.claim, made: undefined }
      expect(events.slice(told.length).map(withoutPlace)).toEqual([
        { type: 'dispute-ended', ...won, gasUsed },
        { type: 'slashed', provider: address, amountMicroUsd: 40n },
        { type: 'claimant-slashed', ...fine, amountMicroUsd: 40n },
        { type: 'bond-burned', claim: key.claim, amountMicroUsd: 8n },
        { type: 'dispute-ended', ...other, state: 'closed', by: 'close', gasUsed },
      ])
    })

    test('refuses moves out of turn, from elsewhere, and wrong ones', async () => {
      await using setup = await create()
      const table = await disputing(setup)
      const { claim, provider, buyer, challenge } = table
      await challenge()
      const first = Position.first(claim.message)
      const move = await claimantMove(liar.prover, first)
      const send = (by: Party, position: Position.Position, made: Move.Move) =>
        by.chain.send(moveOf(table, position, made))
      await expect(send(buyer, first, move)).rejects.toMatchObject({ code: 'Chain.NotYourTurn' })
      const elsewhere = { ...first, index: 1 }
      await expect(send(provider, elsewhere, move)).rejects.toMatchObject({
        code: 'Chain.WrongPosition',
      })
      const none: Move.Move = { type: 'reveal', nodes: [] }
      await expect(send(provider, first, none)).rejects.toMatchObject({
        code: expect.stringMatching(/^Chain\.Wrong/) as string,
      })
      expect(await buyer.chain.dispute(table.id)).toMatchObject({ number: 0 })
    })

    test('goes on from what both have signed, if it is newer', async () => {
      await using setup = await create()
      const table = await disputing(setup)
      const { claim, key, provider, buyer, stranger, challenge } = table
      await challenge()
      const first = Position.first(claim.message)
      const outcome = Game.play(claim.message, first, await claimantMove(liar.prover, first))
      const { position } = outcome as Extract<Game.Outcome, { type: 'position' }>
      const { domain } = buyer.chain
      const ply: Ply.Ply = {
        dispute: table.id,
        number: 5,
        position: Position.hash(position),
        turn: 1,
        claimantSeconds: 100,
        challengerSeconds: 200,
      }
      const signedBy = (who: Party) => Ply.sign(domain, ply, who.identity).signature
      const challengerSignature = signedBy(buyer)
      const both = { claimantSignature: signedBy(provider), challengerSignature }
      const adopt = { type: 'dispute-adopt', key, position, ply, ...both } as const
      await expect(
        stranger.chain.send({ ...adopt, claimantSignature: challengerSignature }),
      ).rejects.toMatchObject({ code: 'Chain.InvalidSignature' })
      await expect(stranger.chain.send({ ...adopt, position: first })).rejects.toMatchObject({
        code: 'Chain.WrongPosition',
      })
      const { block } = await stranger.chain.send(adopt)
      await expect(stranger.chain.send(adopt)).rejects.toMatchObject({ code: 'Chain.StalePly' })
      expect(await buyer.chain.dispute(table.id)).toMatchObject({
        number: 5,
        turn: 'challenger',
        position: ply.position,
        claimantSeconds: 100,
        challengerSeconds: 200,
      })
      const events = await buyer.chain.events({ from: block, to: block })
      expect(events.map(withoutPlace)).toEqual([
        {
          type: 'dispute-adopted',
          dispute: table.id,
          ply,
          position,
          gasUsed: expect.any(BigInt) as bigint,
        },
      ])
    })
  })
}

function endCompliance(create: Create): void {
  describe('the end of a dispute', () => {
    test('comes when a clock has run out, no sooner, and frees a true claim', async () => {
      await using setup = await create()
      const table = await disputing(setup, honest)
      const { key, claim, provider, buyer, stranger, challenge } = table
      await challenge()
      const first = Position.first(claim.message)
      const move = await claimantMove(honest.prover, first)
      const sent = await provider.chain.send(moveOf(table, first, move))
      const timeout = { type: 'dispute-timeout', key } as const
      await expect(stranger.chain.send(timeout)).rejects.toMatchObject({
        code: 'Chain.ClockStillRuns',
      })
      const { clockSeconds } = buyer.chain.parameters.disputes
      await setup.elapse(clockSeconds + 2)
      await stranger.chain.send(timeout)
      await expect(stranger.chain.send(timeout)).rejects.toMatchObject({
        code: 'Chain.DisputeNotOpen',
      })
      expect(await buyer.chain.dispute(table.id)).toMatchObject({ state: 'claimant-won' })
      const release = { type: 'release-claim', claim: claim.message } as const
      await expect(stranger.chain.send(release)).rejects.toMatchObject({
        code: 'Chain.ClaimNotFinal',
      })
      await setup.elapse(1200)
      await stranger.chain.send(release)
      expect(await buyer.chain.exactClaim(claim.message)).toMatchObject({ state: 'final' })
      expect(await buyer.chain.credit(provider.identity.address)).toMatchObject({
        freeMicroUsd: 140n,
        reservedMicroUsd: 0n,
      })
      const { number } = await buyer.chain.head()
      const events = await buyer.chain.events({ from: sent.block + 1n, to: number })
      const end = { dispute: table.id, claim: key.claim, state: 'claimant-won', by: 'timeout' }
      expect(events.map(withoutPlace)).toEqual([
        { type: 'dispute-ended', ...end, made: undefined, gasUsed: expect.any(BigInt) as bigint },
        { type: 'claim-released', claim: key.claim, bondMicroUsd: 40n },
      ])
    })

    test('is conceding, in the own turn', async () => {
      await using setup = await create()
      const table = await disputing(setup)
      const { claim, provider, buyer, challenge } = table
      await challenge()
      const first = Position.first(claim.message)
      const concede = moveOf(table, first, { type: 'concede' })
      await expect(buyer.chain.send(concede)).rejects.toMatchObject({ code: 'Chain.NotYourTurn' })
      await provider.chain.send(concede)
      expect(await buyer.chain.dispute(table.id)).toMatchObject({ state: 'challenger-won' })
      const slash = { claim: claim.message, challenger: table.key.challenger }
      await expect(buyer.chain.send({ type: 'slash-claimant', ...slash })).rejects.toMatchObject({
        code: 'Chain.NothingToSlash',
      })
    })
  })
}

function flipped({ step, number, bytes }: Computed, wrong: number): Uint8Array | undefined {
  if (step !== 1 || number !== wrong) return undefined
  return bytes.map((byte, at) => (at === 3 ? byte ^ 128 : byte))
}

type Table = Setup & {
  readonly claim: Signed<ExactClaim.ExactClaim>
  readonly key: DisputeKey.DisputeKey
  readonly id: Hex.Hex
  readonly challenge: (options?: { by?: Party; signature?: Hex.Hex }) => Promise<unknown>
}

/** The provider claims a run, and has credit to be challenged by the buyer. */
async function disputing(setup: Setup, claimed = liar): Promise<Table> {
  const { provider, buyer } = setup
  for (const party of [provider, buyer]) {
    await mint(party, 100n)
    const account = party.identity.address
    await party.chain.send({ type: 'dispute-deposit', account, amountMicroUsd: 100n })
  }
  const { timestampSeconds } = await buyer.chain.head()
  const message: ExactClaim.ExactClaim = {
    ...claimed.claim,
    claimant: provider.identity.address,
    bond: 40n,
    challengeUntil: timestampSeconds + 1200,
  }
  const claim = ExactClaim.sign(provider.chain.domain, message, provider.identity)
  const challenger = buyer.identity.address
  const key = { claim: ExactClaim.hash(provider.chain.domain, message), challenger }
  return {
    ...setup,
    claim,
    key,
    id: DisputeKey.id(key),
    challenge: ({ by = buyer, signature = claim.signature } = {}) =>
      by.chain.send({ type: 'challenge', claim: message, signature }),
  }
}

/** Both parties play well, on the chain alone. */
async function playOut(table: Table) {
  const { claim, provider, buyer } = table
  const moves: Move.Move[] = []
  const positions: Position.Position[] = []
  const shown: Move.Move[] = []
  let position = Position.first(claim.message)
  for (;;) {
    const isClaimants = position.turn === 'claimant'
    const move: Move.Move = isClaimants
      ? await claimantMove(liar.prover, position)
      : await challengerMove(honest.prover, position, shown)
    const party = isClaimants ? provider : buyer
    await party.chain.send(moveOf(table, position, move))
    if (isClaimants) shown.push(move)
    moves.push(move)
    positions.push(position)
    const outcome = Game.play(claim.message, position, move)
    if (outcome.type === 'end') return { moves, positions }
    position = outcome.position
    expect(await buyer.chain.dispute(table.id)).toMatchObject({
      position: Position.hash(position),
      turn: position.turn,
      number: moves.length,
    })
  }
}

function moveOf({ claim, key }: Table, position: Position.Position, move: Move.Move) {
  const { challenger } = key
  return { type: 'dispute-move', claim: claim.message, challenger, position, move } as const
}

function withoutPlace(event: object): Partial<DisputeEvent> {
  const {
    block: _1,
    blockHash: _2,
    timestampSeconds: _3,
    transaction: _4,
    ...rest
  } = event as {
    block: bigint
    blockHash: string
    timestampSeconds: number
    transaction: string
  }
  return rest
}

const nothing = {
  freeMicroUsd: 0n,
  reservedMicroUsd: 0n,
  withdrawingMicroUsd: 0n,
  withdrawableAtSeconds: 0,
}
