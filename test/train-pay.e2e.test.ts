/** A run that pays on a real chain: both sides are killed on the way, and each worker has what the log says it earned. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTrainChain } from './trainChain.ts'
import { startTrain } from './trainProcess.ts'

const depositMicroUsd = 1_000_000n
const config = `
run: { rounds: 4, steps: 4, minWorkers: 2, roundSeconds: 3, auditShare: 1, keptLast: 256, priceUsd: 0.001, budgetUsd: 0.5 }
model: { width: 16, layers: 1, heads: 2, positions: 16, vocabulary: 128 }
schedule: { rate: 0.02, decay: none }
rows: 4
length: 8
threads: 1
`

test('weft train pays each worker on the chain what the log says, over kill -9 of buyer and worker', async () => {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'weft-train-pay-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const running = new Set<ChildProcess>()
  stack.defer(() => running.forEach((child) => child.kill('SIGKILL')))
  const { chain, addressOf } = await startTrainChain(stack, home)
  await chain.send({ type: 'mint', to: chain.account, amountMicroUsd: depositMicroUsd })
  writeFileSync(join(home, 'book.txt'), 'the cat sat on the mat; the dog ate the hat. '.repeat(60))
  writeFileSync(join(home, 'tiny.yaml'), config)

  const node = ['--data', 'book.txt', '--network', 'network.json', '--json']
  const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0', '--host', '127.0.0.1']
  const options = { home, running }
  const run = ['run', ...node, ...loopback, '--config', 'tiny.yaml', '--out', 'first']
  const join_ = ['join', 'first/run.json', ...node, ...loopback, '--out', 'one']
  const first = startTrain([...run, '--deposit', '1'], options)
  await first.says('node-start')
  const joiner = startTrain(join_, options)
  await joiner.says('round-end', ({ round }) => Number(round) >= 1)
  await Promise.all([first.kill(), joiner.kill()])
  const again = [startTrain(run, options), startTrain(join_, options)]
  const ends = await Promise.all(again.map((each) => each.ended))
  expect(ends.map(({ code, said }) => (code === 0 ? '' : said))).toEqual(['', ''])

  const [paid, earned] = again.map((each) => each.events('node-end')[0]!)
  expect(BigInt(earned!['earnedMicroUsd'] as string)).toBeGreaterThan(0n)
  expect(earned!['settledMicroUsd']).toBe(earned!['earnedMicroUsd'])
  expect(paid!['settledMicroUsd']).toBe(earned!['earnedMicroUsd'])
  const claimed = await chain.earned(addressOf('one'))
  expect(`${claimed}`).toBe(earned!['earnedMicroUsd'])
  const { freeMicroUsd, reservedMicroUsd } = await chain.deposit(addressOf('first'))
  expect(claimed + freeMicroUsd + reservedMicroUsd).toBe(depositMicroUsd)
  expect(await chain.balance(chain.domain.vault)).toBe(depositMicroUsd)
}, 600_000)
