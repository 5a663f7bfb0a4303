import type * as Domain from '../../protocol/Domain.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Commitment from '../../protocol/training/Commitment.ts'
import type { LogSync } from '../../training/node/startLogSync.ts'

/** For testing audits: a node's voice, by which it claims so many steps a round, whatever it has taken. */
export function claimingSteps(
  sync: Pick<LogSync, 'submit'>,
  { domain, identity, steps }: { domain: Domain.Domain; identity: Identity; steps: number },
): Pick<LogSync, 'submit'> {
  return {
    submit(entry) {
      if (entry.kind !== 'commitment') return sync.submit(entry)
      const message = { ...entry.signed.message, steps }
      return sync.submit({ ...entry, signed: Commitment.sign(domain, message, identity) })
    },
  }
}
