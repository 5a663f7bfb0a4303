import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Voucher from '../protocol/Voucher.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import { chainCompliance } from './compliance.ts'
import { deploy } from './deploy.ts'
import { startDevnet, type Devnet } from './devnet.ts'
import { viemChain } from './viem.ts'
import { encode } from './viemEncode.ts'
import { askNode, startParties } from './viemCompliance.ts'

let devnet: Devnet
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
})
afterAll(async () => {
  await devnet[Symbol.asyncDispose]()
})

const clock = systemClock()
const random = systemRandom()
const identity = () => Identity.from(random.bytes(32))

describe('viemChain', () => {
  chainCompliance((options) => startParties(devnet, options))

  test('sends many transactions of one account at once, each once', async () => {
    const { chain, who } = await connect(devnet)
    const sends = Array.from({ length: 80 }, (_, index) =>
      chain.send({ type: 'mint', to: who.address, amountMicroUsd: BigInt(index + 1) }),
    )
    const hashes = (await Promise.all(sends)).map(({ transaction }) => transaction)
    expect(new Set(hashes).size).toBe(80)
    expect(await chain.balance(who.address)).toBe(3240n)
  })

  test('shares an account with another program', async () => {
    const { chain, who, deployment } = await connect(devnet)
    const other = await viemChain({ rpcUrl: devnet.rpcUrl, identity: who, ...deployment })
    for (let i = 0; i < 3; i++)
      for (const one of [chain, other])
        await one.send({ type: 'mint', to: who.address, amountMicroUsd: 1n })
    expect(await chain.balance(who.address)).toBe(6n)
  })

  test('goes on after blocks were rolled back', async () => {
    const { chain, who } = await connect(devnet)
    const mint = { type: 'mint', to: who.address, amountMicroUsd: 1n } as const
    await chain.send(mint)
    const { block } = await chain.send(mint)
    const before = await chain.events({ from: block, to: block })
    await rpc('anvil_rollback', [1])
    expect(await chain.balance(who.address)).toBe(1n)
    await chain.send(mint)
    expect(await chain.balance(who.address)).toBe(2n)
    expect(await chain.events({ from: block, to: block })).toEqual(before)
  })

  test('fills the gap when an earlier transaction was rolled back', async () => {
    const { chain, who } = await connect(devnet)
    const mint = { type: 'mint', to: who.address, amountMicroUsd: 1n } as const
    await chain.send(mint)
    await rpc('evm_setAutomine', [false])
    await chain.send(mint, { signal: AbortSignal.timeout(300) }).catch(() => undefined)
    const later = chain.send(mint)
    await clock.sleep(200)
    await rpc('anvil_dropAllTransactions', [])
    await rpc('evm_setAutomine', [true])
    await later
    expect(await chain.balance(who.address)).toBe(2n)
  })

  test('stops waiting when the signal says so', async () => {
    const { chain, who } = await connect(devnet)
    const mint = { type: 'mint', to: who.address, amountMicroUsd: 1n } as const
    const reason = new Error('enough')
    await expect(chain.send(mint, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('refuses a node of another chain', async () => {
    const { deployment } = await connect(devnet)
    const { parameters, domain } = deployment
    const options = { rpcUrl: devnet.rpcUrl, identity: identity(), parameters }
    await expect(
      viemChain({ ...options, domain: { ...domain, chainId: 1 } }),
    ).rejects.toMatchObject({ code: 'Chain.WrongChainError' })
  })

  test('finds claims that came through another contract', async () => {
    const { deployment, chain, who } = await connect(devnet)
    const provider = identity()
    await chain.send({ type: 'mint', to: who.address, amountMicroUsd: 100n })
    await chain.send({ type: 'deposit', buyer: who.address, amountMicroUsd: 100n })
    const { timestampSeconds } = await chain.head()
    const lease = {
      buyer: who.address,
      provider: provider.address,
      nonce: 7n,
      totalMicroUsd: 50n,
      expirySeconds: timestampSeconds + 3600,
      deadlineSeconds: timestampSeconds + 3600,
      terms: Hex.zero,
    }
    const { domain } = deployment
    const { signature } = Lease.sign(domain, lease, who)
    await chain.send({ type: 'open-lease', lease, signature })
    const id = Lease.id(lease)
    const claimOf = (cumulativeMicroUsd: bigint) => {
      const voucher = Voucher.sign(domain, { lease: id, cumulativeMicroUsd }, who)
      const entry = { buyer: who.address, nonce: 7n, cumulativeMicroUsd }
      const claims = [{ ...entry, signature: voucher.signature }]
      return { type: 'claim', provider: provider.address, claims } as const
    }
    await chain.send(claimOf(5n))
    const forwarder = '0x00000000000000000000000000000000000f0f0f'
    await rpc('anvil_setCode', [forwarder, forwarderCode])
    const context = { ...deployment, identity: who, token: { name: '', version: '' } }
    const call = encode(claimOf(20n), { ...context, validBeforeSeconds: 0, salt: Hex.zero })
    await rpc('anvil_impersonateAccount', [provider.address])
    const forwarded = await rpc('eth_sendTransaction', [
      {
        from: provider.address,
        to: forwarder,
        gasPrice: '0x0',
        data: `${domain.vault}${call.data.slice(2)}`,
      },
    ])
    await expect
      .poll(() => rpc('eth_getTransactionReceipt', [forwarded]))
      .toMatchObject({ status: '0x1' })
    await chain.send(claimOf(30n))
    const head = await chain.head()
    const events = await chain.events({ from: 0n, to: head.number })
    const amounts = events.flatMap((event) =>
      event.type === 'claimed' ? [[event.amountMicroUsd, event.cumulativeMicroUsd]] : [],
    )
    expect(amounts).toEqual([
      [5n, 5n],
      [15n, 20n],
      [10n, 30n],
    ])
  })
})

describe('viemChain with a node that fails', () => {
  test('sees a transaction through the death of the node, once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-viem-'))
    const statePath = join(folder, 'anvil.json')
    const before = await startDevnet({ statePath, blockTimeSeconds: 0 })
    const { chain, who } = await connect(before)
    const mint = { type: 'mint', to: who.address, amountMicroUsd: 1n } as const
    await chain.send(mint)
    await before[Symbol.asyncDispose]()
    // No block comes while this one lives: three transactions wait when it dies.
    const { port } = before
    const first = await startDevnet({ statePath, port, blockTimeSeconds: 600 })
    const sends = [mint, mint, mint].map((action) => chain.send(action))
    await expect
      .poll(() => askNode(first.rpcUrl, 'txpool_status', []))
      .toMatchObject({ pending: '0x3' })
    process.kill(first.pid, 'SIGKILL')
    await first.exited
    await using _again = await startDevnet({ statePath, port })
    await Promise.all(sends)
    expect(await chain.balance(who.address)).toBe(4n)
    // The node has forgotten the state of old blocks; events are read all the same.
    const { number } = await chain.head()
    expect(await chain.events({ from: 0n, to: number })).toEqual([])
    rmSync(folder, { recursive: true, force: true })
  })

  test('says so when nobody answers, also when it is made', async () => {
    const node = await startDevnet({ blockTimeSeconds: 0 })
    const { deployment, who } = await connect(node)
    await node[Symbol.asyncDispose]()
    const { rpcUrl } = node
    const chain = await viemChain({ rpcUrl, identity: who, ...deployment })
    const unavailable = { code: 'Chain.UnavailableError' }
    await expect(chain.head()).rejects.toMatchObject(unavailable)
    await expect(chain.deposit(who.address)).rejects.toMatchObject(unavailable)
    await expect(chain.send({ type: 'withdraw' })).rejects.toMatchObject(unavailable)
  })

  test('says so when what answers is no node', async () => {
    const server = createServer((_, response) => response.end('<html>Welcome</html>'))
    await using rpcUrl = await listen(server)
    const { deployment, who } = await connect(devnet)
    const chain = viemChain({ rpcUrl: rpcUrl.url, identity: who, ...deployment })
    await expect((await chain).head()).rejects.toMatchObject({ code: 'Chain.UnavailableError' })
  })

  test('says so when the account cannot pay', async () => {
    const answers: Readonly<Record<string, unknown>> = {
      eth_chainId: '0x7a69',
      eth_estimateGas: '0x5208',
      eth_getTransactionCount: '0x0',
      eth_gasPrice: '0x1',
      eth_getBlockByNumber: { number: '0x1', timestamp: '0x1', baseFeePerGas: '0x1' },
    }
    const server = createServer((request, response) => {
      void json(request).then((body) => {
        const { id, method } = body as { id: number; method: string }
        const result = answers[method]
        const error = { code: -32_000, message: 'insufficient funds for gas * price + value' }
        const answer = result === undefined ? { error } : { result }
        response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
      })
    })
    await using rpcUrl = await listen(server)
    const { deployment, who } = await connect(devnet)
    const chain = await viemChain({ rpcUrl: rpcUrl.url, identity: who, ...deployment })
    await expect(chain.send({ type: 'withdraw' })).rejects.toMatchObject({ code: 'Chain.FeeError' })
  })
})

/** Calls the first 20 bytes of its input with the rest. */
const forwarderCode = '0x601436038060145f375f5f915f5f5f3560601c5af1601b575f5ffd5b00'

async function connect({ rpcUrl }: Devnet) {
  const deployment = await deploy({ rpcUrl, deployer: identity() })
  const who = identity()
  return { deployment, who, chain: await viemChain({ rpcUrl, identity: who, ...deployment }) }
}

async function listen(server: Server): Promise<AsyncDisposable & { url: string }> {
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function rpc(method: string, params: readonly unknown[]): Promise<unknown> {
  return askNode(devnet.rpcUrl, method, params)
}
