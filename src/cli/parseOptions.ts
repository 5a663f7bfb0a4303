import { InvalidArgumentError } from 'commander'
import type * as Hex from '../protocol/Hex.ts'
import { tiers, type Tier } from '../protocol/Assurance.ts'

/** Parses a whole number of the command line within bounds. */
export function parseInteger(bounds: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value
    throw new InvalidArgumentError(`Expected a whole number from ${bounds.min} to ${bounds.max}.`)
  }
}

/** Parses a TCP port; 0 asks for any free one. */
export const parsePort = parseInteger({ min: 0, max: 65_535 })

/** Parses a share between 0 and 1. */
export function parseShare(text: string): number {
  const value = Number(text)
  if (text !== '' && value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a number from 0 to 1.')
}

/** Parses an account. */
export function parseAddress(text: string): Hex.Address {
  const address = text.toLowerCase()
  if (/^0x[0-9a-f]{40}$/.test(address)) return address as Hex.Address
  throw new InvalidArgumentError('Expected an account: 0x and 40 hexadecimal digits.')
}

/** Collects the accounts of an option that may be repeated. */
export function collectAddress(
  text: string,
  previous: readonly Hex.Address[] = [],
): readonly Hex.Address[] {
  return [...previous, parseAddress(text)]
}

/** Parses an assurance tier. */
export function parseTier(text: string): Tier {
  const tier = tiers.find((name) => name === text)
  if (tier) return tier
  throw new InvalidArgumentError(`Expected one of: ${tiers.join(', ')}.`)
}

/** Parses a SHA-256, with or without `0x`. */
export function parseHash(text: string): Hex.Hex {
  const match = /^(?:0x)?([0-9a-f]{64})$/.exec(text.toLowerCase())
  if (match) return `0x${match[1]}`
  throw new InvalidArgumentError('Expected a SHA-256: 64 hexadecimal digits.')
}
