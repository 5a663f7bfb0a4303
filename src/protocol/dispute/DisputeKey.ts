import * as Hex from '../Hex.ts'

/** Names a dispute: an account challenges a claim at most once. */
export type DisputeKey = {
  /** Id of the claim: `ExactClaim.hash`. */
  readonly claim: Hex.Hex
  readonly challenger: Hex.Address
}

/** The dispute's id: keccak-256 of the claim's id and the challenger, a word each, as the contract counts it. */
export function id({ claim, challenger }: DisputeKey): Hex.Hex {
  const words = new Uint8Array(64)
  words.set(Hex.toBytes(claim), 0)
  words.set(Hex.toBytes(challenger), 44)
  return Hex.keccak256(words)
}
