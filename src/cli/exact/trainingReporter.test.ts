import { describe, expect, test } from 'vitest'
import { hashOf } from '../../exact/run/Claim.ts'
import { type About, jsonReporter, wordReporter } from './trainingReporter.ts'

const root = hashOf(new Uint8Array(32))
const origin = {
  graphCid: 'bafy',
  graphRoot: root,
  startRoot: root,
  dataRoot: root,
  seed: [1, 0],
} as const
const about: About = {
  folder: 'my book.run',
  origin,
  backend: 'wasm, 1 thread',
  memoryBytes: 2 ** 21,
  weights: 400_000,
  data: { file: 'my book.txt', bytes: 5000 },
  profile: 'f32',
  steps: 40,
  losses: [],
  tokensPerStep: 100,
}
const report = (step: number) => ({
  step,
  loss: 5 - step / 10,
  gradientNorm: 1,
  learningRate: 0.1,
  root,
})
const claim = { ...origin, steps: 40, finalRoot: root, runRoot: root }
const files = { folder: 'my book.run', picture: 'my book.run/loss.svg' }

describe('wordReporter', () => {
  const told = (isTerminal: boolean, more: Partial<About> = {}) => {
    let said = ''
    let time = 0
    const write = (text: string) => (said += text)
    const reporter = wordReporter({ write, isTerminal, columns: 90, now: () => (time += 50) })
    reporter.start({ ...about, ...more })
    for (let step = more.losses?.length ?? 0; step < 40; step++) reporter.step(report(step))
    reporter.end(claim, files)
    return said
  }

  test('says ten times how it goes where nobody looks on', () => {
    const said = told(false)
    expect(said.match(/\/40 {2}loss/g)).toHaveLength(10)
    expect(said).toContain('  4/40  loss 4.700')
    expect(said).not.toContain('\u001b')
    expect(said).toContain(`run root    ${root}`)
    expect(said).toContain(`weft exact verify 'my book.run'`)
  })

  test('moves a bar on a terminal, never wider than it is', () => {
    const said = told(true)
    expect(said).toContain('\r\u001b[K  [====================] 40/40')
    // oxlint-disable-next-line no-control-regex
    for (const line of said.split(/[\n\r]|\u001b\[K/).slice(0, -12))
      expect(line.length).toBeLessThan(90)
  })

  test('goes on from the steps that are done', () => {
    const said = told(false, { losses: [5, 4.9, 4.8] })
    expect(said).toContain('going on after step 3 of 40')
    expect(said).toContain('40/40')
  })

  test('counts whole minutes as minutes', () => {
    let said = ''
    let time = 0
    const write = (text: string) => (said += text)
    const reporter = wordReporter({ write, isTerminal: false, columns: 80, now: () => time })
    reporter.start({ ...about, losses: Array.from({ length: 39 }, () => 5) })
    time = 119_600
    reporter.step(report(39))
    expect(said).toContain('took 2 min 0 s')
  })

  test('says when it was stopped, and what it found', () => {
    let said = ''
    const write = (text: string) => (said += text)
    const reporter = wordReporter({ write, isTerminal: false, columns: 80, now: () => 0 })
    reporter.remark('A checkpoint is damaged.')
    reporter.stopped(7)
    expect(said).toBe(
      '  A checkpoint is damaged.\n  Stopped after step 7; the same command goes on from there.\n',
    )
  })
})

describe('jsonReporter', () => {
  test('says everything as one JSON object a line', () => {
    const lines: string[] = []
    const reporter = jsonReporter((text) => lines.push(text))
    reporter.start(about)
    reporter.step(report(0))
    reporter.checkpoint(1, 'file')
    reporter.remark('look')
    reporter.stopped(1)
    reporter.end(claim, files)
    const events = lines.map((line) => JSON.parse(line) as { event: string })
    expect(events.map(({ event }) => event)).toEqual([
      'run-start',
      'step-end',
      'checkpoint-end',
      'remark',
      'run-stopped',
      'run-end',
    ])
    expect(events[0]).toMatchObject({ graphCid: 'bafy', stepsDone: 0 })
    expect(events[1]).toMatchObject({ step: 0, loss: 5, root })
    expect(events[5]).toMatchObject({ runRoot: root, picture: files.picture })
  })
})
