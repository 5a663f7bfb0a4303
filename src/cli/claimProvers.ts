import type * as Completion from '../protocol/Completion.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import { BaseError } from '../runtime/Errors.ts'
import { recordRun } from '../verification/dispute/recordRun.ts'
import { startProver, type Prover } from '../verification/dispute/startProver.ts'
import type { Exactly } from './openEngine.ts'

/** Provers of the runs of requests, each started when a dispute first asks for it. */
export type ClaimProvers = AsyncDisposable & {
  /**
   * The prover of a claim's run; it is disposed of here.
   *
   * @throws {NoRunError} when it is not known which request the claim is about.
   */
  proverOf(claim: ExactClaim): Promise<Prover>
}

/**
 * Computes the runs of claims again from their requests. That takes as long as the answers did, and no more
 * memory than one run, since a generation is short enough to begin anew.
 *
 * @param ports.exactly computes a request as the claim's maker did, or as its challenger does.
 * @param ports.requestOf the request that a claim is about, with our own name for the model.
 */
export function claimProvers(
  { exactly, requestOf }: claimProvers.Ports,
  { limit = 2 }: claimProvers.Options = {},
): ClaimProvers {
  const provers = new Map<string, Promise<Prover>>()

  async function start(claim: ExactClaim): Promise<Prover> {
    const request = await requestOf(claim)
    if (!request) throw new NoRunError()
    const { backend, source } = exactly(request)
    const options = { ...source, steps: claim.steps }
    const recorded = await recordRun({ backend }, { ...options, checkpointEvery: claim.steps })
    return await startProver({ backend }, { ...options, stateRoots: recorded.stateRoots })
  }

  const drop = async (key: string) => {
    const found = provers.get(key)
    provers.delete(key)
    const [prover] = await Promise.allSettled([found])
    if (prover.status === 'fulfilled') await prover.value?.[Symbol.asyncDispose]()
  }
  return {
    async proverOf(claim) {
      const key = `${claim.job} ${claim.run}`
      const found = provers.get(key) ?? start(claim)
      provers.delete(key)
      provers.set(key, found)
      const [oldest] = provers.keys()
      if (provers.size > limit && oldest !== undefined) await drop(oldest)
      try {
        return await found
      } catch (error) {
        provers.delete(key)
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      for (const key of provers.keys().toArray()) await drop(key)
    },
  }
}

export declare namespace claimProvers {
  type Ports = {
    exactly: (request: Completion.Request) => Exactly
    requestOf: (claim: ExactClaim) => Promise<Completion.Request | undefined>
  }
  type Options = {
    /** Runs that are held at once. @default 2 */
    limit?: number | undefined
  }
}

/** Thrown when a claim is disputed whose request is not known here. */
export class NoRunError extends BaseError {
  override readonly code = 'Cli.NoRunError'

  constructor() {
    super('The request that this claim is about is not known here any more.', {
      metaMessages: ['Fix: keep the journal of a provider as long as its claims can be disputed.'],
    })
  }
}
