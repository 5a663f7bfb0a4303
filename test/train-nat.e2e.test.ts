/**
 * A run between two namespaces that cannot reach each other, each behind its own NAT as it were; only the
 * relay's reaches both:
 *
 *     first node 10.78.1.2 ---- 10.78.1.1 relay 10.78.2.1 ---- 10.78.2.2 joiner
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import * as Identity from '../src/protocol/Identity.ts'
import { createNamespaces, inside, whyNoNamespaces } from './namespaces.ts'
import type { Settings } from './networkPeer.ts'
import { startTrain } from './trainProcess.ts'

const relayId = Identity.from(new Uint8Array(32).fill(1)).peerId
const config = `
run: { rounds: 4, steps: 4, minWorkers: 2, roundSeconds: 20, auditShare: 1, keptLast: 256 }
model: { width: 16, layers: 1, heads: 2, positions: 16, vocabulary: 128 }
schedule: { rate: 0.02, decay: none }
rows: 4
length: 8
threads: 1
`
const obstacle = whyNoNamespaces()
if (obstacle) console.warn(`SKIPPED: training over NAT needs root and iproute2. ${obstacle}`)

describe.skipIf(obstacle)('weft train behind NAT', () => {
  test('trains through the relay, payloads and audits and all', async () => {
    await using stack = new AsyncDisposableStack()
    const spaces = createNamespaces(stack, { net: '10.78' })
    const home = mkdtempSync(join(tmpdir(), 'weft-train-nat-'))
    stack.defer(() => rmSync(home, { recursive: true, force: true }))
    const running = new Set<ChildProcess>()
    stack.defer(() => running.forEach((child) => child.kill('SIGKILL')))
    writeFileSync(
      join(home, 'book.txt'),
      'the cat sat on the mat; the dog ate the hat. '.repeat(60),
    )
    writeFileSync(join(home, 'tiny.yaml'), config)
    await startRelay(stack, spaces.middle)

    const common = ['--data', 'book.txt', '--json', '--log-level', 'warn']
    const relay = `/ip4/10.78.1.1/tcp/4001/p2p/${relayId}`
    const first = startTrain(
      ['run', ...common, '--config', 'tiny.yaml', '--out', 'first', '--relay', relay],
      { home, running, prefix: inside(spaces.one) },
    )
    await first.says('node-start')
    const joiner = startTrain(['join', 'first/run.json', ...common, '--out', 'one'], {
      home,
      running,
      prefix: inside(spaces.two),
    })
    const ends = await Promise.all([first.ended, joiner.ended])
    expect(ends.map(({ code }) => code)).toEqual([0, 0])
    const outcomes = [first, joiner].map((each) => each.events('node-end')[0]!)
    expect(outcomes.map(({ rounds }) => rounds)).toEqual([4, 4])
    expect(outcomes[0]!['replica']).toBe(outcomes[1]!['replica'])
    const noted = readFileSync(join(home, 'first/rounds.jsonl'), 'utf8').trim().split('\n')
    const last = JSON.parse(noted.at(-1)!) as Record<string, number>
    expect(last['workers']).toBe(2)
    expect(last['sentBytes']).toBeGreaterThan(0)
  }, 400_000)
})

async function startRelay(stack: AsyncDisposableStack, space: string): Promise<void> {
  const settings: Settings = {
    role: 'relay',
    key: 1,
    listen: '/ip4/0.0.0.0/tcp/4001',
    bootstrap: [],
  }
  const program = [process.execPath, 'test/networkPeer.ts', JSON.stringify(settings)]
  const [command, ...words] = [...inside(space), ...program]
  const child = spawn(command!, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
}
