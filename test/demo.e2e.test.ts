/** What `npm start -- --once` promises, on real parts: anvil, libp2p, llama.cpp, the openai client. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

describe('weft demo', () => {
  test('buys twenty completions, rejects the wrong ones, pays the others, loses nothing', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['src/cli/main.ts', 'demo', '--once', '--gateway-port', '0', '--explorer-port', '0'],
      { timeout: 560_000, maxBuffer: 1 << 24 },
    )
    const lines = stdout.trimEnd().split('\n')
    const summary: unknown = JSON.parse(lines.at(-1)!)

    expect(summary).toMatchObject({ jobs: 20, delivered: 20, conserved: true, wronglyRejected: 0 })
    const { verified, rejected, paid } = summary as Record<string, number>
    expect(rejected).toBeGreaterThan(0)
    expect(paid! + rejected!).toBe(20)
    expect(verified! + rejected!).toBe(20)
    // The wrong exact answer: disputed, and decided on the chain.
    expect(summary).toMatchObject({ dispute: { winner: 'challenger', slashedMicroUsd: '1000000' } })
    // The model that four workers trained: the liar was convicted, and it answers.
    const { training } = summary as { training: Record<string, number> }
    expect(training).toMatchObject({ rounds: 12, workers: 4, killed: 1, tier: 'exact' })
    expect(training).toMatchObject({ convicted: 1, wronglyConvicted: 0, model: 'documents' })
    expect(training['firstLoss']).toBeGreaterThan(5)
    expect(training['loss']).toBeLessThan(3)
    expect(training['lateFrom']).toBeGreaterThan(0)
    expect(training['answer']).not.toBe('')
    const rows = lines.filter((line) => /^ +0x[0-9a-f]{10} /.test(line))
    expect(rows).toHaveLength(20)
    expect(
      rows.filter((row) => row.includes('refunded')).every((row) => row.includes('provider-3')),
    ).toBe(true)
  }, 600_000)
})
