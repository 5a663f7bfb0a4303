/** How numbers, times and names are written. */

const usdWhole = new Intl.NumberFormat('en-US', {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
})

/** Micro-USD as dollars: two places when they are enough, else all six, so that columns line up. */
export function usd(microUsd: string | bigint): string {
  const value = BigInt(microUsd)
  const sign = value < 0n ? '−' : ''
  const size = value < 0n ? -value : value
  if (size % 10_000n === 0n) return `${sign}$${usdWhole.format(Number(size) / 1e6)}`
  const whole = (size / 1_000_000n).toLocaleString('en-US')
  const places = (size % 1_000_000n).toString().padStart(6, '0')
  return `${sign}$${whole}.${places}`
}

/** Whole numbers with separators. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

export function percent(share: number): string {
  return share === 1 ? '100 %' : `${(Math.floor(share * 1000) / 10).toFixed(1)} %`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10))
  const scaled = value / 1024 ** power
  return `${scaled >= 100 || Number.isInteger(scaled) ? scaled.toFixed(0) : scaled.toFixed(1)} ${units[power]!}`
}

/** `0x1234…abcd`. */
export function short(hex: string): string {
  return hex.length > 14 ? `${hex.slice(0, 6)}…${hex.slice(-4)}` : hex
}

/** How long ago, in the largest unit that fits. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000))
  if (seconds < 2) return 'now'
  return `${span(seconds * 1000)} ago`
}

/** A length of time in its largest unit. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1).replace('.0', '')} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

const clockFormat = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})
const dayFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

export function clockTime(at: number): string {
  return clockFormat.format(at)
}

export function dateTime(at: number): string {
  return dayFormat.format(at)
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}
