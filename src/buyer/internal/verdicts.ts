import type { Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Verdict from '../../protocol/Verdict.ts'

/** What trusted validators said of receipts. */
export type Verdicts = AsyncDisposable & {
  /** The worst that was said of a receipt so far: `invalid`, else `valid`, else `unavailable`. */
  of(receipt: Hex.Hex): Verdict.Verdict | undefined
}

/** Receipts whose verdicts are remembered. */
const limit = 10_000

/** Listens to verdicts; only those signed by `validators` count, whoever passes them on. */
export function openVerdicts(ports: openVerdicts.Ports, options: openVerdicts.Options): Verdicts {
  const { network, domain, onVerdict } = ports
  const trusted = new Set(options.validators)
  const known = new Map<Hex.Hex, Verdict.Verdict>()

  const subscription = network.subscribe(Exchange.topics.verdicts, (body) => {
    const signed = Verdict.deserialize(body)
    const { validator, receipt, outcome } = signed.message
    if (!trusted.has(validator)) return
    const before = known.get(receipt)
    if (before && weight(before.outcome) >= weight(outcome)) return
    const verdict = Verdict.verify(domain, signed)
    if (!before && known.size >= limit) known.delete(known.keys().next().value!)
    known.set(receipt, verdict)
    onVerdict(verdict)
  })
  return {
    of: (receipt) => known.get(receipt),
    [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose](),
  }
}

export declare namespace openVerdicts {
  type Ports = {
    network: Network
    domain: Domain.Domain
    /** Called when a verdict says more than was known. */
    onVerdict: (verdict: Verdict.Verdict) => void
  }
  type Options = { validators: readonly Hex.Address[] }
}

function weight(outcome: string): number {
  return outcome === 'invalid' ? 3 : outcome === 'valid' ? 2 : outcome === 'unavailable' ? 1 : 0
}
