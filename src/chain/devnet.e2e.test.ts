import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import * as Identity from '../protocol/Identity.ts'
import { systemClock } from '../runtime/systemClock.ts'
import type { Chain } from './Chain.ts'
import { deploy } from './deploy.ts'
import { startDevnet, type Devnet } from './devnet.ts'
import { viemChain } from './viem.ts'

const clock = systemClock()
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})
const identity = (byte: number) => Identity.from(new Uint8Array(32).fill(byte))
const holder = identity(1).address
const statePath = () => {
  folders.push(mkdtempSync(join(tmpdir(), 'weft-devnet-')))
  return join(folders.at(-1)!, 'anvil.json')
}

describe('startDevnet', () => {
  test('makes a block a second, and ends when disposed', async () => {
    const devnet = await startDevnet({ chainId: 4242 })
    const chain = await connect(devnet)
    const before = await chain.head()
    const passed = async () => (await chain.head()).number - before.number
    await expect.poll(passed).toBeGreaterThanOrEqual(2n)
    expect(devnet.chainId).toBe(4242)
    await devnet[Symbol.asyncDispose]()
    expect(isAlive(devnet.pid)).toBe(false)
    expect(await devnet.exited).toBeTypeOf('string')
  })

  test('goes on from its file, whole after a proper end', async () => {
    const options = { statePath: statePath(), blockTimeSeconds: 0 }
    const first = await startDevnet(options)
    await mint(await connect(first), 5n)
    await first[Symbol.asyncDispose]()
    expect(existsSync(`${options.statePath}.pid`)).toBe(false)
    await using again = await startDevnet(options)
    expect(await (await connect(again)).balance(holder)).toBe(5n)
  })

  test('loses only the last seconds to kill -9, and comes up again on its port', async () => {
    const options = { statePath: statePath(), blockTimeSeconds: 0, stateIntervalSeconds: 1 }
    const first = await startDevnet(options)
    await mint(await connect(first), 5n)
    await first.save()
    process.kill(first.pid, 'SIGKILL')
    expect(await first.exited).toContain('SIGKILL')
    await using again = await startDevnet({ ...options, port: first.port })
    expect(again.rpcUrl).toBe(first.rpcUrl)
    expect(await (await connect(again)).balance(holder)).toBe(5n)
  })

  test('takes the copy when the file was half written', async () => {
    const options = { statePath: statePath(), blockTimeSeconds: 0, stateIntervalSeconds: 1 }
    const first = await startDevnet(options)
    await mint(await connect(first), 5n)
    await first.save()
    const size = (suffix: string) =>
      statSync(`${options.statePath}${suffix}`, { throwIfNoEntry: false })?.size
    await until(() => size('') === size('.previous'))
    process.kill(first.pid, 'SIGKILL')
    await first.exited
    truncateSync(options.statePath, 1000)
    const again = await startDevnet(options)
    expect(existsSync(`${options.statePath}.broken`)).toBe(true)
    expect(await (await connect(again)).balance(holder)).toBe(5n)
    await again[Symbol.asyncDispose]()
    // Without any whole file it begins anew.
    for (const suffix of ['', '.previous']) writeFileSync(`${options.statePath}${suffix}`, '{"acc')
    await using anew = await startDevnet({ ...options, blockTimeSeconds: 0 })
    const head = await (await connect(anew, { deploying: false })).head()
    expect(head.number).toBe(0n)
  })

  test('ends the chain that a killed program left behind, without loss', async () => {
    const options = { statePath: statePath(), blockTimeSeconds: 0, stateIntervalSeconds: 60 }
    // As after `kill -9` of the program: nobody disposes it.
    const orphan = await startDevnet(options)
    await mint(await connect(orphan), 5n)
    await using again = await startDevnet({ ...options, port: orphan.port })
    expect(isAlive(orphan.pid)).toBe(false)
    expect(await (await connect(again)).balance(holder)).toBe(5n)
  })

  test('says why it does not start', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    await expect(startDevnet({ port })).rejects.toMatchObject({
      code: 'Chain.StartError',
      message: expect.stringMatching(/in use/i) as string,
    })
    await new Promise((resolve) => server.close(resolve))
  })

  test('stops starting when the signal says so', async () => {
    const reason = new Error('enough')
    await expect(startDevnet({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('deploy', () => {
  test('does nothing where the contracts are already, and nothing wrong', async () => {
    await using devnet = await startDevnet({ blockTimeSeconds: 0 })
    const { rpcUrl } = devnet
    const options = { rpcUrl, deployer: identity(9) }
    const first = await deploy(options)
    const chain = await viemChain({ rpcUrl, identity: identity(1), ...first })
    const { number } = await chain.head()
    expect(await deploy(options)).toEqual(first)
    expect((await chain.head()).number).toBe(number)
    await expect(deploy({ ...options, withdrawalDelaySeconds: 1 })).rejects.toMatchObject({
      code: 'Chain.DeploymentError',
    })
    await expect(deploy({ ...options, clockSeconds: 7 })).rejects.toMatchObject({
      message: expect.stringContaining('clock is 900 on the chain, not 7') as string,
    })
    const { usd } = first.parameters
    const other = await deploy({ rpcUrl, deployer: identity(8), usd, court: holder })
    expect(other.parameters.usd).toBe(usd)
    expect(other.domain.vault).not.toBe(first.domain.vault)
  })

  test('refuses an account that has sent something else', async () => {
    await using devnet = await startDevnet({ blockTimeSeconds: 0 })
    const { rpcUrl } = devnet
    const deployment = await deploy({ rpcUrl, deployer: identity(9) })
    const used = await viemChain({ rpcUrl, identity: identity(1), ...deployment })
    await mint(used, 1n)
    await expect(deploy({ rpcUrl, deployer: identity(1) })).rejects.toMatchObject({
      code: 'Chain.DeploymentError',
    })
  })
})

async function connect(
  { rpcUrl, chainId }: Devnet,
  { deploying = true }: { deploying?: boolean } = {},
): Promise<Chain> {
  const nowhere = `0x${'00'.repeat(20)}` as const
  const deployment = deploying
    ? await deploy({ rpcUrl, deployer: identity(9) })
    : {
        domain: { chainId, vault: nowhere },
        parameters: {
          usd: nowhere,
          registry: nowhere,
          withdrawalDelaySeconds: 0,
          unbondingDelaySeconds: 0,
          disputes: {
            address: nowhere,
            clockSeconds: 0,
            windowSeconds: 0,
            withdrawalDelaySeconds: 0,
          },
        },
      }
  return await viemChain({ rpcUrl, identity: identity(1), ...deployment })
}

async function mint(chain: Chain, amountMicroUsd: bigint): Promise<void> {
  await chain.send({ type: 'mint', to: holder, amountMicroUsd })
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await clock.sleep(50)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
