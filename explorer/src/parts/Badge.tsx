import type * as Api from '../../../src/indexer/Api.ts'
import { assuranceSentence } from '../reasons.ts'
import { Tone } from './Page.tsx'

/** The tier that was bought and the state it is in, side by side and never blurred. */
export function AssuranceBadge({ of }: { of: Api.Job['assurance'] }) {
  if (of === null) return <span class="muted">no receipt</span>
  const { tier, state, method } = of
  return (
    <span class={`badge ${tones[state]}`} title={assuranceSentence(tier, state, method)}>
      <span class="badge-tier">{tier}</span>
      <span class="badge-state">
        <Tone tone={tones[state]} />
        {state === 'final' && method === undefined ? 'final, not checked' : state}
        {method === undefined ? '' : ` (${method})`}
      </span>
    </span>
  )
}

const tones = { pending: 'wait', verified: 'good', challenged: 'bad', final: 'plain' } as const

/** Where a job stands, in one word. */
export function JobState({ job }: { job: Api.Job }) {
  const [tone, word] = stateOf(job)
  return (
    <span class={`state ${tone}`}>
      {tone !== 'plain' && <Tone tone={tone} />}
      {word}
    </span>
  )
}

type Tones = 'good' | 'bad' | 'wait' | 'plain' | 'run'

function stateOf(job: Api.Job): readonly [Tones, string] {
  if (job.state === 'running') return ['run', 'running']
  if (job.state === 'failed' || job.state === 'cancelled') return ['bad', job.state]
  return ['plain', 'delivered']
}

/** Whether the buyer promised to pay. */
export function PaymentState({ job }: { job: Api.Job }) {
  if (job.probe) return <span class="muted">free probe</span>
  if (job.payment === 'signed') return <span class="state good">paid</span>
  if (job.payment === 'withheld') return <span class="state bad">not paid</span>
  if (job.state === 'failed' || job.state === 'cancelled')
    return <span class="muted">nothing due</span>
  return <span class="muted">open</span>
}

const leaseTones: Readonly<Record<Api.Lease['state'], Tones>> = {
  open: 'wait',
  ready: 'good',
  paused: 'wait',
  closing: 'plain',
  settled: 'plain',
}

export function LeaseState({ lease, now }: { lease: Api.Lease; now: number }) {
  const expired = lease.state !== 'settled' && lease.expiresAt <= now
  const tone = expired ? 'plain' : leaseTones[lease.state]
  return (
    <span class={`state ${tone}`}>
      <Tone tone={tone} />
      {expired ? 'expired' : lease.state}
    </span>
  )
}
