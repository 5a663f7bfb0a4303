import type * as Api from '../../src/indexer/Api.ts'
import { count } from './format.ts'
import { useConnection, useData } from './live.ts'
import { short } from './format.ts'
import { type Place, usePlace } from './router.ts'
import { Dispute } from './views/Dispute.tsx'
import { Disputes } from './views/Disputes.tsx'
import { Jobs } from './views/Jobs.tsx'
import { Job } from './views/Job.tsx'
import { Lease } from './views/Lease.tsx'
import { Leases } from './views/Leases.tsx'
import { Money } from './views/Money.tsx'
import { Order } from './views/Order.tsx'
import { Overview } from './views/Overview.tsx'
import { Provider } from './views/Provider.tsx'
import { Providers } from './views/Providers.tsx'
import { Training } from './views/Training.tsx'
import { Trainings } from './views/Trainings.tsx'
import { Page } from './parts/Page.tsx'

/** The whole page: bar, view, foot. */
export function App() {
  const place = usePlace()
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        Skip to content
      </a>
      <header class="bar">
        <div class="bar-inner">
          <a class="brand" href="#/" aria-label="Weft, overview">
            <Mark />
            <span>Weft</span>
          </a>
          <nav aria-label="Views">
            <ul>
              {links.map(([view, label]) => (
                <li key={view}>
                  <a
                    href={view === 'overview' ? '#/' : `#/${view}`}
                    aria-current={place.view === view ? 'page' : undefined}
                  >
                    {label}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <Status />
        </div>
      </header>
      <main id="content">
        <View place={place} />
      </main>
      <Foot />
    </>
  )
}

const links = [
  ['overview', 'Overview'],
  ['providers', 'Providers'],
  ['jobs', 'Jobs'],
  ['leases', 'Leases'],
  ['disputes', 'Disputes'],
  ['training', 'Training'],
  ['money', 'Money'],
] as const

function skip(event: Event): void {
  event.preventDefault()
  document.querySelector<HTMLElement>('h1')?.focus()
}

function View({ place: { view, id } }: { place: Place }) {
  if (view === 'overview') return <Overview />
  if (view === 'providers') return id ? <Provider key={id} address={id} /> : <Providers />
  if (view === 'jobs') return id ? <Job key={id} id={id} /> : <Jobs />
  if (view === 'leases') return id ? <Lease key={id} id={id} /> : <Leases />
  if (view === 'orders' && id) return <Order key={id} id={id} />
  if (view === 'disputes') return id ? <Dispute key={id} id={id} /> : <Disputes />
  if (view === 'training') return id ? <Training key={id} id={id} /> : <Trainings />
  if (view === 'money') return <Money />
  return (
    <Page title="There is no such page">
      <p>
        The address is not one this explorer knows. <a href="#/">Go to the overview.</a>
      </p>
    </Page>
  )
}

/** The cloth in small: two threads over and under two others. */
function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <path class="warp" d="M7 2h6v15.5H7zM7 26.5h6V30H7zM19 2h6v3.5h-6zM19 14.5h6V30h-6z" />
      <path class="weft" d="M2 7h3.5v6H2zM14.5 7H30v6H14.5zM2 19h15.5v6H2zM26.5 19H30v6h-3.5z" />
    </svg>
  )
}

/** Whether the page is live, and where the chain stands. */
function Status() {
  const connection = useConnection()
  const { data } = useData<Api.Network>('/api/network')
  const chain = data?.chain
  const [tone, words] =
    connection === 'lost'
      ? (['bad', 'Reconnecting …'] as const)
      : connection === 'connecting' || !chain
        ? (['wait', 'Connecting …'] as const)
        : chain.state === 'unreachable'
          ? (['wait', 'Live · chain unreachable'] as const)
          : (['good', 'Live'] as const)
  return (
    <p class={`status ${tone}`}>
      <span role="status">
        <i class="dot" aria-hidden="true" />
        {words}
      </span>
      {tone === 'good' && chain?.block != null && (
        <span class="block">
          block <b>{count(chain.block)}</b>
        </span>
      )}
    </p>
  )
}

function Foot() {
  const { data } = useData<Api.Network>('/api/network')
  return (
    <footer class="foot">
      <p>
        This page only shows. Everything on it was signed by somebody or stands on the chain, and
        can be checked again: download a receipt from a job and run{' '}
        <code>weft receipt verify FILE</code>.
      </p>
      {data && (
        <p>
          Chain {data.chainId} · vault <code title={data.vault}>{short(data.vault)}</code> · the
          same data as JSON: <a href="/api/network">/api/network</a>
        </p>
      )}
    </footer>
  )
}
