/** A private run of `weft train`: three processes over loopback, each with a folder of texts of its own. */
import type { ChildProcess } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTrain } from './trainProcess.ts'

const home = mkdtempSync(join(tmpdir(), 'weft-private-'))
const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0', '--host', '127.0.0.1', '--json']
const nodes = ['alpha', 'bravo', 'carol']
const out = (name: string) => join(home, `${name}.node`)
const config = `
run: { privacy: sums, clipNorm: 0.5, noise: 0.1, epsilon: 400, rounds: 4, steps: 4, roundSeconds: 20 }
model: { width: 16, layers: 1, heads: 2, positions: 16, vocabulary: 128 }
schedule: { rate: 0.02, decay: none }
rows: 4
length: 8
threads: 1
`
const running = new Set<ChildProcess>()

beforeAll(() => {
  for (const name of nodes) {
    mkdirSync(join(home, name, 'letters'), { recursive: true })
    writeFileSync(join(home, name, 'diary.txt'), `today ${name} fed the cat. `.repeat(40))
    writeFileSync(join(home, name, 'letters', 'one.md'), `dear friend of ${name}. `.repeat(40))
  }
  writeFileSync(join(home, 'private.yaml'), config)
})

afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

describe('a private run of weft train', () => {
  test('gives three owners of data one model, tells what it cost, and moves no word of theirs', async () => {
    const [first, ...others] = nodes as [string, ...string[]]
    const one = start(['run', '--data', first, '--config', 'private.yaml', '--out', out(first)])
    await one.says('node-start')
    const rest = others.map((name) =>
      start(['join', join(out(first), 'run.json'), '--data', name, '--out', out(name)]),
    )
    const all = [one, ...rest]
    const ends = await Promise.all(all.map((each) => each.ended))
    expect(ends.map(({ code, said }) => (code === 0 ? '' : said))).toEqual(['', '', ''])
    const outcomes = all.map((each) => each.events('node-end')[0]!)
    expect(outcomes.map(({ outcome, rounds }) => [outcome, rounds])).toEqual(
      nodes.map(() => ['ended', 4]),
    )
    expect(new Set(outcomes.map(({ replica }) => replica)).size).toBe(1)
    const remarks = one.events('remark').map(({ text }) => text)
    expect(remarks).toContainEqual(expect.stringMatching(/^Private: epsilon \d/))

    for (const owner of nodes)
      for (const other of nodes.filter((each) => each !== owner))
        for (const path of filesBelow(out(other)))
          expect(readFileSync(path).includes(owner), `${owner} in ${path}`).toBe(false)
  }, 400_000)

  test('says in its status what was spent, and its log can be computed again', async () => {
    const status = start(['status', out('bravo')], ['--json'])
    const audit = start(['audit', out('alpha'), '--data', 'carol'], ['--json'])
    expect((await status.ended).code).toBe(0)
    const { privacy } = JSON.parse(status.lines.at(-1)!) as {
      privacy: Record<'epsilon' | 'budget' | 'delta', number>
    }
    expect(privacy.delta).toBe(1e-5)
    expect(privacy.epsilon).toBeGreaterThan(0)
    expect(privacy.epsilon).toBeLessThan(privacy.budget)
    expect((await audit.ended).code).toBe(0)
    expect(JSON.parse(audit.lines.at(-1)!)).toMatchObject({ good: true, rounds: 4, segments: 0 })
  }, 400_000)
})

function start(args: readonly string[], options: readonly string[] = loopback) {
  return startTrain([...args, ...options], { home, running })
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}
