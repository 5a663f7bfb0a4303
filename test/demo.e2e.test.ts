/**
 * What `npm start -- --once` promises of its purchases, on real parts: anvil, libp2p, llama.cpp, the openai client. The
 * dispute and the training are in `readme.e2e.test.ts`.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

describe('weft demo', () => {
  test('buys twenty completions, rejects the wrong ones, pays the others, loses nothing', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        'src/cli/main.ts',
        ...'demo --once --no-dispute --no-training --gateway-port 0 --explorer-port 0'.split(' '),
      ],
      { timeout: 560_000, maxBuffer: 1 << 24 },
    )
    const lines = stdout.trimEnd().split('\n')
    const summary: unknown = JSON.parse(lines.at(-1)!)

    expect(summary).toMatchObject({ jobs: 20, delivered: 20, conserved: true, wronglyRejected: 0 })
    const { verified, rejected, paid } = summary as Record<string, number>
    expect(rejected).toBeGreaterThan(0)
    expect(paid! + rejected!).toBe(20)
    expect(verified! + rejected!).toBe(20)
    const rows = lines.filter((line) => /^ +0x[0-9a-f]{10} /.test(line))
    expect(rows).toHaveLength(20)
    expect(
      rows.filter((row) => row.includes('refunded')).every((row) => row.includes('provider-3')),
    ).toBe(true)
  }, 600_000)
})
