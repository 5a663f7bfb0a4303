/** The parties of the chain suite on a node that answers JSON-RPC, with contracts of their own. */
import * as Identity from '../protocol/Identity.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import type { Party, Setup } from './complianceSetup.ts'
import { deploy } from './deploy.ts'
import { viemChain } from './viem.ts'

/** Deploys the contracts and connects four new accounts. */
export async function startParties(
  { rpcUrl }: { rpcUrl: string },
  { disputesAreCourt = false }: { disputesAreCourt?: boolean } = {},
): Promise<Setup> {
  const random = systemRandom()
  const identity = () => Identity.from(random.bytes(32))
  const court = identity()
  const deployment = await deploy({
    rpcUrl,
    deployer: identity(),
    court: disputesAreCourt ? undefined : court.address,
  })
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
      await askNode(rpcUrl, 'evm_increaseTime', [seconds])
      await askNode(rpcUrl, 'evm_mine', [])
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

/** Asks a node something that only test nodes do. */
export async function askNode(
  rpcUrl: string,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = (await response.json()) as { result: unknown; error?: unknown }
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`)
  return result
}
