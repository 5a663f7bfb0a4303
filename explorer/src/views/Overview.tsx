import { useMemo, useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { count, plural } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { Chart, type Series } from '../parts/Chart.tsx'
import { Cloth } from '../parts/Cloth.tsx'
import { JobsTable } from '../parts/JobsTable.tsx'
import { ConservationCheck, MoneyFlow } from '../parts/MoneyFlow.tsx'
import { DisputesTable } from './Disputes.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'

/** The network in one glance. */
export function Overview() {
  const network = useData<Api.Network>('/api/network')
  const rows = useData<Api.Page<Api.Job>>('/api/jobs?limit=12').data?.rows ?? []
  const disputes = useData<Api.Page<Api.Dispute>>('/api/disputes?limit=5').data?.rows ?? []
  const [minutes, setMinutes] = useState('15')
  const activity = useData<Api.Activity>(`/api/activity?minutes=${minutes}`)
  const now = useNow()
  return (
    <Page
      title="Weft"
      heading={
        <>
          An open market for AI compute in which every result carries evidence that{' '}
          <em>someone else can check.</em>
        </>
      }
    >
      <Loaded of={network}>{(data) => <Counters network={data} />}</Loaded>
      <Card title="The cloth" aside={<p class="aside">newest jobs, one stitch each</p>}>
        <Loaded of={activity}>
          {({ threads }) => (threads.length > 0 ? <Cloth threads={threads} /> : <NoJobs />)}
        </Loaded>
      </Card>
      {disputes.length > 0 && (
        <Card title="Disputes" aside={<a href="#/disputes">All disputes</a>}>
          <p class="card-lead">{network.data && disputesWords(network.data.disputes)}</p>
          <DisputesTable disputes={disputes} now={now} />
        </Card>
      )}
      <Card title="Money" aside={<a href="#/money">All movements</a>}>
        <Loaded of={network}>
          {({ money, conservation }) => (
            <>
              <MoneyFlow totals={money} />
              <ConservationCheck totals={money} check={conservation} />
            </>
          )}
        </Loaded>
      </Card>
      {rows.length > 0 && (
        <>
          <Card title="Work" aside={<Range value={minutes} onChange={setMinutes} />}>
            <Loaded of={activity}>{(data) => <Work activity={data} />}</Loaded>
          </Card>
          <Card title="Newest jobs" aside={<a href="#/jobs">All jobs</a>}>
            <JobsTable jobs={rows} now={now} caption="The newest jobs" />
          </Card>
        </>
      )}
    </Page>
  )
}

/** What to do when the network is still quiet. */
export function NoJobs() {
  return (
    <Empty title="No job has run yet.">
      <p>
        Send the gateway a request, for instance with <code>weft ask "Hello"</code>, and it appears
        here by itself.
      </p>
    </Empty>
  )
}

function disputesWords({ open, convicted, upheld }: Api.Disputes): string {
  const parts = [
    open > 0 && `${plural(open, 'dispute')} open`,
    convicted > 0 && `${plural(convicted, 'claim')} proven false or given up`,
    upheld > 0 && `${plural(upheld, 'claim')} held`,
  ]
  return parts.filter(Boolean).join(', ')
}

function Counters({ network }: { network: Api.Network }) {
  const { providers, jobs, checks, tokens, leases } = network
  const items = [
    [
      'Providers online',
      count(providers.online),
      `of ${count(providers.known)} known`,
      '#/providers',
      '',
    ],
    [
      'Jobs delivered',
      count(jobs.delivered),
      [
        jobs.running > 0 && `${count(jobs.running)} running`,
        jobs.failed > 0 && `${count(jobs.failed)} failed`,
        `${plural(jobs.probes, 'free probe')}`,
      ]
        .filter(Boolean)
        .join(', '),
      '#/jobs',
      '',
    ],
    [
      'Verified',
      count(checks.verified),
      'by a validator',
      '#/jobs',
      checks.verified > 0 ? 'good' : '',
    ],
    [
      'Rejected',
      count(checks.rejected),
      'and not paid',
      '#/jobs',
      checks.rejected > 0 ? 'bad' : '',
    ],
    ['Tokens written', count(tokens.output), `${count(tokens.input)} read`, '#/jobs', ''],
    ['Leases open', count(leases.open), `${count(leases.settled)} settled`, '#/leases', ''],
  ] as const
  return (
    <ul class="counters">
      {items.map(([label, value, note, href, tone]) => (
        <li key={label}>
          <a href={href}>
            <span class="counter-label">{label}</span>
            <b class={tone}>{value}</b>
            <span class="counter-note">{note}</span>
          </a>
        </li>
      ))}
    </ul>
  )
}

function Range({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <fieldset class="choice">
      <legend class="hidden">Time shown</legend>
      {[
        ['15', '15 min'],
        ['60', '1 h'],
        ['360', '6 h'],
        ['1440', '24 h'],
      ].map(([minutes, label]) => (
        <label key={minutes}>
          <input
            type="radio"
            name="range"
            checked={value === minutes}
            onChange={() => onChange(minutes!)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  )
}

function Work({ activity }: { activity: Api.Activity }) {
  const { points } = activity
  const times = useMemo(() => points.map(({ at }) => at), [points])
  const series = useMemo(
    (): readonly Series[] => [
      {
        label: 'tokens written',
        values: points.map(({ tokens }) => tokens),
        colour: 'thread-a',
        shape: 'bars',
        format: count,
      },
      {
        label: 'jobs',
        values: points.map(({ jobs }) => jobs),
        colour: 'thread-c',
        shape: 'line',
        format: (value) => (Number.isInteger(value) ? count(value) : ''),
      },
    ],
    [points],
  )
  const jobs = points.reduce((sum, point) => sum + point.jobs, 0)
  const tokens = points.reduce((sum, point) => sum + point.tokens, 0)
  if (jobs === 0)
    return (
      <Empty title="Nothing was delivered in this time.">
        <p>Choose a longer time above, or send the gateway a request.</p>
      </Empty>
    )
  return (
    <Chart
      times={times}
      series={series}
      summary={`${plural(jobs, 'job')} and ${plural(tokens, 'token')} in this time.`}
    />
  )
}
