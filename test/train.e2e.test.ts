/** A run of `weft train` as its users have it: three processes over loopback, two of them killed on the way. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTrain } from './trainProcess.ts'

const home = mkdtempSync(join(tmpdir(), 'weft-train-'))
const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0', '--host', '127.0.0.1', '--json']
const first = ['run', '--data', 'book.txt', '--config', 'tiny.yaml', '--out', 'first', ...loopback]
const joiner = (out: string, data = 'book.txt') => [
  'join',
  'first/run.json',
  '--data',
  data,
  '--out',
  out,
  '--threads',
  '1',
  ...loopback,
]
const config = `
run: { rounds: 12, steps: 4, minWorkers: 3, roundSeconds: 3, auditShare: 0.3, keptLast: 256 }
model: { width: 16, layers: 1, heads: 2, positions: 16, vocabulary: 128 }
schedule: { rate: 0.02, decay: none }
rows: 4
length: 8
threads: 1
`
const running = new Set<ChildProcess>()

beforeAll(() => {
  writeFileSync(join(home, 'book.txt'), 'the cat sat on the mat; the dog ate the hat. '.repeat(60))
  writeFileSync(join(home, 'other.txt'), 'the cat sat on the mat; the dog ate the rat. '.repeat(60))
  writeFileSync(join(home, 'tiny.yaml'), config)
})

afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

describe('weft train', () => {
  test('prints settings that it takes', async () => {
    const printed = start(['run', '--print-config'])
    expect((await printed.ended).code).toBe(0)
    expect(printed.lines.join('\n')).toContain('keptFirst: 1024')
  })

  test('a joiner, the first node and then all are killed and come back; all have the same model, and the audit passes', async () => {
    const firstOnce = start(first)
    await firstOnce.says('node-start')
    const one = start(joiner('one'))
    const two = start(joiner('two'))

    await one.says('round-end', ({ round }) => Number(round) >= 1)
    expect(await one.kill()).toBe('SIGKILL')
    const again = start(joiner('one'))
    await again.says('round-end')

    expect(await firstOnce.kill()).toBe('SIGKILL')
    const firstAgain = start(first)
    await firstAgain.says('round-end')

    await Promise.all([firstAgain, again, two].map((each) => each.kill()))
    const all = [first, joiner('one'), joiner('two')].map(start)
    const ends = await Promise.all(all.map((each) => each.ended))
    expect(ends.map((end) => end.code)).toEqual([0, 0, 0])
    const outcomes = all.map((each) => each.events('node-end')[0]!)
    expect(outcomes.map(({ rounds }) => rounds)).toEqual([12, 12, 12])
    expect(new Set(outcomes.map(({ replica }) => replica)).size).toBe(1)
    expect(outcomes.every(({ outcome }) => outcome === 'ended')).toBe(true)

    const noted = readFileSync(join(home, 'first/rounds.jsonl'), 'utf8').trim().split('\n')
    const rounds = noted.map((line) => JSON.parse(line) as Record<string, number>)
    expect(rounds.map(({ round }) => round)).toEqual(
      Array.from({ length: 13 }, (_, round) => round),
    )
    expect(rounds.at(-1)!['loss']).toBeLessThan(rounds[0]!['loss']! - 0.2)
    expect(rounds.at(-1)!['sentBytes']).toBeGreaterThan(rounds[3]!['sentBytes']!)
    expect(existsSync(join(home, 'first/loss.svg'))).toBe(true)

    const audit = start(['audit', 'first', '--data', 'book.txt', '--rate', '1', '--json'])
    const status = start(['status', 'two', '--json'])
    expect((await audit.ended).code).toBe(0)
    const finding = JSON.parse(audit.lines.at(-1)!) as Record<string, unknown>
    expect(finding).toMatchObject({ good: true, rounds: 12, differences: [] })
    expect(finding['replica']).toBe(outcomes[0]!['replica'])
    expect(finding['payloads']).toBe(finding['segments'])
    expect((await status.ended).code).toBe(0)
    expect(JSON.parse(status.lines.at(-1)!)).toMatchObject({ phase: 'ended', round: 12 })
  }, 600_000)

  test('refuses data that is another, and a folder of another run', async () => {
    const stranger = start(joiner('stranger', 'other.txt'))
    const other = start([...first, '--seed', '2'])
    const { code, said } = await stranger.ended
    expect([code, said]).toEqual([1, expect.stringContaining('The data is another: it is as long')])
    expect(await other.ended).toMatchObject({ code: 1, said: expect.stringContaining('another') })
  })

  test('exports the model, and an audit tells of a payload that is not what it was', async () => {
    const exported = start(['export', 'first', 'first.gguf', '--json'])
    expect((await exported.ended).code).toBe(0)
    expect(readFileSync(join(home, 'first.gguf')).subarray(0, 4).toString()).toBe('GGUF')
    const contents = join(home, 'first/contents')
    for (const name of readdirSync(contents)) writeFileSync(join(contents, name), 'spoilt')
    const audit = start(['audit', 'first', '--data', 'book.txt', '--rate', '0'])
    const { code, said } = await audit.ended
    expect([code, said]).toEqual([1, expect.stringMatching(/round 1: the payload of worker 0/)])
  })
})

function start(args: readonly string[]) {
  return startTrain(args, { home, running })
}
