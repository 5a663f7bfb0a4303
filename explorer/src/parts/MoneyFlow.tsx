import type * as Api from '../../../src/indexer/Api.ts'
import { count, usd } from '../format.ts'

/** Where the money is on its way from the buyer's deposit to the provider's pocket. */
export function MoneyFlow({ totals }: { totals: Api.Totals }) {
  const whole = Math.max(1, Number(totals.deposited))
  const steps = [
    ['Deposited', totals.deposited, 'by buyers, ever', 'a'],
    ['Reserved', totals.reserved, 'in open leases now', 'b'],
    ['Claimed', totals.claimed, 'by providers, for work', 'c'],
    ['Earned', totals.earned, 'not yet taken home', 'd'],
  ] as const
  return (
    <ol class="flow">
      {steps.map(([label, amount, note, thread]) => (
        <li key={label}>
          <span class="flow-label">{label}</span>
          <b class="flow-amount">{usd(amount)}</b>
          <span class="flow-note">{note}</span>
          <svg
            class={`flow-bar ${thread}`}
            viewBox="0 0 100 6"
            preserveAspectRatio="none"
            aria-hidden="true"
          >
            <rect class="flow-rail" width="100" height="6" rx="0" />
            <rect width={width(Number(amount), whole)} height="6" rx="0" />
          </svg>
        </li>
      ))}
    </ol>
  )
}

/** Something that exists is seen, however small. */
function width(amount: number, whole: number): number {
  return amount <= 0 ? 0 : Math.max(1.5, Math.min(100, (100 * amount) / whole))
}

/** Whether the vault holds what it owes, with the sum written out. */
export function ConservationCheck(props: {
  totals: Api.Totals
  check: Api.Conservation | null
  full?: boolean
}) {
  const { totals, check, full = false } = props
  if (!check) return <p class="check wait">The vault has not been compared with its books yet.</p>
  const surplus = BigInt(check.difference) > 0n
  return (
    <div class={`check ${check.conserved ? 'good' : 'bad'}`}>
      <p>
        <b>
          {check.conserved
            ? 'Every cent is accounted for.'
            : `${usd((-BigInt(check.difference)).toString())} is missing from the vault.`}
        </b>{' '}
        The vault holds {usd(check.balance)} at block {count(check.block)}; its books say{' '}
        {usd(check.expected)}
        {surplus && `, and somebody sent it ${usd(check.difference)} unasked`}.
      </p>
      {full && (
        <dl class="sum">
          <div>
            <dt>Free</dt>
            <dd>{usd(totals.free)}</dd>
          </div>
          <div>
            <dt>+ reserved</dt>
            <dd>{usd(totals.reserved)}</dd>
          </div>
          <div>
            <dt>+ earned</dt>
            <dd>{usd(totals.earned)}</dd>
          </div>
          <div class="total">
            <dt>= the vault owes</dt>
            <dd>{usd(check.expected)}</dd>
          </div>
        </dl>
      )}
    </div>
  )
}
