import type * as Api from '../../../src/indexer/Api.ts'
import { count, dateTime, short, span, usd } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { AssuranceBadge, JobState, PaymentState } from '../parts/Badge.tsx'
import { Facts } from '../parts/Facts.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'
import { Steps } from '../parts/Steps.tsx'
import { Document, Reason, Timeline } from '../parts/Timeline.tsx'
import { DisputesTable } from './Disputes.tsx'
import { assuranceSentence, tiers } from '../reasons.ts'

/** One job from the order to the claim, with everything that was signed on the way. */
export function Job({ id }: { id: string }) {
  const detail = useData<Api.JobDetail>(`/api/jobs/${id}`)
  return (
    <Page
      title={`Job ${short(id)}`}
      heading={
        <>
          {detail.data?.job.probe ? 'Probe' : 'Job'} <code title={id}>{short(id)}</code>
        </>
      }
      lead={detail.data && <Lead job={detail.data.job} />}
    >
      <Loaded of={detail}>{(data) => <Body detail={data} />}</Loaded>
    </Page>
  )
}

function Lead({ job }: { job: Api.Job }) {
  if (job.probe)
    return 'A small free job that the buyer sends before the meter runs, to see that the provider works.'
  if (job.state === 'running') return 'The provider is at work.'
  if (job.state !== 'delivered') return 'Nothing was delivered, and nothing is charged.'
  const time = job.startedAt && job.endedAt ? ` in ${span(job.endedAt - job.startedAt)}` : ''
  const price =
    job.payment === 'withheld' ? `, ${usd(job.price)} not paid` : ` for ${usd(job.price)}`
  return `${count(job.outputTokens)} tokens${price}${time}.`
}

function Body({ detail }: { detail: Api.JobDetail }) {
  const { job, lease, receipt, verdicts, timeline, disputes } = detail
  const now = useNow()
  return (
    <>
      <Card title="The way of this job" class="way">
        <Steps detail={detail} />
      </Card>
      {disputes.length > 0 && (
        <Card title={disputes.length === 1 ? 'The claim for this job was disputed' : 'Disputes'}>
          <DisputesTable disputes={disputes} now={now} />
        </Card>
      )}
      <div class="columns">
        <Card title="Timeline">
          {timeline.length > 0 ? (
            <Timeline lines={timeline} />
          ) : (
            <Empty title="No party has said anything about this job." />
          )}
        </Card>
        <div>
          <Card title="Assurance">
            <Assurance job={job} />
          </Card>
          <Card title="Facts">
            <Facts of={factsOf(detail)} />
          </Card>
          <Card title="Evidence">
            {receipt ? (
              <>
                <p>
                  The receipt binds what was asked, what was answered, the model and the price. It
                  can be checked without this page and without the network.
                </p>
                <p>
                  <a class="button" href={`/api/jobs/${job.id}/receipt`} download={fileOf(job)}>
                    Download the receipt
                  </a>
                </p>
                <p class="small">
                  <code>weft receipt verify {fileOf(job)}</code>
                </p>
                <Document document={receipt} what="receipt" />
                {verdicts.map((verdict) => (
                  <Document key={verdict.id} document={verdict} what="verdict" />
                ))}
              </>
            ) : (
              <p>
                There is no receipt{job.state === 'running' ? ' yet' : ''}: it is signed when the
                whole answer was delivered.
              </p>
            )}
            {lease === null && (
              <p class="small">
                The lease of this job is not on the chain that this explorer follows.
              </p>
            )}
          </Card>
        </div>
      </div>
    </>
  )
}

function fileOf(job: Api.Job): string {
  return `weft-receipt-${job.id.slice(0, 10)}.json`
}

function Assurance({ job }: { job: Api.Job }) {
  const { assurance } = job
  if (assurance === null)
    return <p>A job without a receipt has no assurance: nobody has vouched for anything.</p>
  const { tier, state, method } = assurance
  return (
    <div class="assurance">
      <p>
        <AssuranceBadge of={assurance} />
      </p>
      <p>{assuranceSentence(tier, state, method)}</p>
      {job.reason && job.check !== null && (
        <p class="small">
          <Reason code={job.reason} />
        </p>
      )}
      {tier !== 'unverified' && (
        <p class="small">
          <b>Tier {tier}:</b> {tiers[tier]}
        </p>
      )}
    </div>
  )
}

function factsOf({ job, order, lease, receipt, claimed }: Api.JobDetail) {
  const message = (receipt?.signed as { message?: Record<string, string | number> } | undefined)
    ?.message
  const seconds = job.startedAt && job.endedAt ? (job.endedAt - job.startedAt) / 1000 : 0
  return [
    ['State', <JobState job={job} />],
    [
      'Payment',
      <>
        <PaymentState job={job} /> {claimed && <span class="muted">and claimed</span>}
      </>,
    ],
    ['Price', usd(job.price)],
    ['Provider', <Account address={job.provider} provider />],
    ['Buyer', <Account address={job.buyer} />],
    ['Lease', lease && <Id view="leases" id={lease.id} />],
    ['Order', order && <Id view="orders" id={order} />],
    ['Model', job.model],
    ['Quantisation', message?.['quantisation']],
    ['Engine', message?.['engine']],
    ['Tokens read', job.receipt && count(job.inputTokens)],
    ['Tokens written', job.receipt && count(job.outputTokens)],
    [
      'Speed',
      seconds > 0 ? `${(job.outputTokens / seconds).toFixed(1)} tokens a second` : undefined,
    ],
    ['Seed', message?.['seed']],
    ['Started', job.startedAt && dateTime(job.startedAt)],
    ['Ended', job.endedAt && dateTime(job.endedAt)],
  ] as const
}
