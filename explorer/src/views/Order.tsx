import type * as Api from '../../../src/indexer/Api.ts'
import { short } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { Card, Empty, Loaded, Page } from '../parts/Page.tsx'
import { Timeline } from '../parts/Timeline.tsx'
import { LeasesTable } from './Leases.tsx'

/** One order: who bid, who declined and why, and what came of it. */
export function Order({ id }: { id: string }) {
  const detail = useData<Api.OrderDetail>(`/api/orders/${id}`)
  const now = useNow()
  return (
    <Page
      title={`Order ${short(id)}`}
      heading={
        <>
          Order <code title={id}>{short(id)}</code>
        </>
      }
      lead="What a buyer asked the market for, and what every provider answered."
    >
      <Loaded of={detail}>
        {({ timeline, leases }) => (
          <>
            <Card title="Timeline">
              <Timeline lines={timeline} />
            </Card>
            <Card title="Leases that came of it">
              {leases.length > 0 ? (
                <LeasesTable leases={leases} now={now} />
              ) : (
                <Empty title="No lease came of this order.">
                  <p>The lines above say why each provider declined.</p>
                </Empty>
              )}
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  )
}
