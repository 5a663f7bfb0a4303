import { short } from '../format.ts'

/** An account: its threads, its short name, and a way to its page when it is a provider. */
export function Account({
  address,
  provider = false,
}: {
  address: string | null
  provider?: boolean
}) {
  if (address === null) return <span class="muted">unknown</span>
  const name = (
    <>
      <Threads address={address} />
      <code>{short(address)}</code>
    </>
  )
  return provider ? (
    <a class="account" href={`#/providers/${address}`} title={address}>
      {name}
    </a>
  ) : (
    <span class="account" title={address}>
      {name}
    </span>
  )
}

/** A job, a lease, an order, a dispute or a run by its short id. */
export function Id({
  view,
  id,
}: {
  view: 'jobs' | 'leases' | 'orders' | 'disputes' | 'training'
  id: string
}) {
  return (
    <a class="id" href={`#/${view}/${id}`} title={id}>
      <code>{short(id)}</code>
    </a>
  )
}

/** Three threads whose colours follow from the address, so that equal ones are seen to be equal. */
function Threads({ address }: { address: string }) {
  const hues = [2, 5, 8].map((at) =>
    Math.round((parseInt(address.slice(at, at + 3), 16) / 4096) * 360),
  )
  return (
    <svg class="threads" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {hues.map((hue, index) => (
        <rect
          key={index}
          x={index * 4.25}
          y="0"
          width="3.5"
          height="12"
          fill={`hsl(${hue} 55% 55%)`}
        />
      ))}
    </svg>
  )
}
