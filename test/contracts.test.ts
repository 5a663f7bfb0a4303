/** Runs the Solidity tests of `contracts/`, and holds what is generated from them against what they are. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const limitMs = 600_000

describe('contracts', () => {
  test(
    'pass their own tests: every revert, fuzzing, invariants, gas',
    { timeout: limitMs },
    async () => {
      const { status, output } = await run('contracts/forge.mjs', 'test')
      expect(status, output).toBe(0)
      expect(output).toMatch(/\b0 failed/)
    },
  )

  test('are what src/chain/artifacts.ts holds', { timeout: limitMs }, async () => {
    const { status, output } = await run('contracts/artifacts.mjs', '--check')
    expect(status, output).toBe(0)
  })

  test('cost no more gas than they may, by the committed figures', () => {
    const figures = (name: string) =>
      JSON.parse(readFileSync(`contracts/snapshots/${name}.json`, 'utf8')) as Record<string, string>
    const { open, 'claim 25': claim25, 'claim 100': claim100 } = figures('Vault')
    expect(Number(open)).toBeLessThanOrEqual(60_000)
    expect(Number(claim25) / 25).toBeLessThanOrEqual(12_500)
    expect(Number(claim100) / 100).toBeLessThanOrEqual(11_500)
    for (const gas of Object.values(figures('ProviderRegistry')))
      expect(Number(gas)).toBeLessThanOrEqual(150_000)
    const judge = figures('ExactJudge')
    expect(Number(judge['64 terms with two proofs of depth 20'])).toBeLessThanOrEqual(110_000)
    expect(Number(judge['exp, execution'])).toBeLessThanOrEqual(9000)
    for (const [name, gas] of Object.entries(judge))
      if (!name.endsWith('which no graph has'))
        expect(Number(gas), name).toBeLessThanOrEqual(400_000)
  })
})

/** Runs a script of this repository to its end. */
function run(...args: readonly string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, output: output.slice(-20_000) }))
  })
}
