import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Prover } from '../../verification/dispute/startProver.ts'

/** Provers of the claims that are disputed, each started once, the last few kept. */
export type Provers = AsyncDisposable & {
  of(id: Hex.Hex, claim: ExactClaim): Promise<Prover>
}

/** Opens the collection; `limit` provers are kept at once. */
export function openProvers(
  { proverFor }: { proverFor: (claim: ExactClaim, id: Hex.Hex) => Promise<Prover> },
  { limit = 8 } = {},
): Provers {
  const provers = new Map<Hex.Hex, Promise<Prover>>()
  const close = async (prover: Promise<Prover>) => {
    const opened = await prover.catch(() => undefined)
    await opened?.[Symbol.asyncDispose]()
  }
  return {
    async of(id, claim) {
      const prover = provers.get(id) ?? proverFor(claim, id)
      // The last that was asked for stands last.
      provers.delete(id)
      provers.set(id, prover)
      const [[oldest, first] = []] = provers
      if (provers.size > limit && oldest !== undefined && first) {
        provers.delete(oldest)
        void close(first)
      }
      try {
        return await prover
      } catch (error) {
        // It may be found the next time.
        provers.delete(id)
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...provers.values()].map(close))
      provers.clear()
    },
  }
}
