import { ask, type Network } from '../network/Network.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { Clock } from '../runtime/Clock.ts'
import { codeOf } from '../runtime/Errors.ts'

export type Fetched =
  | { readonly type: 'evidence'; readonly evidence: Exchange.Evidence }
  /** The provider did not hand it out; `code` is what it said, or how it failed to say anything. */
  | { readonly type: 'unavailable'; readonly code: string }

/** Asks a provider for the evidence of a job, a few times, because one lost message proves nothing. */
export async function fetchEvidence(
  { network, clock }: { network: Network; clock: Clock },
  peer: string,
  job: Hex.Hex,
  { signal, timeoutMs, waitsMs }: fetchEvidence.Options,
): Promise<Fetched> {
  const body = Json.toBytes({ job } satisfies Exchange.EvidenceRequest)
  for (let attempt = 0; ; attempt++)
    try {
      const reply = await ask(network, peer, Exchange.protocols.evidence, body, {
        signal,
        idleTimeoutMs: timeoutMs,
      })
      return {
        type: 'evidence',
        evidence: Json.decode(Exchange.evidence, reply, { what: 'Evidence' }),
      }
    } catch (error) {
      signal.throwIfAborted()
      const waitMs = waitsMs[attempt]
      const code = codeOf(error)
      if (waitMs === undefined || refusals.has(code)) return { type: 'unavailable', code }
      await clock.sleep(waitMs, { signal })
    }
}

export declare namespace fetchEvidence {
  type Options = {
    signal: AbortSignal
    timeoutMs: number
    /** How long to wait before each further attempt. */
    waitsMs: readonly number[]
  }
}

/** Answers that do not change by asking again. */
const refusals = new Set(['Provider.ForbiddenError', 'Protocol.MalformedError'])
