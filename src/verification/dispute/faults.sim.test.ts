import { describe, expect, test } from 'vitest'
import { playFaults, scenarios } from '../../../test/playFaults.ts'

/** `npm run test:judge-full` plays five thousand. */
const full = process.env['MODE'] === 'judge-full'
const count = full ? 5_000 : 8 * scenarios.length

describe('a dispute', () => {
  test(
    `is lost by who lies, and ends where the fault is, in ${count} faulty runs and games`,
    { timeout: 3_600_000 },
    async () => {
      const ends: Record<string, Record<string, number>> = {}
      let longest = 0
      for await (const { number, scenario, fault, guilty, played, problems } of playFaults({
        count,
      })) {
        expect(problems, `dispute ${number}: ${scenario}, ${fault}`).toEqual([])
        const tally = (ends[`${guilty}: ${scenario}`] ??= {})
        tally[played.reason] = (tally[played.reason] ?? 0) + 1
        longest = Math.max(longest, Math.ceil(played.moves.length / 2))
      }
      expect(Object.keys(ends)).toHaveLength(scenarios.length)
      expect(longest).toBeLessThanOrEqual(16)
      if (full) console.info({ count, longest, ends })
    },
  )
})
