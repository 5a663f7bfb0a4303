import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTrain } from '../../test/trainProcess.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { type Line, links } from './links.ts'

const good: Line = { delayMs: 0, lossPercent: 0, mbit: 1000 }
const slowLine: Line = { delayMs: 100, lossPercent: 1, mbit: 10 }
const workers = 3
const rounds = Number(process.env['WEFT_TRAINING_SLOW_ROUNDS'] ?? 6)
const steps = Number(process.env['WEFT_TRAINING_SLOW_STEPS'] ?? 300)

/**
 * Accepted tokens a second of real worker processes over lines of 100 ms, 1 % loss and 10 Mbit/s, against lines
 * that limit nothing. Both runs go at the same time, so that both meet the same machine; each in step, and with
 * updates applied one round late.
 */
export async function slow({ say }: Bench.Ports): Promise<Figures> {
  const inStep = await compare({ overlap: false })
  const late = inStep && (await compare({ overlap: true }))
  if (!inStep || !late) {
    say('Slow links need root, iproute2, /dev/net/tun and a C compiler: left out.')
    return {}
  }
  const rows = Object.entries({ 'in step': inStep, 'one round late': late }).map(
    ([name, { unlimited, limited }]) => [
      name,
      unlimited.toFixed(0),
      limited.toFixed(0),
      (limited / unlimited).toFixed(3),
    ],
  )
  const title = ['updates applied', 'unlimited, tokens/s', 'slow, tokens/s', 'share']
  say(`\n${workers} workers, ${rounds} rounds of ${steps} steps\n\n${table(title, rows)}`)
  return {
    slowLinkShare: inStep.limited / inStep.unlimited,
    slowLinkShareLate: late.limited / late.unlimited,
  }
}

async function compare({ overlap }: { overlap: boolean }) {
  const [unlimited, limited] = await Promise.all([
    course('wf', good, { overlap }),
    course('ws', slowLine, { overlap }),
  ])
  return unlimited === undefined || limited === undefined ? undefined : { unlimited, limited }
}

/** Tokens a second of a run over such lines; undefined where there can be none. */
async function course(
  name: string,
  line: Line,
  { overlap }: { overlap: boolean },
): Promise<number | undefined> {
  await using stack = new AsyncDisposableStack()
  const joined = await links(name, { ...line, count: workers })
  if (!joined) return undefined
  stack.use(joined)
  const home = mkdtempSync(join(tmpdir(), 'weft-slow-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const running = new Set<ChildProcess>()
  stack.defer(() => running.forEach((child) => child.kill('SIGKILL')))
  writeFileSync(
    join(home, 'text'),
    readFileSync(new URL('../../docs/training-rules.md', import.meta.url)),
  )
  writeFileSync(join(home, 'run.yaml'), settings(overlap))
  const start = (index: number, words: readonly string[]) => {
    const { host, prefix } = joined.machines[index]!
    const common = ['--data', 'text', '--host', host, '--json', '--threads', '1']
    const listen = ['--listen', `/ip4/${host}/tcp/0`]
    return startTrain([...words, ...common, ...listen], { home, running, prefix })
  }
  const first = start(0, ['run', '--config', 'run.yaml', '--out', 'first'])
  await first.says('node-start')
  const others = Array.from({ length: workers - 1 }, (_, index) =>
    start(index + 1, ['join', 'first/run.json', '--out', `joiner${index}`]),
  )
  for (const each of [first, ...others]) {
    const { code, said } = await each.ended
    if (code !== 0) throw new Error(`A worker ended with ${code}: ${said.slice(-2000)}`)
  }
  return tokensPerSecond(readFileSync(join(home, 'first/rounds.jsonl'), 'utf8'))
}

const [rows, length] = [8, 64]

function settings(overlap: boolean): string {
  return `
run: { rounds: ${rounds}, steps: ${steps}, minWorkers: ${workers}, roundSeconds: 600, auditShare: 0, overlap: ${overlap} }
model: { width: 64, layers: 2, heads: 4, positions: ${length}, vocabulary: 256 }
schedule: { rate: 0.004, decay: none }
rows: ${rows}
length: ${length}
threads: 1
`
}

/** From the end of the first round on: before it, everybody starts. */
function tokensPerSecond(text: string): number {
  type Noted = { readonly round: number; readonly steps: number; readonly at: number }
  const noted = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Noted)
    .filter(({ round }) => round > 0)
  const counted = noted.slice(1).reduce((sum, each) => sum + each.steps, 0)
  const spentMs = noted.at(-1)!.at - noted[0]!.at
  return (counted * rows * length) / (spentMs / 1000)
}
