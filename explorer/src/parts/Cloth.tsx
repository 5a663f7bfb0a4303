import type * as Api from '../../../src/indexer/Api.ts'
import { plural } from '../format.ts'
import { Account } from './Names.tsx'
import { Tone } from './Page.tsx'

type Thread = Api.Activity['threads'][number]
type Stitch = Thread['jobs'][number]

/** The newest jobs as cloth: one thread for each provider, one stitch for each job, newest at the right. */
export function Cloth({ threads }: { threads: readonly Thread[] }) {
  return (
    <div class="cloth">
      <ul>
        {threads.map(({ provider, jobs }) => (
          <li key={provider}>
            <Account address={provider} provider />
            <span class="thread" role="img" aria-label={summary(jobs)}>
              {jobs.map((job) => (
                <a
                  key={job.id}
                  href={`#/jobs/${job.id}`}
                  tabIndex={-1}
                  aria-hidden="true"
                  title={words[toneOf(job)]}
                >
                  <Tone tone={toneOf(job)} />
                </a>
              ))}
            </span>
          </li>
        ))}
      </ul>
      <p class="legend" aria-hidden="true">
        {(['good', 'bad', 'wait', 'plain', 'run'] as const).map((tone) => (
          <span key={tone}>
            <Tone tone={tone} /> {words[tone]}
          </span>
        ))}
      </p>
    </div>
  )
}

const words = {
  good: 'verified',
  bad: 'rejected or failed',
  wait: 'awaiting a verdict',
  plain: 'not checked',
  run: 'running',
} as const

function toneOf(job: Stitch): keyof typeof words {
  if (job.state === 'running') return 'run'
  if (job.state === 'failed' || job.state === 'cancelled' || job.check === 'invalid') return 'bad'
  if (job.check === 'valid') return 'good'
  return job.assurance?.state === 'final' ? 'plain' : 'wait'
}

function summary(jobs: readonly Stitch[]): string {
  const tones = jobs.map(toneOf)
  const of = (tone: keyof typeof words) => tones.filter((each) => each === tone).length
  return `${plural(jobs.length, 'job')}: ${of('good')} verified, ${of('bad')} rejected or failed, ${of('plain')} not checked, ${of('wait')} awaiting a verdict`
}
