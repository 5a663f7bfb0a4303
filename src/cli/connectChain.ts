import type { Chain } from '../chain/Chain.ts'
import { viemChain } from '../chain/viem.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import * as NetworkFile from './NetworkFile.ts'

/** Connects an account to the chain that a network file names. */
export function connectChain(
  file: NetworkFile.NetworkFile,
  { identity, clock }: { identity: Identity; clock: Clock },
): Promise<Chain> {
  return viemChain({
    rpcUrl: file.rpcUrl,
    domain: NetworkFile.domainOf(file),
    parameters: NetworkFile.parametersOf(file),
    identity,
    clock,
  })
}
