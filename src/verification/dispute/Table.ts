import * as z from 'zod/mini'
import type * as Domain from '../../protocol/Domain.ts'
import { reason } from '../../protocol/Exchange.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Ply from '../../protocol/Ply.ts'
import { BaseError } from '../../runtime/Errors.ts'
import * as Move from '../../protocol/dispute/Move.ts'
import * as Position from '../../protocol/dispute/Position.ts'

/**
 * What the parties of a dispute send each other when they play off the chain. Each request is the challenger's
 * move and each reply the claimant's, with the ply that it leads to. Who receives a ply can sign it too, and then
 * both have: so each party always holds a position that the chain takes up, at most one move behind.
 */

const hash = z.string().check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Hex.Hex>
const signature = z
  .string()
  .check(z.regex(/^0x[0-9a-f]{130}$/)) as unknown as z.ZodMiniType<Hex.Hex>

export const answer = z.strictObject({
  move: Move.schema,
  /** Where the move leads; missing when it ends the game. */
  ply: z.optional(Ply.schema),
})
export type Answer = z.infer<typeof answer>

/** The challenger's: at the beginning, when the claimant is in turn, it has nothing to say. */
export const request = z.strictObject({ dispute: hash, answer: z.optional(answer) })
export type Request = z.infer<typeof request>

/** The claimant's. */
export const reply = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('answer'), answer }),
  /** It sees that it has lost. */
  z.strictObject({ type: z.literal('lost') }),
  z.strictObject({ type: z.literal('refused'), reason }),
])
export type Reply = z.infer<typeof reply>

/** A position that both have signed: what the chain takes up. */
export const adoptable = z.strictObject({
  position: Position.schema,
  ply: Ply.schema,
  claimantSignature: signature,
  challengerSignature: signature,
})
export type Adoptable = z.infer<typeof adoptable>

/** The dispute that is played, as it stands on the chain. */
export type Dispute = {
  readonly id: Hex.Hex
  readonly claimant: Hex.Address
  readonly challenger: Hex.Address
  /** How long each party may take for all its moves. */
  readonly clockSeconds: number
}

/** Time that each party has left. */
export type Clocks = { readonly claimantSeconds: number; readonly challengerSeconds: number }

/** Signs the ply to which a move leads. */
export function signPly(
  domain: Domain.Domain,
  signer: Identity,
  { dispute, number, position, clocks }: Reached,
): Answer['ply'] & {} {
  return Ply.sign(domain, plyOf({ dispute, number, position, clocks }), signer)
}

/** What a ply says. */
export type Reached = {
  readonly dispute: Hex.Hex
  readonly number: number
  readonly position: Position.Position
  readonly clocks: Clocks
}

/** A ply of the other party, signed by us too. */
export function adopt(
  domain: Domain.Domain,
  signer: Identity,
  { position, ply }: { position: Position.Position; ply: Answer['ply'] & {} },
): Adoptable {
  const own = Ply.sign(domain, ply.message, signer).signature
  const [claimantSignature, challengerSignature] =
    position.turn === 'challenger' ? [ply.signature, own] : [own, ply.signature]
  return { position, ply, claimantSignature, challengerSignature }
}

function plyOf({ dispute, number, position, clocks }: Reached): Ply.Ply {
  const turn = Position.parties.indexOf(position.turn)
  return { dispute, number, position: Position.hash(position), turn, ...clocks }
}

/**
 * Checks the ply of the other party: that it is the one its move leads to, signed, and that the clocks are
 * right: ours as we said, its own shorter by the time it took.
 *
 * @throws {PlyError} when it is not.
 * @throws {SignatureError} when it is not signed by the other party.
 */
export function checkPly(
  domain: Domain.Domain,
  signed: Answer['ply'],
  { reached, mover, most }: { reached: Reached; mover: Hex.Address; most: number },
): asserts signed is Answer['ply'] & {} {
  if (!signed) throw new PlyError('The move comes without its ply.')
  const { message } = signed
  Ply.verifyBy(domain, signed, mover)
  const isClaimant = reached.position.turn === 'challenger'
  const own = isClaimant ? message.claimantSeconds : message.challengerSeconds
  const clocks = { ...reached.clocks, [isClaimant ? 'claimantSeconds' : 'challengerSeconds']: own }
  if (Ply.hash(domain, message) !== Ply.hash(domain, plyOf({ ...reached, clocks })))
    throw new PlyError('The ply is not the one that the move leads to.')
  if (own > most)
    throw new PlyError(`The ply leaves its signer ${own} seconds, and it has ${most} at most.`)
}

/** What is left of a clock after some time. */
export function left(seconds: number, elapsedMs: number): number {
  return Math.max(0, seconds - Math.ceil(Math.max(0, elapsedMs) / 1000))
}

/** Thrown when a ply is not what the rules make of a move. */
export class PlyError extends BaseError {
  override readonly code = 'Dispute.PlyError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
