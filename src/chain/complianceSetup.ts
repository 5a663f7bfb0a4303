/** What the compliance suite of the chain port begins with. */
import type { Identity } from '../protocol/Identity.ts'
import type { Chain } from './Chain.ts'

/** A fresh chain with four parties, none of whom has any stable money. */
export type Setup = AsyncDisposable & {
  readonly buyer: Party
  readonly provider: Party
  readonly stranger: Party
  readonly court: Party
  /** Lets chain time pass. */
  elapse(seconds: number): Promise<void>
}

export type Party = { readonly chain: Chain; readonly identity: Identity }

/** Makes a setup; the contract of disputes is the court instead of the party of that name when told so. */
export type Create = (options?: { disputesAreCourt: boolean }) => Promise<Setup>

/** Makes stable money for a party. */
export async function mint({ chain, identity }: Party, amountMicroUsd: bigint): Promise<void> {
  await chain.send({ type: 'mint', to: identity.address, amountMicroUsd })
}

/** Makes money for a party and deposits it. */
export async function fund(party: Party, amountMicroUsd: bigint): Promise<void> {
  await mint(party, amountMicroUsd)
  await party.chain.send({ type: 'deposit', buyer: party.identity.address, amountMicroUsd })
}
