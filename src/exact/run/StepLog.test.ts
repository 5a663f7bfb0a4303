import { describe, expect, test } from 'vitest'
import { hashOf } from './Claim.ts'
import { type Entry, line, parse } from './StepLog.ts'

const entries: readonly Entry[] = [0, 1, 2].map((step) => ({
  step,
  loss: 5 - step / 3,
  root: hashOf(new Uint8Array(32).fill(step)),
}))
const whole = entries.map(line).join('')
const bytesOf = (text: string) => new TextEncoder().encode(text)

describe('line', () => {
  test('leaves out a loss that is no number', () => {
    const entry = { ...entries[0]!, loss: Number.NaN }
    expect(line(entry)).toBe(line({ step: 0, root: entry.root }))
    expect(parse(bytesOf(line(entry))).entries).toEqual([{ step: 0, root: entry.root }])
  })
})

describe('parse', () => {
  test('reads what line wrote', () => {
    const { ends, isWhole, entries: found } = parse(bytesOf(whole))
    expect(found).toEqual(entries)
    expect(ends.at(-1)).toBe(whole.length)
    expect(isWhole).toBe(true)
    expect(parse(new Uint8Array())).toEqual({ entries: [], ends: [], isWhole: true })
  })

  test('leaves out a line that is torn anywhere', () => {
    const last = line(entries[2]!).length
    for (let torn = 1; torn <= last; torn++) {
      const parsed = parse(bytesOf(whole.slice(0, -torn)))
      expect(parsed.entries).toEqual(entries.slice(0, 2))
      expect(parsed.isWhole).toBe(torn === last)
      expect(parsed.ends).toHaveLength(2)
    }
  })

  test('ends at a line that is out of order, not of the kind, or too long', () => {
    const [first = '', second = '', third = ''] = entries.map(line)
    const prefix = (text: string) => parse(bytesOf(text)).entries.length
    expect(prefix(first + third)).toBe(1)
    expect(prefix(first + first)).toBe(1)
    for (const bad of ['null', '7', '{}', '{"step":1,"root":"0x12"}', 'x', ' '.repeat(2000)])
      expect(prefix(`${first}${bad}\n${second}`)).toBe(1)
    expect(prefix(first + second.replace(/"loss":[^,]+/, '"loss":"low"'))).toBe(1)
  })
})
