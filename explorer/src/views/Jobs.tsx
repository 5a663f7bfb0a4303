import { useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { useData, useNow } from '../live.ts'
import { JobsTable } from '../parts/JobsTable.tsx'
import { More, usePages } from '../parts/More.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'
import { NoJobs } from './Overview.tsx'

const filters = [
  ['', 'all'],
  ['verified', 'verified'],
  ['rejected', 'rejected'],
  ['pending', 'awaiting a verdict'],
  ['failed', 'failed'],
  ['running', 'running'],
] as const

/** Every job, newest first. */
export function Jobs() {
  const [show, setShow] = useState('')
  const [probes, setProbes] = useState(false)
  const query = `/api/jobs?limit=50${show && `&show=${show}`}${probes ? '&probes=1' : ''}`
  const first = useData<Api.Page<Api.Job>>(query)
  const pages = usePages(query, first.data)
  const now = useNow()
  return (
    <Page
      title="Jobs"
      lead="Each job is one unit of paid work: it leaves a receipt, and a sample is checked."
    >
      <Card
        title="Newest first"
        aside={
          <div class="filters">
            <label class="field">
              <span>Show</span>
              <select
                value={show}
                onChange={(event) => setShow((event.target as HTMLSelectElement).value)}
              >
                {filters.map(([value, label]) => (
                  <option key={value} value={value}>
                    {label}
                  </option>
                ))}
              </select>
            </label>
            <label class="field">
              <input type="checkbox" checked={probes} onChange={() => setProbes(!probes)} />
              <span>with probes</span>
            </label>
          </div>
        }
      >
        <Loaded of={first}>
          {() =>
            pages.rows.length > 0 ? (
              <>
                <JobsTable jobs={pages.rows} now={now} caption="Jobs, newest first" />
                <More pages={pages} what="older jobs" />
              </>
            ) : show === '' ? (
              <NoJobs />
            ) : (
              <Empty title="No job is like that.">
                <p>Choose another filter above to see the others.</p>
              </Empty>
            )
          }
        </Loaded>
      </Card>
    </Page>
  )
}
