import * as Hex from '../Hex.ts'
import { define, type MessageOf } from '../SignedMessage.ts'

/** How well each contribution of a group fits the pages that its worker was given, as its scorer measured it. */
export type Score = MessageOf<typeof types, 'Score'>

/** EIP-712 types. */
export const types = {
  Score: [
    { name: 'run', type: 'bytes32' },
    { name: 'scorer', type: 'address' },
    { name: 'round', type: 'uint32' },
    /** Hash of the batch that closed the round. */
    { name: 'batch', type: 'bytes32' },
    { name: 'group', type: 'uint32' },
    /** Known to the scorer alone until now. */
    { name: 'salt', type: 'bytes32' },
    /** Thousandths of a standard error, from -8 on: 8,000 is no better than chance. */
    { name: 'scores', type: 'uint16[]' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Score', signer: 'scorer' })

/** What a scorer is bound to before it shows its scores: SHA-256 over all that they say, its own name included. */
export function sealOf({ run, scorer, round, batch, group, salt, scores }: Score): Hex.Hex {
  return Hex.sha256([run, scorer, round, batch, group, salt, ...scores].join(' '))
}
