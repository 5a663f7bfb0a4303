import type * as Api from '../../../src/indexer/Api.ts'
import { ago, count, dateTime, usd } from '../format.ts'
import { LeaseState } from '../parts/Badge.tsx'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { ListPage } from '../parts/ListPage.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Empty } from '../parts/Page.tsx'

/** Every lease, newest first. */
export function Leases() {
  return (
    <ListPage<Api.Lease>
      title="Leases"
      lead="An accepted bid with funds reserved on the chain. What is not claimed returns to the buyer when it ends."
      from="/api/leases?limit=50"
      filters={filters}
      table={(leases, now) => <LeasesTable leases={leases} now={now} />}
      empty={() => (
        <Empty title="There is no such lease.">
          <p>A lease opens by itself when a buyer sends its first job to a provider.</p>
        </Empty>
      )}
    />
  )
}

const filters = [
  ['', 'all'],
  ['open', 'open'],
  ['settled', 'settled'],
] as const

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
