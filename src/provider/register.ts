import type { Chain } from '../chain/Chain.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Settings } from './Settings.ts'

/** Blocks after which a registration that is gone was slashed or taken back, not rolled back. */
const rollbackBlocks = 64n

/**
 * Creates the function that puts the wanted stake into the registry as far as it is not there, and does
 * so again after a rollback. Stake that was slashed or asked back later is not put in behind the
 * owner's back.
 */
export function createRegistrar(
  ports: { chain: Chain; identity: Identity; logger: Logger },
  settings: Pick<Settings, 'stakeMicroUsd' | 'offerUri'>,
): (options: { signal: AbortSignal }) => Promise<void> {
  const { chain, identity, logger } = ports
  const { stakeMicroUsd, offerUri } = settings
  let seenAtBlock: bigint | undefined
  let warned = false

  return async ({ signal }) => {
    if (stakeMicroUsd === 0n) return
    const found = await chain.registration(identity.address)
    const head = await chain.head()
    const missing = stakeMicroUsd - found.stakeMicroUsd - found.unbondingMicroUsd
    if (missing <= 0n) {
      seenAtBlock ??= head.number
      return
    }
    if (seenAtBlock !== undefined && head.number > seenAtBlock + rollbackBlocks) {
      const facts = { stakeMicroUsd: found.stakeMicroUsd, wantedMicroUsd: stakeMicroUsd }
      if (!warned) logger.warn(facts, 'Stake is missing; restart to put it in again.')
      warned = true
      return
    }
    const action = { type: 'register', peerId: identity.peerId, offerUri } as const
    const { block } = await chain.send({ ...action, stakeMicroUsd: missing }, { signal })
    seenAtBlock = block
    logger.info({ stakeMicroUsd, block }, 'Registered.')
  }
}
