/** A run of tier `exact` on a real chain: who computes something else is convicted by the log and loses the dispute on the chain. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTrainChain } from './trainChain.ts'
import { startTrain } from './trainProcess.ts'

const bondMicroUsd = 500_000n
const creditMicroUsd = 2_000_000n
const config = `
run: { rounds: 4, steps: 3, minWorkers: 3, roundSeconds: 10, auditShare: 1, keptLast: 256, priceUsd: 0, tier: exact, bondUsd: 0.5 }
model: { width: 16, layers: 1, heads: 2, positions: 16, vocabulary: 128 }
schedule: { rate: 0.02, decay: none }
rows: 4
length: 8
threads: 1
`
const names = ['first', 'one', 'liar'] as const

test('a worker whose memory has one bit wrong is convicted, and loses its bond to who computed it again', async () => {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'weft-train-claims-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const running = new Set<ChildProcess>()
  stack.defer(() => running.forEach((child) => child.kill('SIGKILL')))
  const { chain, addressOf } = await startChain(stack, home)
  writeFileSync(join(home, 'book.txt'), 'the cat sat on the mat; the dog ate the hat. '.repeat(60))
  writeFileSync(join(home, 'tiny.yaml'), config)

  const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0', '--host', '127.0.0.1', '--json']
  const node = ['--data', 'book.txt', '--network', 'network.json', ...loopback]
  const options = { home, running }
  const first = startTrain(['run', ...node, '--config', 'tiny.yaml', '--out', 'first'], options)
  await first.says('node-start')
  const joiner = ['join', 'first/run.json', ...node]
  const one = startTrain([...joiner, '--out', 'one'], options)
  const liar = startTrain([...joiner, '--out', 'liar', '--cheat-bit', 'rotary.cos:22'], options)
  const ends = await Promise.all([first, one, liar].map((each) => each.ended))

  const [mine, theirs, wrong] = [first, one, liar].map((each) => each.events('node-end')[0])
  expect(ends.map(({ code, said }) => (code === 0 ? 0 : said))).toEqual([0, 0, expect.anything()])
  expect(wrong).toMatchObject({ outcome: 'convicted' })
  expect(mine).toMatchObject({ outcome: 'ended', rounds: 4 })
  expect(theirs).toMatchObject({ outcome: 'ended', replica: mine!['replica'] })
  const found = Number(mine!['disputes']) + Number(theirs!['disputes'])
  expect(found).toBeGreaterThan(0)
  const credits = await Promise.all(names.map((name) => chain.credit(addressOf(name))))
  const [credit, otherCredit, lost] = credits.map(
    (each) => each.freeMicroUsd + each.reservedMicroUsd,
  )
  expect(lost).toBeLessThanOrEqual(creditMicroUsd - bondMicroUsd)
  expect(credit! + otherCredit!).toBeGreaterThan(2n * creditMicroUsd)
}, 600_000)

/** Gives each node credit for its bonds. */
async function startChain(stack: AsyncDisposableStack, home: string) {
  const { chain, addressOf } = await startTrainChain(stack, home)
  const amountMicroUsd = creditMicroUsd * BigInt(names.length)
  await chain.send({ type: 'mint', to: chain.account, amountMicroUsd })
  for (const name of names)
    await chain.send({
      type: 'dispute-deposit',
      account: addressOf(name),
      amountMicroUsd: creditMicroUsd,
    })
  return { chain, addressOf }
}
