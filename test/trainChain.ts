import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { deploy } from '../src/chain/deploy.ts'
import { startDevnet } from '../src/chain/devnet.ts'
import { viemChain } from '../src/chain/viem.ts'
import * as Home from '../src/cli/Home.ts'
import * as NetworkFile from '../src/cli/NetworkFile.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'

/** A chain for runs of `weft train`: its network.json in their home, the key of each node in the node's folder there. */
export async function startTrainChain(stack: AsyncDisposableStack, home: string) {
  const clock = systemClock()
  const random = systemRandom()
  const devnet = stack.use(await startDevnet())
  const identityOf = (name: string) => {
    mkdirSync(join(home, name), { recursive: true, mode: 0o700 })
    return Home.identity(join(home, name), { random })
  }
  const { rpcUrl } = devnet
  const identity = identityOf('first')
  const deployment = await deploy({ rpcUrl, deployer: identity, clock })
  const { domain, parameters } = deployment
  const { usd, registry, ...constants } = parameters
  NetworkFile.write(join(home, 'network.json'), {
    name: 'test',
    chainId: domain.chainId,
    rpcUrl,
    contracts: { vault: domain.vault, usd, registry },
    ...constants,
    bootstrap: [],
    validators: [],
  })
  const chain = stack.use(await viemChain({ rpcUrl, identity, clock, ...deployment }))
  return { chain, addressOf: (name: string) => identityOf(name).address }
}
