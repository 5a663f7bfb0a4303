import type * as Api from '../../../src/indexer/Api.ts'
import { clockText, leftOf, placeOf, stateWords } from '../disputes.ts'
import { ago, count, dateTime, usd } from '../format.ts'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { ListPage } from '../parts/ListPage.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Empty, Tone } from '../parts/Page.tsx'

/** Every dispute, newest first. */
export function Disputes() {
  return (
    <ListPage<Api.Dispute>
      title="Disputes"
      lead="Whoever computed something else than was claimed can have the chain decide. It is asked about one number only."
      from="/api/disputes?limit=50"
      filters={filters}
      table={(disputes, now) => <DisputesTable disputes={disputes} now={now} />}
      empty={() => (
        <Empty title="Nobody disputes anything.">
          <p>
            Exact work is claimed with a bond. When somebody computes it again and gets something
            else, the dispute appears here, move by move.
          </p>
        </Empty>
      )}
    />
  )
}

const filters = [
  ['', 'all'],
  ['open', 'open'],
  ['ended', 'ended'],
] as const

export function DisputesTable(props: { disputes: readonly Api.Dispute[]; now: number }) {
  const { disputes, now } = props
  const columns: readonly Column<Api.Dispute>[] = [
    { label: 'Dispute', phone: 'bare', cell: ({ id }) => <Id view="disputes" id={id} /> },
    { label: 'State', phone: 'bare', cell: (row) => <DisputeState dispute={row} /> },
    { label: 'Claimant', cell: ({ claimant }) => <Account address={claimant} provider /> },
    { label: 'Challenger', cell: ({ challenger }) => <Account address={challenger} provider /> },
    { label: 'They part at', phone: 'wide', cell: placeOf },
    {
      label: 'Turn',
      cell: (row) =>
        row.state === 'open' ? (
          <>
            {row.turn}, {clockText(leftOf(row, row.turn, now))} left
          </>
        ) : (
          <span class="muted">over</span>
        ),
    },
    { label: 'Moves', number: true, cell: ({ moves }) => count(moves) },
    { label: 'Bond', number: true, cell: ({ bond }) => usd(bond) },
    {
      label: 'Opened',
      number: true,
      cell: ({ openedAt }) => (
        <time dateTime={new Date(openedAt).toISOString()} title={dateTime(openedAt)}>
          {ago(openedAt, now)}
        </time>
      ),
    },
  ]
  return (
    <DataTable
      caption="Disputes, newest first"
      columns={columns}
      rows={disputes}
      idOf={({ id }) => id}
    />
  )
}

const tones = {
  open: 'wait',
  'challenger-won': 'bad',
  'claimant-won': 'good',
  closed: 'plain',
} as const

export function DisputeState({ dispute: { state } }: { dispute: Api.Dispute }) {
  return (
    <span class={`state ${tones[state]}`}>
      <Tone tone={tones[state]} />
      {stateWords[state]}
    </span>
  )
}
