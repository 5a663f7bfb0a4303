import { useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { ago, count, dateTime, usd } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { LeaseState } from '../parts/Badge.tsx'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { More, usePages } from '../parts/More.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'

/** Every lease, newest first. */
export function Leases() {
  const [show, setShow] = useState('')
  const query = `/api/leases?limit=50${show && `&show=${show}`}`
  const first = useData<Api.Page<Api.Lease>>(query)
  const pages = usePages(query, first.data)
  const now = useNow()
  return (
    <Page
      title="Leases"
      lead="An accepted bid with funds reserved on the chain. What is not claimed returns to the buyer when it ends."
    >
      <Card
        title="Newest first"
        aside={
          <label class="field">
            <span>Show</span>
            <select
              value={show}
              onChange={(event) => setShow((event.target as HTMLSelectElement).value)}
            >
              <option value="">all</option>
              <option value="open">open</option>
              <option value="settled">settled</option>
            </select>
          </label>
        }
      >
        <Loaded of={first}>
          {() =>
            pages.rows.length > 0 ? (
              <>
                <LeasesTable leases={pages.rows} now={now} />
                <More pages={pages} what="older leases" />
              </>
            ) : (
              <Empty title="There is no such lease.">
                <p>A lease opens by itself when a buyer sends its first job to a provider.</p>
              </Empty>
            )
          }
        </Loaded>
      </Card>
    </Page>
  )
}

export function LeasesTable({ leases, now }: { leases: readonly Api.Lease[]; now: number }) {
  const columns: readonly Column<Api.Lease>[] = [
    { label: 'Lease', phone: 'bare', cell: (lease) => <Id view="leases" id={lease.id} /> },
    { label: 'State', phone: 'bare', cell: (lease) => <LeaseState lease={lease} now={now} /> },
    { label: 'Buyer', cell: (lease) => <Account address={lease.buyer} /> },
    { label: 'Provider', cell: (lease) => <Account address={lease.provider} provider /> },
    { label: 'Reserved at most', number: true, cell: (lease) => usd(lease.total) },
    { label: 'Claimed', number: true, cell: (lease) => usd(lease.claimed) },
    { label: 'Given back', number: true, cell: (lease) => usd(lease.refunded) },
    { label: 'Jobs', number: true, cell: (lease) => count(lease.jobs) },
    {
      label: 'Opened',
      number: true,
      cell: (lease) => (
        <time dateTime={new Date(lease.openedAt).toISOString()} title={dateTime(lease.openedAt)}>
          {ago(lease.openedAt, now)}
        </time>
      ),
    },
  ]
  return (
    <DataTable
      caption="Leases, newest first"
      columns={columns}
      rows={leases}
      idOf={(lease) => lease.id}
    />
  )
}
