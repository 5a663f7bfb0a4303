import type { Chain } from '../../chain/Chain.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { startSettlement } from '../../settlement/startSettlement.ts'
import { startEarnings } from '../../training/pay/startEarnings.ts'
import { startPaymaster } from '../../training/pay/startPaymaster.ts'
import * as NetworkFile from '../NetworkFile.ts'
import type * as RunFile from './RunFile.ts'

/** A node's part in the pay of a run: the buyer's, or a worker's. */
export type Pay = AsyncDisposable & {
  /** Whether to begin with more work. */
  mayWork(): boolean
  /** Waits, but not for ever, until what the log says was paid out. @returns what is promised or claimed. */
  settle(): Promise<bigint>
}

/** Starts to pay the workers, or to be paid, over the chain of the order's network. */
export async function startPay(ports: startPay.Ports): Promise<Pay> {
  const { log, identity, clock, chain } = ports
  if (log.order.buyer === identity.address) {
    const paymaster = await startPaymaster(ports, { intervalMs: 2_000 })
    return {
      mayWork: () => true,
      async settle() {
        await until(clock, () => paymaster.isSettled())
        return paymaster.promisedMicroUsd()
      },
      [Symbol.asyncDispose]: () => paymaster[Symbol.asyncDispose](),
    }
  }
  await using stack = new AsyncDisposableStack()
  const earnings = stack.use(await startEarnings(ports))
  const claimables = () => earnings.claimables()
  const settlement = stack.use(await startSettlement({ ...ports, claimables }))
  const owned = stack.move()
  return {
    mayWork: () => earnings.mayWork(),
    async settle() {
      await until(clock, () => earnings.owedMicroUsd() <= 0n)
      await settlement.settle()
      return await chain.earned(identity.address)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startPay {
  type Ports = startEarnings.Ports & { chain: Chain }
}

/** @throws {OtherNetworkError} when the order is of another network than the file. */
export function expectNetwork(network: NetworkFile.NetworkFile, { domain }: RunFile.RunFile): void {
  const { chainId, vault } = NetworkFile.domainOf(network)
  if (chainId !== domain.chainId || vault !== domain.vault) throw new OtherNetworkError()
}

/** The chain, the others, and their machines take their time; who is gone for good is not waited for. */
async function until(clock: Clock, isSo: () => boolean): Promise<void> {
  const end = clock.now() + settleMs
  while (!isSo() && clock.now() < end) await clock.sleep(200)
}

const settleMs = 30_000

/** Thrown when a run and a network file do not belong together. */
class OtherNetworkError extends BaseError {
  override readonly code = 'Cli.OtherNetworkError'

  constructor() {
    super('The run is paid in another network than that of --network.', {
      metaMessages: ['Fix: give the network file that the run was ordered with.'],
    })
  }
}
