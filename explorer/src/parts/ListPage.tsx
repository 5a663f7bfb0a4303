import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { useData, useNow } from '../live.ts'
import { More, usePages } from './More.tsx'
import { Card, Loaded, Page } from './Page.tsx'

/** Every row of a kind, newest first: a choice of which, the live first page, and the way to older ones. */
export function ListPage<row extends { readonly id: string }>(props: {
  title: string
  lead: string
  /** Where the rows come from, with its query so far. */
  from: `/api/${string}?${string}`
  /** What `show` may be, and how it is called. */
  filters: readonly (readonly [show: string, label: string])[]
  /** Other choices, beside that one. */
  aside?: ComponentChildren
  /** What stands above the table. */
  above?: (rows: readonly row[]) => ComponentChildren
  table: (rows: readonly row[], now: number) => ComponentChildren
  empty: (show: string) => ComponentChildren
}) {
  const { title, lead, from, filters, aside, above, table, empty } = props
  const [show, setShow] = useState('')
  const query = `${from}${show && `&show=${show}`}`
  const first = useData<Api.Page<row>>(query)
  const pages = usePages(query, first.data)
  const now = useNow()
  return (
    <Page title={title} lead={lead}>
      {above?.(pages.rows)}
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
            {aside}
          </div>
        }
      >
        <Loaded of={first}>
          {() =>
            pages.rows.length > 0 ? (
              <>
                {table(pages.rows, now)}
                <More pages={pages} what={`older ${title.toLowerCase()}`} />
              </>
            ) : (
              empty(show)
            )
          }
        </Loaded>
      </Card>
    </Page>
  )
}
