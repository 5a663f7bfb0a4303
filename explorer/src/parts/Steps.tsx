import type * as Api from '../../../src/indexer/Api.ts'

/** The way of a job from order to claim, and how far it has come. */
export function Steps({ detail }: { detail: Api.JobDetail }) {
  return (
    <ol class="steps" aria-label="The way of this job">
      {stepsOf(detail).map(({ name, state, note }) => (
        <li key={name} class={state}>
          <span class="step-name">{name}</span>
          <span class="step-note">{note}</span>
        </li>
      ))}
    </ol>
  )
}

type Step = {
  readonly name: string
  readonly state: 'done' | 'bad' | 'open' | 'none'
  readonly note: string
}

function stepsOf({
  job,
  order,
  lease,
  receipt,
  timeline,
  claimed,
}: Api.JobDetail): readonly Step[] {
  const has = (code: string) => timeline.some((line) => line.code === code)
  const failed = job.state === 'failed' || job.state === 'cancelled'
  return [
    order ? done('order', 'asked') : none('order', 'not heard'),
    has('order-bid') ? done('bid', 'accepted') : none('bid', 'not heard'),
    lease ? done('lease', lease.state) : none('lease', 'not on chain'),
    failed
      ? { name: 'job', state: 'bad', note: job.state }
      : job.state === 'running'
        ? { name: 'job', state: 'open', note: 'running' }
        : done('job', 'delivered'),
    receipt ? done('receipt', 'signed') : none('receipt', failed ? 'none' : 'awaited'),
    verdictStep(job),
    voucherStep(job),
    claimed
      ? done('claim', 'on chain')
      : job.payment === 'signed'
        ? { name: 'claim', state: 'open', note: 'in a later batch' }
        : none('claim', 'nothing due'),
  ]
}

function verdictStep(job: Api.Job): Step {
  if (job.check === 'valid') return done('verdict', 'valid')
  if (job.check === 'invalid') return { name: 'verdict', state: 'bad', note: 'invalid' }
  if (job.check === 'unavailable') return { name: 'verdict', state: 'bad', note: 'unavailable' }
  if (job.probe || job.state !== 'delivered') return none('verdict', 'none')
  return job.assurance?.state === 'final'
    ? none('verdict', 'not checked')
    : { name: 'verdict', state: 'open', note: 'awaited' }
}

function voucherStep(job: Api.Job): Step {
  if (job.probe) return none('voucher', 'free probe')
  if (job.payment === 'signed') return done('voucher', 'signed')
  if (job.payment === 'withheld') return { name: 'voucher', state: 'bad', note: 'withheld' }
  if (job.state === 'failed' || job.state === 'cancelled') return none('voucher', 'nothing due')
  return { name: 'voucher', state: 'open', note: 'not yet' }
}

function done(name: string, note: string): Step {
  return { name, state: 'done', note }
}

function none(name: string, note: string): Step {
  return { name, state: 'none', note }
}
