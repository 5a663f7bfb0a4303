import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Identity from '../protocol/Identity.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { chainCompliance } from './compliance.ts'
import { deploy } from './deploy.ts'
import type { Devnet } from './devnet.ts'
import { startEvm } from './evm.ts'
import { viemChain } from './viem.ts'
import { askNode, startParties } from './viemCompliance.ts'

const clock = systemClock()
const identity = (byte: number) => Identity.from(new Uint8Array(32).fill(byte))
const holder = identity(1).address
const mint = { type: 'mint', to: holder, amountMicroUsd: 5n } as const

let node: Devnet
beforeAll(async () => {
  node = await startEvm({ clock }, { blockTimeSeconds: 0 })
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
})

describe('startEvm', () => {
  chainCompliance((options) => startParties(node, options))

  test('takes many transactions of one account into one block', async () => {
    await using own = await startEvm({ clock })
    const { rpcUrl } = own
    const deployment = await deploy({ rpcUrl, deployer: identity(9) })
    const chain = await viemChain({ rpcUrl, identity: identity(1), ...deployment })
    const sent = await Promise.all(Array.from({ length: 20 }, () => chain.send(mint)))
    expect(await chain.balance(holder)).toBe(100n)
    expect(new Set(sent.map(({ block }) => block)).size).toBeLessThan(20)
  })

  test('goes on from its file, also when its last line is half written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-evm-'))
    const options = { statePath: join(folder, 'chain.jsonl'), blockTimeSeconds: 0 }
    const first = await startEvm({ clock }, options)
    const deployment = await deploy({ rpcUrl: first.rpcUrl, deployer: identity(9) })
    const before = await viemChain({ rpcUrl: first.rpcUrl, identity: identity(1), ...deployment })
    await before.send(mint)
    const head = await before.head()
    // Nothing is saved at the end: this is all that `kill -9` leaves, too.
    await first[Symbol.asyncDispose]()
    appendFileSync(options.statePath, '{"timestampSec')
    const again = await startEvm({ clock }, { ...options, port: first.port })
    const chain = await viemChain({ rpcUrl: again.rpcUrl, identity: identity(1), ...deployment })
    expect(await chain.head()).toEqual(head)
    await chain.send(mint)
    await again[Symbol.asyncDispose]()
    await using _third = await startEvm({ clock }, { ...options, port: first.port })
    expect(await chain.balance(holder)).toBe(10n)
    rmSync(folder, { recursive: true, force: true })
  })

  test('refuses what it does not know, and what is malformed', async () => {
    await expect(askNode(node.rpcUrl, 'eth_mining', [])).rejects.toThrow('no method')
    await expect(askNode(node.rpcUrl, 'eth_getCode', ['nonsense'])).rejects.toThrow('invalid')
    await expect(askNode(node.rpcUrl, 'eth_sendRawTransaction', ['0x02'])).rejects.toThrow()
    const response = await fetch(node.rpcUrl, { method: 'POST', body: 'nonsense' })
    expect(response.status).toBe(400)
  })

  test('says why it does not start', async () => {
    await expect(startEvm({ clock }, { port: node.port })).rejects.toMatchObject({
      code: 'Chain.StartError',
    })
  })
})
