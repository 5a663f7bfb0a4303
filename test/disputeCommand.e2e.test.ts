/** `weft dispute` as its users have it: a false claim about a run of training, challenged by who repeated it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { askNode } from '../src/chain/viemCompliance.ts'
import { freePort } from '../src/cli/freePort.ts'
import { program } from '../src/cli/program.ts'
import * as RunRoot from '../src/exact/commit/RunRoot.ts'
import * as Hex from '../src/protocol/Hex.ts'

const home = mkdtempSync(join(tmpdir(), 'weft-dispute-'))
const main = resolve('src/cli/main.ts')
const children: ChildProcess[] = []
let rpcUrl = ''

const config = `
model: { width: 8, layers: 1, heads: 1, positions: 16, vocabulary: 128 }
schedule: { rate: 0.01, decay: none }
rows: 2
length: 8
threads: 1
checkpointEvery: 4
steps: 9
`

beforeAll(async () => {
  writeFileSync(join(home, 'book.txt'), 'the cat sat on the mat; the dog ate the hat. '.repeat(9))
  writeFileSync(join(home, 'tiny.yaml'), config)
  const training = ['--data', path('book.txt'), '--config', path('tiny.yaml'), '--out', path('run')]
  expect((await weft(['exact', 'train', ...training])).code).toBe(0)
  falsify()
  const port = await freePort()
  rpcUrl = `http://127.0.0.1:${port}`
  const chain = start(['chain', '--home', 'chain', '--port', String(port), '--network', 'n.json'])
  await said(chain, ({ ready }) => ready === 'chain')
  for (const party of ['claimant', 'challenger']) {
    expect((await weft(['faucet', '10', ...at(party)])).code).toBe(0)
    expect((await weft(['dispute', 'deposit', '5', ...at(party)])).code).toBe(0)
  }
}, 300_000)

afterAll(async () => {
  // In their own way: who kills a chain leaves its node running.
  for (const child of children) {
    const exited = once(child, 'exit')
    if (child.kill('SIGTERM')) await exited
  }
  rmSync(home, { recursive: true, force: true })
})

describe('weft dispute', () => {
  let dispute = ''

  test('claims a run, and refuses a window that is too long', async () => {
    const claim = (...more: string[]) =>
      weft(['dispute', 'claim', path('false'), ...at('claimant'), ...more])
    const long = await claim('--window', '9999')
    expect(long).toMatchObject({ code: 1 })
    expect(long.lines[0]).toMatchObject({ error: 'Cli.WindowTooLongError' })
    const { code, lines } = await claim('--bond', '2')
    expect({ code, lines }).toMatchObject({ code: 0, lines: [{ file: path('false/claim.json') }] })
  })

  test('opens a dispute about it, once', async () => {
    const open = () => weft(['dispute', 'open', path('false/claim.json'), ...at('challenger')])
    const { code, lines } = await open()
    expect(code).toBe(0)
    dispute = String(lines[0]!['dispute'])
    expect(dispute).toMatch(/^0x[0-9a-f]{64}$/)
    expect((await open()).lines[0]).toMatchObject({ error: 'Chain.AlreadyChallenged' })
    const own = await weft(['dispute', 'open', path('false/claim.json'), ...at('claimant')])
    expect(own.lines[0]).toMatchObject({ error: 'Chain.SelfChallenge' })
    const none = await weft(['dispute', 'open', path('n.json'), ...at('claimant')])
    expect(none.lines[0]).toMatchObject({ error: 'Cli.ClaimFileError' })
  })

  test('says where it stands, in words', async () => {
    const { text } = await weft(['dispute', 'status', ...at('challenger').slice(0, -1)])
    expect(text).toContain(dispute)
    expect(text).toContain('bonds     $2.00 each; 0 moves')
    expect(text).toContain('up to step 0 of 9; they part before 9')
    expect(text).toMatch(/claimant {2}0x[0-9a-f]{40} {2}1\d:\d\d left {2}<- in turn/)
    expect((await weft(['dispute', 'status', '0x12', ...at('challenger')])).lines[0]).toMatchObject(
      {
        error: 'Cli.NoDisputeError',
      },
    )
  })

  test('is played by both, until the claimant cannot go on', { timeout: 600_000 }, async () => {
    start(['dispute', 'play', '--patience', '2', '--run', path('false'), ...at('claimant')])
    const challenger = start([
      'dispute',
      'play',
      '--patience',
      '2',
      '--run',
      path('run'),
      ...at('challenger'),
    ])
    // What the falsified root hides cannot be shown: its clock runs out.
    await said(challenger, ({ what, detail }) => what === 'moved' && detail === 'dispute-after')
    await askNode(rpcUrl, 'evm_increaseTime', [1_000])
    await said(challenger, ({ what }) => what === 'won')
    const [found] = (await weft(['dispute', 'status', ...at('challenger')])).lines
    expect(found).toMatchObject({ dispute: { state: 'challenger-won', by: 'timeout' } })
    const told = await weft(['dispute', 'status', dispute, ...at('challenger').slice(0, -1)])
    expect(told.text).toContain('the claim was false; the claimant lost its bond')
    expect(told.text).toMatch(/claimant: .* clock run out/)
  })

  test('gives credit back after the delay', async () => {
    const withdraw = async () => (await weft(['dispute', 'withdraw', ...at('challenger')])).lines[0]
    expect(await withdraw()).toEqual({ state: 'asked' })
    expect(await withdraw()).toEqual({ state: 'waiting' })
  })
})

const path = (name: string) => join(home, name)
const at = (party: string) => ['--home', path(party), '--network', path('n.json'), '--json']

/** Copies the run, and says another state after step 5 than there was. */
function falsify(): void {
  cpSync(join(home, 'run'), join(home, 'false'), { recursive: true })
  const log = join(home, 'false/steps.jsonl')
  const entries = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; root: Hex.Hex })
    .map((entry) => (entry.step === 5 ? { ...entry, root: Hex.sha256(entry.root) } : entry))
  writeFileSync(log, `${entries.map((entry) => JSON.stringify(entry)).join('\n')}\n`)
  const file = join(home, 'false/run.json')
  const run = JSON.parse(readFileSync(file, 'utf8')) as object
  const runRoot = Hex.from(RunRoot.from(entries.map(({ root }) => Hex.toBytes(root))))
  writeFileSync(file, JSON.stringify({ ...run, runRoot }))
}

type Line = Readonly<Record<string, unknown>>

/** A short command, in this process: starting one takes longer than all it does. */
async function weft(
  args: readonly string[],
): Promise<{ code: number; text: string; lines: Line[] }> {
  const printed: string[] = []
  const print = (text: unknown) => printed.push(String(text)) > 0
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((text) => void print(text)),
    vi.spyOn(process.stdout, 'write').mockImplementation(print),
    vi.spyOn(process.stderr, 'write').mockImplementation(print),
  ]
  process.exitCode = 0
  try {
    await program().parseAsync(['node', 'weft', ...args])
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  const code = Number(process.exitCode)
  process.exitCode = 0
  const text = printed.join('\n')
  const lines = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  return { code, text, lines: lines as Line[] }
}

function start(args: readonly string[]): ChildProcess {
  const isChain = args[0] === 'chain'
  const child = spawn(process.execPath, [main, ...args, ...(isChain ? ['--json'] : [])], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return child
}

/** Resolves when the program prints such a line. */
async function said(
  child: ChildProcess,
  is: (line: Line) => boolean,
  seconds = 240,
): Promise<void> {
  const seen: string[] = []
  const reader = createInterface({ input: child.stdout! })
  const timer = setTimeout(() => reader.close(), seconds * 1000)
  for await (const line of reader) {
    seen.push(line)
    if (!line.startsWith('{') || !is(JSON.parse(line) as Line)) continue
    clearTimeout(timer)
    return
  }
  throw new Error(`It never said so: ${seen.join('\n')}`)
}
