import { describe, expect, test } from 'vitest'
import type { Decision } from '../../training/coordinator/State.ts'
import { jsonReporter, type Reporter, size, wordReporter, wordsOf } from './reporter.ts'

const about = {
  folder: 'book.run',
  runFile: 'book.run/run.json',
  run: `0x${'12'.repeat(32)}`,
  address: '0x1',
  rounds: 10,
  weights: 2_000_000,
  peers: [],
  done: [],
}
const round = {
  round: 1,
  loss: 4.5,
  workerLoss: 4,
  workers: 2,
  steps: 20,
  sentBytes: 1234,
  receivedBytes: 2_345_678,
  replica: '0xab',
  at: 1,
}
const end = {
  outcome: 'ended',
  rounds: 1,
  replica: '0xab',
  earnedMicroUsd: 600n,
  files: ['book.run/loss.svg'],
} as const

describe('wordReporter', () => {
  test('says on a terminal what happened, below it a bar with round, loss, workers and bytes', () => {
    const said = play((write) =>
      wordReporter({ write, isTerminal: true, columns: 120, now: clock() }),
    )
    expect(said).toContain('2.00 M weights; run 0x1212121212121212 in book.run')
    expect(said).toContain('worker 1 joins from round 1 on\n')
    expect(said).toContain('[==                  ] 1/10  gathering  loss 4.500')
    expect(said).toContain('2 workers  1.2 kB sent, 2.3 MB received')
    expect(said).toContain('The run is over after 1 round.\n')
    expect(said).toContain('$0.0006')
  })

  test('says a line a round where there is no terminal', () => {
    const said = play((write) =>
      wordReporter({ write, isTerminal: false, columns: 80, now: clock() }),
    )
    expect(said).toContain('round 1/10  loss 4.500  2 workers  1.2 kB sent, 2.3 MB received\n')
    expect(said).not.toContain('\r')
  })
})

describe('jsonReporter', () => {
  test('says an object a line, money as a string', () => {
    const lines = play((write) => jsonReporter(write))
      .trim()
      .split('\n')
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(events.map(({ event }) => event)).toEqual([
      'node-start',
      'step-end',
      'worker-joined',
      'round-end',
      'remark',
      'node-end',
    ])
    expect(events.at(-1)).toMatchObject({ earnedMicroUsd: '600', outcome: 'ended' })
  })
})

describe('wordsOf', () => {
  test.each<[Decision, string | undefined]>([
    [
      { kind: 'worker-dropped', worker: 2, reason: 'missed-rounds' },
      'worker 2 is out: missed-rounds',
    ],
    [
      { kind: 'worker-convicted', by: 'audits', worker: 2, round: 3 },
      'worker 2 is convicted: its work of round 4 is wrong',
    ],
    [
      { kind: 'unpaid', worker: 1, round: 0, reason: 'audit' },
      'worker 1 is not paid for round 1: audit',
    ],
    [{ kind: 'unpaid', worker: 1, round: 0, reason: 'convicted' }, undefined],
    [
      { kind: 'auditor-outvoted', worker: 1, auditor: 2, round: 0, found: 'invalid' },
      'worker 2 is not drawn as an auditor any more: two others contradict what it found of worker 1 in round 1',
    ],
    [{ kind: 'round-repeated', round: 0 }, "round 1 once more: nobody's work was held by enough"],
    [{ kind: 'run-end', reason: 'rounds' }, undefined],
  ])('tells of %o', (decision, words) => {
    expect(wordsOf(decision)).toBe(words)
  })
})

describe('size', () => {
  test.each([
    [999, '999 B'],
    [1000, '1.0 kB'],
    [12_300_000, '12.3 MB'],
    [4_560_000_000, '4.56 GB'],
  ])('%i bytes are %s', (bytes, words) => expect(size(bytes)).toBe(words))
})

function play(create: (write: (text: string) => void) => Reporter): string {
  let said = ''
  const reporter = create((text) => (said += text))
  reporter.start(about)
  reporter.step({ step: 0, loss: 5, gradientNorm: 1, learningRate: 0.1 })
  reporter.decision({ kind: 'worker-joined', worker: 1, firstRound: 0 })
  reporter.round(round)
  reporter.remark('so be it')
  reporter.end(end)
  return said
}

function clock(): () => number {
  let now = 0
  return () => (now += 1000)
}
