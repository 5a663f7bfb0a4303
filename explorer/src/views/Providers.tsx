import type * as Api from '../../../src/indexer/Api.ts'
import { bytes, count, percent, plural, usd } from '../format.ts'
import { useData } from '../live.ts'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { Account } from '../parts/Names.tsx'
import { Card, Empty, Loaded, Page, Tone } from '../parts/Page.tsx'

/** Who sells, what with, for how much, and how they did so far. */
export function Providers() {
  const providers = useData<readonly Api.Provider[]>('/api/providers')
  return (
    <Page
      title="Providers"
      lead="Strangers with machines. Each signs what it offers, and stands behind it with stake."
    >
      <Card
        title={providers.data ? plural(providers.data.length, 'provider') : 'Providers'}
        aside={<p class="aside">prices are per million tokens</p>}
      >
        <Loaded of={providers}>
          {(rows) =>
            rows.length > 0 ? (
              <DataTable
                caption="Providers of the network"
                columns={columns}
                rows={rows}
                idOf={(provider) => provider.address}
              />
            ) : (
              <Empty title="No provider has been heard.">
                <p>
                  Start one with <code>weft provide</code>: it signs an offer and appears here
                  within seconds.
                </p>
              </Empty>
            )
          }
        </Loaded>
      </Card>
    </Page>
  )
}

const columns: readonly Column<Api.Provider>[] = [
  {
    label: 'Provider',
    phone: 'bare wide',
    cell: (provider) => (
      <span class="stack">
        <Account address={provider.address} provider />
        <Online provider={provider} />
      </span>
    ),
  },
  {
    label: 'Hardware',
    phone: 'bare wide',
    cell: ({ hardware, region }) => (
      <span class="stack">
        <span>{hardware ? machine(hardware) : <span class="muted">no offer heard</span>}</span>
        {hardware && (
          <span class="muted">
            {[plural(hardware.cores, 'core'), bytes(hardware.memoryBytes), region]
              .filter(Boolean)
              .join(' · ')}
          </span>
        )}
      </span>
    ),
  },
  {
    label: 'Models and prices',
    phone: 'wide',
    cell: ({ models }) => (
      <span class="stack">
        {models.slice(0, 3).map((model) => (
          <span key={`${model.id} ${model.weights}`}>
            <span class="model">{model.id}</span> <Prices model={model} />
          </span>
        ))}
        {models.length > 3 && <span class="muted">and {models.length - 3} more</span>}
        {models.length === 0 && <span class="muted">—</span>}
      </span>
    ),
  },
  {
    label: 'Uptime',
    number: true,
    cell: ({ uptime }) => <Uptime uptime={uptime} />,
  },
  { label: 'Jobs', number: true, cell: ({ jobs }) => count(jobs) },
  {
    label: 'Checked',
    number: true,
    cell: ({ checks }) => <Checked checks={checks} />,
  },
  {
    label: 'Stake',
    number: true,
    cell: ({ registered, stake }) => (registered ? usd(stake) : <span class="muted">none</span>),
  },
]

/** The part that does the work: the GPUs when there are any, else the processor. */
export function machine(hardware: Api.Hardware): string {
  const names = [...new Set(hardware.gpus.map(({ name }) => name))]
  return (
    names
      .map((name) => {
        const many = hardware.gpus.filter((gpu) => gpu.name === name).length
        return many > 1 ? `${many} × ${name}` : name
      })
      .join(', ') || hardware.cpu
  )
}

export function Online({ provider }: { provider: Api.Provider }) {
  return (
    <span class={`state ${provider.online ? 'good' : 'plain'}`}>
      <Tone tone={provider.online ? 'good' : 'plain'} />
      {provider.online ? 'online' : 'offline'}
    </span>
  )
}

export function Prices({ model }: { model: Api.Model }) {
  return (
    <span class="muted prices" title="a million tokens read · a million tokens written">
      {usd(model.inputMicroUsdPerMillion)} in · {usd(model.outputMicroUsdPerMillion)} out
    </span>
  )
}

export function Uptime({ uptime: { share, minutes } }: { uptime: Api.Uptime }) {
  if (share === null) return <span class="muted">—</span>
  return (
    <span title={`of the ${plural(minutes, 'minute')} since it was first heard`}>
      {percent(share)}
    </span>
  )
}

export function Checked({ checks }: { checks: Api.Checks }) {
  if (checks.verified + checks.rejected + checks.unavailable === 0)
    return <span class="muted">none yet</span>
  return (
    <span class="checked">
      <span class="good" title="verified by a validator">
        <span aria-hidden="true">✓</span> {count(checks.verified)}
        <span class="hidden"> verified</span>
      </span>{' '}
      <span class={checks.rejected > 0 ? 'bad' : 'muted'} title="rejected by a validator">
        <span aria-hidden="true">✕</span> {count(checks.rejected)}
        <span class="hidden"> rejected</span>
      </span>
    </span>
  )
}
