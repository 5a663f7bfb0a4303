import type * as Api from '../../../src/indexer/Api.ts'
import { bytes, count, dateTime, percent, plural, short, usd } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { Facts } from '../parts/Facts.tsx'
import { JobsTable } from '../parts/JobsTable.tsx'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'
import { Document } from '../parts/Timeline.tsx'
import { DisputesTable } from './Disputes.tsx'
import { LeasesTable } from './Leases.tsx'
import { Checked, machine, Online } from './Providers.tsx'

/** One provider: what it offers, what it stands behind it with, what it did. */
export function Provider({ address }: { address: string }) {
  const detail = useData<Api.ProviderDetail>(`/api/providers/${address}`)
  const now = useNow()
  return (
    <Page
      title={`Provider ${short(address)}`}
      heading={
        <>
          Provider <code title={address}>{short(address)}</code>
        </>
      }
      lead={detail.data && <Online provider={detail.data.provider} />}
    >
      <Loaded of={detail}>
        {({ provider, offer, jobs, leases, disputes }) => (
          <>
            <div class="columns even">
              <Card title="Standing">
                <Facts of={standingOf(provider)} />
              </Card>
              <Card title="Machine">
                {provider.hardware ? (
                  <Facts of={machineOf(provider, provider.hardware)} />
                ) : (
                  <Empty title="It is not offering anything now." />
                )}
              </Card>
            </div>
            {provider.models.length > 0 && (
              <Card title="Models" aside={<p class="aside">prices are per million tokens</p>}>
                <DataTable
                  caption="Models of this provider"
                  columns={modelColumns}
                  rows={provider.models}
                  idOf={(model) => `${model.id} ${model.weights} ${model.quantisation}`}
                />
                {offer && <Document document={offer} what="offer" />}
              </Card>
            )}
            {disputes.length > 0 && (
              <Card title="Disputes">
                <DisputesTable disputes={disputes} now={now} />
              </Card>
            )}
            <Card title="Newest jobs">
              {jobs.length > 0 ? (
                <JobsTable
                  jobs={jobs}
                  now={now}
                  caption="Jobs of this provider"
                  without={['Provider']}
                />
              ) : (
                <Empty title="It has not run a job yet." />
              )}
            </Card>
            <Card title="Leases">
              {leases.length > 0 ? (
                <LeasesTable leases={leases} now={now} />
              ) : (
                <Empty title="It has no lease on the chain." />
              )}
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  )
}

function standingOf(provider: Api.Provider) {
  const { uptime, checks } = provider
  return [
    ['Account', <code class="long">{provider.address}</code>],
    ['Peer id', provider.peerId && <code class="long">{provider.peerId}</code>],
    ['Stake', provider.registered ? usd(provider.stake) : 'not registered on the chain'],
    [
      'Uptime',
      uptime.share === null
        ? 'not heard in the last day'
        : `${percent(uptime.share)} of ${plural(uptime.minutes, 'minute')}`,
    ],
    ['Jobs delivered', count(provider.jobs)],
    ['Jobs failed', count(provider.failed)],
    ['Checked', <Checked checks={checks} />],
    ['Claimed so far', usd(provider.claimed)],
    ['Earned, not taken home', usd(provider.earned)],
  ] as const
}

function machineOf(provider: Api.Provider, hardware: Api.Hardware) {
  return [
    ['Does the work', machine(hardware)],
    ['Processor', hardware.gpus.length > 0 ? hardware.cpu : undefined],
    ['Cores', count(hardware.cores)],
    ['Memory', bytes(hardware.memoryBytes)],
    ['Disk', bytes(hardware.diskBytes)],
    [
      'GPU memory',
      hardware.gpus.length > 0
        ? bytes(hardware.gpus.reduce((sum, gpu) => sum + gpu.memoryBytes, 0))
        : undefined,
    ],
    ['Driver', hardware.gpus[0]?.driver],
    ['Region', provider.region],
    ['Jobs at once', provider.concurrency],
    ['Power', provider.watts ? `${count(provider.watts)} W` : undefined],
    ['Offer expires', provider.offerExpiresAt && dateTime(provider.offerExpiresAt)],
  ] as const
}

const modelColumns: readonly Column<Api.Model>[] = [
  { label: 'Model', phone: 'bare wide', cell: ({ id }) => <span class="model">{id}</span> },
  { label: 'Quantisation', cell: ({ quantisation }) => quantisation || '—' },
  { label: 'Engine', phone: 'wide', cell: ({ engine }) => engine || '—' },
  { label: 'Tiers', phone: 'wide', cell: ({ tiers }) => tiers.join(', ') },
  { label: 'Context', number: true, cell: ({ contextTokens }) => count(contextTokens) },
  { label: 'Input', number: true, cell: (model) => usd(model.inputMicroUsdPerMillion) },
  { label: 'Output', number: true, cell: (model) => usd(model.outputMicroUsdPerMillion) },
  {
    label: 'Weights',
    cell: ({ weights }) =>
      /^0x0+$/.test(weights) ? (
        <span class="muted">not known</span>
      ) : (
        <code title={`SHA-256 ${weights}`}>{short(weights)}</code>
      ),
  },
]
