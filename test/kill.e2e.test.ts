/** `kill -9` of any one process of a running network loses no paid job and no money. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectChain } from '../src/cli/connectChain.ts'
import { openLedger } from '../src/cli/demo/openLedger.ts'
import * as Home from '../src/cli/Home.ts'
import * as NetworkFile from '../src/cli/NetworkFile.ts'
import { codeOf } from '../src/runtime/Errors.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'

const home = mkdtempSync(join(tmpdir(), 'weft-kill-'))
let demo: Awaited<ReturnType<typeof startDemo>>

beforeAll(async () => {
  demo = await startDemo()
}, 300_000)

afterAll(async () => {
  await demo?.stop()
  rmSync(home, { recursive: true, force: true })
})

describe('a running network', () => {
  const victims = [
    'provider-1',
    'provider-2',
    'provider-3',
    'provider-4',
    'validator',
    'explorer',
    'bootstrap',
    'gateway',
    'chain',
  ]

  test.each(victims)(
    'survives kill -9 of %s',
    async (victim) => {
      const jobs = await demo.buy(4)
      const before = processes()[victim]!
      const running = demo.buy(4, { patient: true })
      process.kill(before, 'SIGKILL')
      const more = await running
      await until(() => (processes()[victim] ?? before) !== before)
      const after = await demo.buy(2, { patient: true })

      for (const job of [...jobs, ...more, ...after]) await demo.settled(job)
      await until(demo.isClaimed)
      const money = await demo.money()
      expect(money.conserved).toBe(true)
    },
    600_000,
  )

  test('survives kill -9 of anvil itself', async () => {
    const jobs = await demo.buy(4)
    const { pid: anvil } = JSON.parse(
      readFileSync(join(home, 'chain', 'anvil.json.pid'), 'utf8'),
    ) as { pid: number }
    process.kill(anvil, 'SIGKILL')
    const more = await demo.buy(4, { patient: true })
    for (const job of [...jobs, ...more]) await demo.settled(job)
    await until(demo.isClaimed)
    expect((await demo.money()).conserved).toBe(true)
  }, 600_000)

  test('survives kill -9 of all of it, and goes on where it was', async () => {
    const jobs = await demo.buy(4)
    const { paid } = await demo.money()
    await demo.kill()
    demo = await startDemo()
    for (const job of jobs) await demo.settled(job)
    await until(demo.isClaimed)
    const money = await demo.money()
    expect(money.conserved).toBe(true)
    expect(money.paid).toBeGreaterThanOrEqual(paid)
  }, 600_000)
})

function processes(): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(join(home, 'processes.json'), 'utf8')) as Record<string, number>
}

async function until(check: () => boolean | Promise<boolean>, limitMs = 180_000): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`Not within ${limitMs} ms.`)
    await wait(100)
  }
}

/** Starts `weft demo` on the shared home and gives what the tests ask of it. */
async function startDemo() {
  const child = spawn(
    process.execPath,
    [
      'src/cli/main.ts',
      'demo',
      ...`--home ${home} --jobs 4 --no-training --json --exit-with-parent`.split(' '),
      ...'--gateway-port 0 --explorer-port 0 --verdict-seconds 10'.split(' '),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const lines: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      const said = JSON.parse(line) as Record<string, unknown>
      if (said['ready'] !== undefined) resolve(said)
    })
    child.once('close', (code) => {
      reject(new Error(`The demo ended with ${code}: ${lines.slice(-3).join('\n')}`))
    })
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const { gateway, apiKey, model } = ready as Record<string, string>
  const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey, maxRetries: 0 })
  const clock = systemClock()
  const identity = Home.identity(join(home, 'gateway'), { random: systemRandom() })
  const chain = await connectChain(NetworkFile.read(join(home, 'network.json')), {
    identity,
    clock,
  })
  const accountOf = (name: string) =>
    Home.identity(join(home, name), { random: systemRandom() }).address
  const providers = ['provider-1', 'provider-2', 'provider-3', 'provider-4'].map(accountOf)
  const minted = BigInt(String(ready['mintedMicroUsd']))
  const ledger = openLedger({
    chain,
    buyer: identity.address,
    customer: accountOf('customer'),
    validator: accountOf('validator'),
    providers,
    minted,
  })
  const headers = { authorization: `Bearer ${apiKey}` }
  const get = async (path: string) =>
    (await (await fetch(`${gateway}/v1/weft/${path}`, { headers })).json()) as Record<
      string,
      unknown
    >

  const buyOne = async (patient: boolean): Promise<string> => {
    const end = Date.now() + 180_000
    for (;;)
      try {
        const answer = await client.chat.completions.create({
          model: model!,
          messages: [{ role: 'user', content: 'What is Weft?' }],
          max_tokens: 16,
        })
        return (answer as unknown as { weft: { jobs: { job: string }[] } }).weft.jobs[0]!.job
      } catch (error) {
        if (!patient || Date.now() > end) throw error
        await wait(200)
      }
  }

  const readMoney = async () => {
    const money = await ledger.read()
    const { buyer } = (await get('balance')) as { buyer: { spentMicroUsd: string } }
    const paid = BigInt(buyer.spentMicroUsd)
    return { paid, owed: paid - money.claimed, conserved: money.conserved }
  }

  return {
    buy: (count: number, { patient = false } = {}) =>
      Promise.all(Array.from({ length: count }, () => buyOne(patient))),
    settled: (job: string) =>
      until(async () => ['paid', 'refunded'].includes(String((await get(`jobs/${job}`))['state']))),
    /** Everything promised has been claimed; false while the chain is down. */
    isClaimed: async () => {
      try {
        return (await readMoney()).owed === 0n
      } catch (error) {
        if (codeOf(error) === 'Chain.UnavailableError') return false
        throw error
      }
    },
    money: readMoney,
    async stop() {
      child.stdin.end()
      await exited
      await chain[Symbol.asyncDispose]()
    },
    async kill() {
      const ids = Object.values(processes())
      for (const id of [child.pid!, ...ids]) process.kill(id, 'SIGKILL')
      await exited
      await chain[Symbol.asyncDispose]()
    },
  }
}
