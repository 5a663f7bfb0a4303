import * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import type * as Move from '../protocol/dispute/Move.ts'
import * as Position from '../protocol/dispute/Position.ts'
import * as Told from '../protocol/dispute/Told.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Ply from '../protocol/Ply.ts'
import * as Signature from '../protocol/Signature.ts'
import type { Action, DisputeAction, EndedBy, Made } from './Chain.ts'
import {
  type Context,
  type Dispute,
  type Draft,
  largestAmountMicroUsd,
  type LedgerEvent,
  Refusal,
  type RulesOf,
  takeStake,
  transfer,
  zeroAddress,
} from './ledgerDraft.ts'

/**
 * The rules of `Disputes`, with the game handed in. It names its errors as the contract does, but what the
 * game says of a move that it refuses is the game's word for it.
 */
export const disputeRules: RulesOf<DisputeAction['type']> = {
  'dispute-deposit'(draft, { account, amountMicroUsd }, { sender, parameters }) {
    if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (account === zeroAddress) throw new Refusal('ZeroAddress')
    if (amountMicroUsd > largestAmountMicroUsd) throw new Refusal('AmountTooLarge')
    transfer(draft, sender, parameters.disputes.address, amountMicroUsd)
    addCredit(draft, account, { free: amountMicroUsd })
    return [{ type: 'dispute-deposited', account, from: sender, amountMicroUsd }]
  },

  'dispute-request-withdrawal'(draft, { amountMicroUsd }, context) {
    if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (amountMicroUsd >= 2n ** 128n) throw new Refusal('AmountTooLarge')
    const { sender, parameters, timestampSeconds } = context
    draft.credit.set(sender, {
      ...draft.credit.get(sender),
      withdrawingMicroUsd: amountMicroUsd,
      withdrawableAtSeconds: timestampSeconds + parameters.disputes.withdrawalDelaySeconds,
    })
    return []
  },

  'dispute-withdraw'(draft, _, { sender, parameters, timestampSeconds }) {
    const credit = draft.credit.get(sender)
    const { freeMicroUsd, withdrawingMicroUsd } = credit
    const amountMicroUsd = least(freeMicroUsd, withdrawingMicroUsd)
    if (amountMicroUsd === 0n) throw new Refusal('NothingToWithdraw')
    if (timestampSeconds < credit.withdrawableAtSeconds) throw new Refusal('WithdrawalTooEarly')
    const left = { withdrawingMicroUsd: 0n, withdrawableAtSeconds: 0 }
    draft.credit.set(sender, { ...credit, ...left, freeMicroUsd: freeMicroUsd - amountMicroUsd })
    transfer(draft, parameters.disputes.address, sender, amountMicroUsd)
    return [{ type: 'dispute-withdrawn', account: sender, amountMicroUsd }]
  },

  challenge,
  'dispute-move': move,
  'dispute-adopt': adopt,

  'dispute-timeout'(draft, { key }, { timestampSeconds }) {
    const dispute = openDispute(draft, key)
    if (timestampSeconds - dispute.movedAtSeconds <= leftOf(dispute))
      throw new Refusal('ClockStillRuns')
    return end(draft, { key, dispute, loser: dispute.turn, by: 'timeout' })
  },

  'dispute-close'(draft, { key }) {
    const dispute = openDispute(draft, key)
    const claim = draft.claim.get(key.claim)
    if (claim.state !== 'rejected') throw new Refusal('ClaimNotRejected')
    draft.claim.set(key.claim, { ...claim, open: claim.open - 1 })
    draft.dispute.set(DisputeKey.id(key), { ...dispute, state: 'closed' })
    unreserve(draft, key.challenger, claim.bondMicroUsd, claim.bondMicroUsd)
    return [ended(key, { state: 'closed', by: 'close' })]
  },

  'release-claim'(draft, { claim: message }, { domain, timestampSeconds }) {
    const id = ExactClaim.hash(domain, message)
    const claim = draft.claim.get(id)
    const isOver = claim.state === 'challenged' && claim.open === 0
    if (!isOver || timestampSeconds <= message.challengeUntil) throw new Refusal('ClaimNotFinal')
    draft.claim.set(id, { ...claim, state: 'final' })
    unreserve(draft, message.claimant, claim.bondMicroUsd, claim.bondMicroUsd)
    return [{ type: 'claim-released', claim: id, bondMicroUsd: claim.bondMicroUsd }]
  },

  'slash-claimant'(draft, { claim, challenger }, context) {
    const key = { claim: ExactClaim.hash(context.domain, claim), challenger }
    const id = DisputeKey.id(key)
    const dispute = draft.dispute.get(id)
    if (dispute.state !== 'challenger-won') throw new Refusal('DisputeNotWon')
    if (dispute.slashed) throw new Refusal('AlreadySlashed')
    const { stakeMicroUsd, unbondingMicroUsd } = draft.registration.get(claim.claimant)
    if (claim.bond === 0n || stakeMicroUsd + unbondingMicroUsd === 0n)
      throw new Refusal('NothingToSlash')
    const { address } = context.parameters.disputes
    if (context.court !== address) throw new Refusal('NotCourt')
    draft.dispute.set(id, { ...dispute, slashed: true })
    const asked = { provider: claim.claimant, amountMicroUsd: claim.bond, beneficiary: address }
    const amountMicroUsd = takeStake(draft, asked, context)
    addCredit(draft, challenger, { free: amountMicroUsd })
    const { claimant } = claim
    return [
      { type: 'slashed', provider: claimant, amountMicroUsd },
      { type: 'claimant-slashed', dispute: id, claimant, winner: challenger, amountMicroUsd },
    ]
  },

  'burn-bond'(draft, { claim: id }, { parameters }) {
    const claim = draft.claim.get(id)
    const amountMicroUsd = claim.bondMicroUsd / burned
    if (claim.state !== 'rejected' || claim.burned || amountMicroUsd === 0n)
      throw new Refusal('NothingToBurn')
    draft.claim.set(id, { ...claim, burned: true })
    transfer(draft, parameters.disputes.address, nobody, amountMicroUsd)
    return [{ type: 'bond-burned', claim: id, amountMicroUsd }]
  },
}

/** Nobody gets one part in so many of a lost bond of a claim. */
export const burned = 5n
const nobody: Hex.Address = '0x000000000000000000000000000000000000dead'

function challenge(
  draft: Draft,
  { claim: message, signature }: Extract<Action, { type: 'challenge' }>,
  { domain, sender, parameters, timestampSeconds }: Context,
): readonly LedgerEvent[] {
  const id = ExactClaim.hash(domain, message)
  if (message.steps === 0 || message.claimant === zeroAddress) throw new Refusal('InvalidClaim')
  if (message.claimant === sender) throw new Refusal('SelfChallenge')
  if (timestampSeconds > message.challengeUntil) throw new Refusal('ChallengeTooLate')
  const key = { claim: id, challenger: sender }
  const dispute = DisputeKey.id(key)
  if (draft.dispute.get(dispute).state !== 'none') throw new Refusal('AlreadyChallenged')
  let claim = draft.claim.get(id)
  if (claim.state === 'rejected') throw new Refusal('ClaimRejected')
  if (claim.state === 'none') {
    if (!Signature.verify(id, signature, message.claimant)) throw new Refusal('InvalidSignature')
    const { claimant } = message
    const free = least(draft.credit.get(claimant).freeMicroUsd, 2n ** 64n - 1n)
    const bondMicroUsd = least(message.bond, free)
    addCredit(draft, claimant, { free: -bondMicroUsd, reserved: bondMicroUsd })
    claim = { claimant, state: 'challenged', bondMicroUsd, open: 0, burned: false }
  }
  const { bondMicroUsd } = claim
  if (draft.credit.get(sender).freeMicroUsd < bondMicroUsd) throw new Refusal('InsufficientCredit')
  addCredit(draft, sender, { free: -bondMicroUsd, reserved: bondMicroUsd })
  draft.claim.set(id, { ...claim, open: claim.open + 1 })
  const { clockSeconds } = parameters.disputes
  draft.dispute.set(dispute, {
    state: 'open',
    position: Position.hash(Position.first(message)),
    number: 0,
    turn: 'claimant',
    claimantSeconds: clockSeconds,
    challengerSeconds: clockSeconds,
    movedAtSeconds: timestampSeconds,
    slashed: false,
  })
  return [{ type: 'challenged', dispute, key, claim: message, bondMicroUsd, gasUsed: 0n }]
}

function move(
  draft: Draft,
  action: Extract<Action, { type: 'dispute-move' }>,
  context: Context,
): readonly LedgerEvent[] {
  const { claim: message, challenger, position, move: made } = action
  const { sender, timestampSeconds, domain } = context
  const key = { claim: ExactClaim.hash(domain, message), challenger }
  const dispute = openDispute(draft, key)
  const { turn } = dispute
  const account = turn === 'claimant' ? message.claimant : challenger
  const isTheirs = made.type === 'concede' || moverOf(made) === turn
  if (sender !== account || !isTheirs) throw new Refusal('NotYourTurn')
  if (made.type === 'concede') return end(draft, { key, dispute, loser: turn, by: 'concede' })
  const usedSeconds = timestampSeconds - dispute.movedAtSeconds
  if (usedSeconds > leftOf(dispute)) throw new Refusal('ClockRanOut')
  if (Position.hash(position) !== dispute.position) throw new Refusal('WrongPosition')
  const outcome = play(context, action)
  if (outcome.type === 'end') {
    const by = made.type as EndedBy
    return end(draft, { key, dispute, loser: 'claimant', by, made: { position, move: made } })
  }
  const clock = turn === 'claimant' ? 'claimantSeconds' : 'challengerSeconds'
  const moved: Dispute = {
    ...dispute,
    [clock]: dispute[clock] - usedSeconds,
    position: Position.hash(outcome.position),
    number: dispute.number + 1,
    turn: outcome.position.turn,
    movedAtSeconds: timestampSeconds,
  }
  draft.dispute.set(DisputeKey.id(key), moved)
  return [
    {
      type: 'dispute-moved',
      dispute: DisputeKey.id(key),
      number: moved.number,
      position: moved.position,
      told: Told.from(made)!,
      made: { position, move: made },
      gasUsed: 0n,
    },
  ]
}

function play(
  { game }: Context,
  { claim, position, move: made }: Extract<Action, { type: 'dispute-move' }>,
) {
  if (!game) throw new TypeError('Give memoryChain the game to play disputes on it.')
  try {
    return game(claim, position, made)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && code.startsWith('Dispute.')) throw new Refusal(code.slice(8))
    throw error
  }
}

function adopt(
  draft: Draft,
  action: Extract<Action, { type: 'dispute-adopt' }>,
  { domain, parameters, timestampSeconds }: Context,
): readonly LedgerEvent[] {
  const { key, position, ply } = action
  const dispute = openDispute(draft, key)
  const id = DisputeKey.id(key)
  if (ply.number <= dispute.number) throw new Refusal('StalePly')
  if (Position.hash(position) !== ply.position) throw new Refusal('WrongPosition')
  const { clockSeconds } = parameters.disputes
  const isWithin = Math.max(ply.claimantSeconds, ply.challengerSeconds) <= clockSeconds
  if (ply.dispute !== id || Position.parties[ply.turn] !== position.turn || !isWithin)
    throw new Refusal('WrongPly')
  const digest = Ply.hash(domain, ply)
  const { claimant } = draft.claim.get(key.claim)
  const isSigned =
    Signature.verify(digest, action.claimantSignature, claimant) &&
    Signature.verify(digest, action.challengerSignature, key.challenger)
  if (!isSigned) throw new Refusal('InvalidSignature')
  const { number, claimantSeconds, challengerSeconds } = ply
  draft.dispute.set(id, {
    ...dispute,
    position: ply.position,
    number,
    turn: position.turn,
    claimantSeconds,
    challengerSeconds,
    movedAtSeconds: timestampSeconds,
  })
  return [{ type: 'dispute-adopted', dispute: id, ply, position, gasUsed: 0n }]
}

type Ending = {
  readonly key: DisputeKey.DisputeKey
  readonly dispute: Dispute
  readonly loser: Position.Party
  readonly by: EndedBy
  readonly made?: Made | undefined
}

/** The loser's bond goes where it belongs. */
function end(draft: Draft, { key, dispute, loser, by, made }: Ending): readonly LedgerEvent[] {
  const claim = draft.claim.get(key.claim)
  if (claim.state === 'rejected') throw new Refusal('ClaimRejected')
  const { claimant, bondMicroUsd: bond } = claim
  const state = loser === 'claimant' ? 'challenger-won' : 'claimant-won'
  draft.dispute.set(DisputeKey.id(key), { ...dispute, state })
  if (state === 'claimant-won') {
    draft.claim.set(key.claim, { ...claim, open: claim.open - 1 })
    addCredit(draft, key.challenger, { reserved: -bond })
    addCredit(draft, claimant, { free: bond })
  } else {
    draft.claim.set(key.claim, { ...claim, open: claim.open - 1, state: 'rejected' })
    addCredit(draft, claimant, { reserved: -bond })
    unreserve(draft, key.challenger, bond, 2n * bond - bond / burned)
  }
  return [ended(key, { state, by, made })]
}

function ended(
  key: DisputeKey.DisputeKey,
  facts: Pick<Ending, 'by' | 'made'> & { state: 'claimant-won' | 'challenger-won' | 'closed' },
): LedgerEvent {
  const { state, by, made } = facts
  const dispute = DisputeKey.id(key)
  return { type: 'dispute-ended', dispute, claim: key.claim, state, by, made, gasUsed: 0n }
}

function openDispute(draft: Draft, key: DisputeKey.DisputeKey): Dispute {
  const dispute = draft.dispute.get(DisputeKey.id(key))
  if (dispute.state !== 'open') throw new Refusal('DisputeNotOpen')
  return dispute
}

/** What was left to the party in turn at the last move. */
function leftOf({ turn, claimantSeconds, challengerSeconds }: Dispute): number {
  return turn === 'claimant' ? claimantSeconds : challengerSeconds
}

const claimants: ReadonlySet<Move.Move['type']> = new Set([
  'reveal',
  'enter',
  'tensor',
  'leaf',
  'accumulators',
  'operands',
])

function moverOf({ type }: Move.Move): Position.Party {
  return claimants.has(type) ? 'claimant' : 'challenger'
}

function unreserve(draft: Draft, account: Hex.Address, reserved: bigint, freed: bigint): void {
  addCredit(draft, account, { free: freed, reserved: -reserved })
}

function addCredit(
  draft: Draft,
  account: Hex.Address,
  { free = 0n, reserved = 0n }: { free?: bigint; reserved?: bigint },
): void {
  const credit = draft.credit.get(account)
  draft.credit.set(account, {
    ...credit,
    freeMicroUsd: credit.freeMicroUsd + free,
    reservedMicroUsd: credit.reservedMicroUsd + reserved,
  })
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
