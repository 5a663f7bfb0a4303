import * as Hex from './Hex.ts'
import { keccak256 } from '../runtime/keccak256.ts'

/** The network a message belongs to (EIP-712 domain): the same words signed for another chain or vault mean nothing here. */
export type Domain = {
  readonly chainId: number
  /** The `Vault` contract of the network. */
  readonly vault: Hex.Address
}

/** Name and version in the EIP-712 domain of every message and of the `Vault` contract. */
export const name = 'Weft'
export const version = '1'

/** EIP-712 domain separator. */
export function separator(domain: Domain): Uint8Array {
  if (last?.domain !== domain) last = { domain, result: find(domain) }
  return last.result
}

function find(domain: Domain): Uint8Array {
  const key = `${domain.chainId}:${domain.vault}`
  const cached = separators.get(key)
  if (cached) return cached
  const encoded = new Uint8Array(160)
  encoded.set(keccakOfText(domainType), 0)
  encoded.set(keccakOfText(name), 32)
  encoded.set(keccakOfText(version), 64)
  new DataView(encoded.buffer).setBigUint64(120, BigInt(domain.chainId))
  encoded.set(Hex.toBytes(domain.vault), 140)
  const result = keccak256(encoded)
  if (separators.size > 100) separators.clear()
  separators.set(key, result)
  return result
}

const domainType =
  'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
/** A program lives in one network, mostly. */
let last: { readonly domain: Domain; readonly result: Uint8Array } | undefined
const separators = new Map<string, Uint8Array>()

function keccakOfText(text: string): Uint8Array {
  return keccak256(new TextEncoder().encode(text))
}
