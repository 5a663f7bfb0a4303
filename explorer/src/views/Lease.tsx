import type * as Api from '../../../src/indexer/Api.ts'
import { count, dateTime, short, usd } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { LeaseState } from '../parts/Badge.tsx'
import { Facts } from '../parts/Facts.tsx'
import { JobsTable } from '../parts/JobsTable.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'
import { Timeline } from '../parts/Timeline.tsx'

/** One lease: its money, its life, its jobs. */
export function Lease({ id }: { id: string }) {
  const detail = useData<Api.LeaseDetail>(`/api/leases/${id}`)
  const now = useNow()
  return (
    <Page
      title={`Lease ${short(id)}`}
      heading={
        <>
          Lease <code title={id}>{short(id)}</code>
        </>
      }
      lead={detail.data && <LeaseState lease={detail.data.lease} now={now} />}
    >
      <Loaded of={detail}>
        {({ lease, jobs, timeline }) => (
          <>
            <div class="columns">
              <Card title="Timeline">
                <Timeline lines={timeline} />
              </Card>
              <Card title="Facts">
                <Facts of={factsOf(lease)} />
              </Card>
            </div>
            <Card title="Jobs of this lease">
              {jobs.length > 0 ? (
                <JobsTable
                  jobs={jobs}
                  now={now}
                  caption="Jobs of this lease"
                  without={['Provider']}
                />
              ) : (
                <Empty title="No job has run in this lease yet." />
              )}
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  )
}

function factsOf(lease: Api.Lease) {
  return [
    ['Buyer', <Account address={lease.buyer} />],
    ['Provider', <Account address={lease.provider} provider />],
    ['Order', lease.order && <Id view="orders" id={lease.order} />],
    ['Reserved at most', usd(lease.total)],
    ['Claimed', usd(lease.claimed)],
    ['Given back', usd(lease.refunded)],
    ['Jobs', count(lease.jobs)],
    ['Opened', dateTime(lease.openedAt)],
    ['Expires', dateTime(lease.expiresAt)],
    ['Closed', lease.closedAt && dateTime(lease.closedAt)],
    ['Id', <code class="long">{lease.id}</code>],
  ] as const
}
