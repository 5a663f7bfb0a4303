import type * as Api from '../../../src/indexer/Api.ts'
import { ago, count, dateTime, usd } from '../format.ts'
import { AssuranceBadge, JobState, PaymentState } from './Badge.tsx'
import { type Column, DataTable } from './DataTable.tsx'
import { Account, Id } from './Names.tsx'

/** Jobs, newest first. */
export function JobsTable(props: {
  jobs: readonly Api.Job[]
  now: number
  caption: string
  /** Columns that would say the same in every row. */
  without?: readonly ('Provider' | 'Buyer' | 'Model')[]
}) {
  const { jobs, now, caption, without = [] } = props
  const columns: readonly Column<Api.Job>[] = [
    { label: 'Job', phone: 'bare', cell: (job) => <Id view="jobs" id={job.id} /> },
    { label: 'State', phone: 'bare', cell: (job) => <JobState job={job} /> },
    {
      label: 'Provider',
      phone: 'bare',
      cell: (job) => <Account address={job.provider} provider />,
    },
    { label: 'Model', phone: 'bare', cell: (job) => <span class="model">{job.model ?? '—'}</span> },
    {
      label: 'Assurance',
      phone: 'bare wide',
      cell: (job) => <AssuranceBadge of={job.assurance} />,
    },
    {
      label: 'Tokens',
      number: true,
      cell: (job) =>
        job.receipt ? (
          <span title="read → written">
            {count(job.inputTokens)} → {count(job.outputTokens)}
          </span>
        ) : (
          <span class="muted">—</span>
        ),
    },
    {
      label: 'Price',
      number: true,
      cell: (job) => (job.receipt ? usd(job.price) : <span class="muted">—</span>),
    },
    { label: 'Payment', phone: 'bare', cell: (job) => <PaymentState job={job} /> },
    {
      label: 'When',
      phone: 'bare',
      number: true,
      cell: (job) => (
        <time dateTime={new Date(job.at).toISOString()} title={dateTime(job.at)}>
          {ago(job.at, now)}
        </time>
      ),
    },
  ]
  return (
    <DataTable
      caption={caption}
      columns={columns.filter(({ label }) => !(without as readonly string[]).includes(label))}
      rows={jobs}
      idOf={(job) => job.id}
    />
  )
}
