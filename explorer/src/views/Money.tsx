import { useMemo } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { ago, count, dateTime, short, usd } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { Chart, type Series } from '../parts/Chart.tsx'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { ConservationCheck, MoneyFlow } from '../parts/MoneyFlow.tsx'
import { More, usePages } from '../parts/More.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'
import { sentence } from '../reasons.ts'

type Row = Api.Movement & { readonly id: string }

/** Where the money is, how it came there, and whether the books agree with the chain. */
export function Money() {
  const query = '/api/money?limit=50'
  const money = useData<Api.Money>(query)
  const now = useNow()
  return (
    <Page
      title="Money"
      lead="Buyers deposit once. Leases reserve, vouchers promise, claims pay. All of it stands on the chain."
    >
      <Loaded of={money}>
        {(data) => (
          <>
            <Card title="Where it is">
              <MoneyFlow totals={data.totals} />
              <dl class="facts inline">
                <div>
                  <dt>Free to spend or withdraw</dt>
                  <dd>{usd(data.totals.free)}</dd>
                </div>
                <div>
                  <dt>Given back from leases</dt>
                  <dd>{usd(data.totals.refunded)}</dd>
                </div>
                <div>
                  <dt>Taken home by providers</dt>
                  <dd>{usd(data.totals.withdrawnByProviders)}</dd>
                </div>
                <div>
                  <dt>Withdrawn by buyers</dt>
                  <dd>{usd(data.totals.withdrawnByBuyers)}</dd>
                </div>
              </dl>
            </Card>
            <Card title="Do the books agree with the chain?">
              <ConservationCheck totals={data.totals} check={data.conservation} full />
            </Card>
            {data.series.length > 1 && (
              <Card title="Over time">
                <History series={data.series} />
              </Card>
            )}
            <Movements query={query} money={data} now={now} />
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Movements({ query, money, now }: { query: string; money: Api.Money; now: number }) {
  const first = useMemo(() => withIds(money.movements), [money])
  const pages = usePages<Row>(query, first, (body) => withIds((body as Api.Money).movements))
  return (
    <Card title="Movements" aside={<p class="aside">events of the contracts</p>}>
      {pages.rows.length > 0 ? (
        <>
          <DataTable
            caption="Events of the contracts, newest first"
            columns={columnsOf(now)}
            rows={pages.rows}
            idOf={(row) => row.id}
          />
          <More pages={pages} what="older movements" />
        </>
      ) : (
        <Empty title="Nothing has moved yet.">
          <p>
            Put money in with <code>weft deposit 10</code>; it appears here with the next block.
          </p>
        </Empty>
      )}
    </Card>
  )
}

function withIds(page: Api.Page<Api.Movement>): Api.Page<Row> {
  return { ...page, rows: page.rows.map((row) => ({ ...row, id: `${row.block}-${row.position}` })) }
}

function columnsOf(now: number): readonly Column<Row>[] {
  return [
    {
      label: 'What',
      phone: 'bare wide',
      cell: (row) => (
        <span class="stack">
          <span>{sentence(row.type)}</span>
          <code class="code">{row.type}</code>
        </span>
      ),
    },
    { label: 'Amount', number: true, cell: (row) => (row.amount === null ? '—' : usd(row.amount)) },
    { label: 'Buyer', cell: (row) => (row.buyer ? <Account address={row.buyer} /> : '—') },
    {
      label: 'Provider',
      cell: (row) => (row.provider ? <Account address={row.provider} provider /> : '—'),
    },
    { label: 'Lease', cell: (row) => (row.lease ? <Id view="leases" id={row.lease} /> : '—') },
    {
      label: 'Block',
      number: true,
      cell: (row) => <span title={`transaction ${row.transaction}`}>{count(row.block)}</span>,
    },
    {
      label: 'Transaction',
      cell: (row) => <code title={row.transaction}>{short(row.transaction)}</code>,
    },
    {
      label: 'When',
      number: true,
      cell: (row) => (
        <time dateTime={new Date(row.at).toISOString()} title={dateTime(row.at)}>
          {ago(row.at, now)}
        </time>
      ),
    },
  ]
}

function History({ series }: { series: readonly Api.MoneyPoint[] }) {
  const times = useMemo(() => series.map(({ at }) => at), [series])
  const lines = useMemo(
    (): readonly Series[] => [
      {
        label: 'reserved',
        values: series.map(({ reserved }) => Number(reserved) / 1e6),
        colour: 'thread-b',
        shape: 'steps',
        format: dollars,
      },
      {
        label: 'claimed (right)',
        values: series.map(({ claimed }) => Number(claimed) / 1e6),
        colour: 'thread-c',
        shape: 'steps',
        format: dollars,
      },
    ],
    [series],
  )
  const last = series.at(-1)!
  return (
    <Chart
      times={times}
      series={lines}
      summary={`${usd(last.reserved)} is reserved and ${usd(last.claimed)} was claimed.`}
    />
  )
}

function dollars(value: number): string {
  return value === 0 ? '$0' : `$${value.toLocaleString('en-US', { maximumSignificantDigits: 3 })}`
}
