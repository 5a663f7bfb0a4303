import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Identity from '../protocol/Identity.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import { chainCompliance, type Party } from './compliance.ts'
import { deploy } from './deploy.ts'
import { startDevnet, type Devnet } from './devnet.ts'
import { viemChain } from './viem.ts'

let devnet: Devnet
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
})
afterAll(async () => {
  await devnet[Symbol.asyncDispose]()
})

const random = systemRandom()
const identity = () => Identity.from(random.bytes(32))

describe('viemChain', () => {
  chainCompliance(async () => {
    const court = identity()
    const { rpcUrl } = devnet
    const deployment = await deploy({ rpcUrl, deployer: identity(), court: court.address })
    const party = async (who: Identity.Identity): Promise<Party> => ({
      identity: who,
      chain: await viemChain({ rpcUrl, identity: who, ...deployment }),
    })
    return {
      buyer: await party(identity()),
      provider: await party(identity()),
      stranger: await party(identity()),
      court: await party(court),
      elapse: async (seconds) => {
        await rpc('evm_increaseTime', [seconds])
        await rpc('evm_mine', [])
      },
      [Symbol.asyncDispose]: async () => {},
    }
  })

  test('exists', () => expect(viemChain).toBeTypeOf('function'))
})

async function rpc(method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(devnet.rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  return ((await response.json()) as { result: unknown }).result
}
