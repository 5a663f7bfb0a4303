import { InvalidArgumentError } from 'commander'

/** Shows micro-USD as dollars, with no more digits than it takes: `$0.0042`, `$12.50`. */
export function formatUsd(microUsd: bigint): string {
  const sign = microUsd < 0n ? '-' : ''
  const digits = (microUsd < 0n ? -microUsd : microUsd).toString().padStart(7, '0')
  const fraction = digits.slice(-6).replace(/0{1,4}$/, '')
  return `${sign}$${digits.slice(0, -6)}.${fraction}`
}

/** Parses dollars from the command line: `12`, `0.25`; at most six decimals. */
export function parseUsd(text: string): bigint {
  const match = /^\$?(\d{1,12})(?:\.(\d{1,6}))?$/.exec(text)
  if (!match) throw new InvalidArgumentError('Expected an amount in USD such as 12 or 0.25.')
  return BigInt(match[1]!) * 1_000_000n + BigInt((match[2] ?? '').padEnd(6, '0'))
}
