import * as z from 'zod/mini'
import type * as Domain from '../Domain.ts'
import type * as Hex from '../Hex.ts'
import * as Applied from './Applied.ts'
import * as Audit from './Audit.ts'
import * as Commitment from './Commitment.ts'
import * as Join from './Join.ts'
import * as Leave from './Leave.ts'
import * as Ready from './Ready.ts'
import * as Score from './Score.ts'
import * as Seal from './Seal.ts'
import * as Witness from './Witness.ts'

/** What stands in the log of a run, one signed message of an author. */
export type Entry = z.infer<typeof schema>

export const schema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('join'), signed: Join.schema }),
  z.strictObject({ kind: z.literal('leave'), signed: Leave.schema }),
  z.strictObject({ kind: z.literal('ready'), signed: Ready.schema }),
  z.strictObject({ kind: z.literal('commitment'), signed: Commitment.schema }),
  z.strictObject({ kind: z.literal('witness'), signed: Witness.schema }),
  z.strictObject({ kind: z.literal('applied'), signed: Applied.schema }),
  z.strictObject({ kind: z.literal('audit'), signed: Audit.schema }),
  z.strictObject({ kind: z.literal('seal'), signed: Seal.schema }),
  z.strictObject({ kind: z.literal('score'), signed: Score.schema }),
])

/** The EIP-712 digest of an entry's message. */
export function hash(domain: Domain.Domain, { kind, signed }: Entry): Hex.Hex {
  switch (kind) {
    case 'join':
      return Join.hash(domain, signed.message)
    case 'leave':
      return Leave.hash(domain, signed.message)
    case 'ready':
      return Ready.hash(domain, signed.message)
    case 'commitment':
      return Commitment.hash(domain, signed.message)
    case 'witness':
      return Witness.hash(domain, signed.message)
    case 'applied':
      return Applied.hash(domain, signed.message)
    case 'audit':
      return Audit.hash(domain, signed.message)
    case 'seal':
      return Seal.hash(domain, signed.message)
    case 'score':
      return Score.hash(domain, signed.message)
  }
}

/** Who signed an entry. */
export function authorOf({ kind, signed }: Entry): Hex.Address {
  if (kind === 'audit') return signed.message.auditor
  return kind === 'seal' || kind === 'score' ? signed.message.scorer : signed.message.worker
}

/**
 * The batch that an entry is bound to: what its author saw when it signed. Entries that come and go with their
 * author, not with a branch of the log, are bound to none.
 */
export function batchOf({ kind, signed }: Entry): Hex.Hex | undefined {
  return kind === 'join' || kind === 'leave' ? undefined : signed.message.batch
}

function verify(domain: Domain.Domain, { kind, signed }: Entry): void {
  switch (kind) {
    case 'join':
      return void Join.verify(domain, signed)
    case 'leave':
      return void Leave.verify(domain, signed)
    case 'ready':
      return void Ready.verify(domain, signed)
    case 'commitment':
      return void Commitment.verify(domain, signed)
    case 'witness':
      return void Witness.verify(domain, signed)
    case 'applied':
      return void Applied.verify(domain, signed)
    case 'audit':
      return void Audit.verify(domain, signed)
    case 'seal':
      return void Seal.verify(domain, signed)
    case 'score':
      return void Score.verify(domain, signed)
  }
}

/** Whether its author signed an entry. */
export function isSigned(domain: Domain.Domain, entry: Entry): boolean {
  try {
    verify(domain, entry)
    return true
  } catch {
    return false
  }
}
