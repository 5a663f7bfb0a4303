import { useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { JobsTable } from '../parts/JobsTable.tsx'
import { ListPage } from '../parts/ListPage.tsx'
import { Empty } from '../parts/Page.tsx'
import { NoJobs } from './Overview.tsx'

/** Every job, newest first. */
export function Jobs() {
  const [probes, setProbes] = useState(false)
  return (
    <ListPage<Api.Job>
      title="Jobs"
      lead="Each job is one unit of paid work: it leaves a receipt, and a sample is checked."
      from={`/api/jobs?limit=50${probes ? '&probes=1' : ''}`}
      filters={filters}
      aside={
        <label class="field">
          <input type="checkbox" checked={probes} onChange={() => setProbes(!probes)} />
          <span>with probes</span>
        </label>
      }
      table={(jobs, now) => <JobsTable jobs={jobs} now={now} caption="Jobs, newest first" />}
      empty={(show) =>
        show === '' ? (
          <NoJobs />
        ) : (
          <Empty title="No job is like that.">
            <p>Choose another filter above to see the others.</p>
          </Empty>
        )
      }
    />
  )
}

const filters = [
  ['', 'all'],
  ['verified', 'verified'],
  ['rejected', 'rejected'],
  ['pending', 'awaiting a verdict'],
  ['failed', 'failed'],
  ['running', 'running'],
] as const
