import { CID } from 'multiformats/cid'
import * as Hex from '../../protocol/Hex.ts'

/** The sha2-256 digest within a CID, as a claim has it. */
export function digestOfCid(cid: string): Hex.Hex {
  return Hex.from(CID.parse(cid).multihash.digest)
}
