import { useEffect, useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'

/** Rows of the live first page and of the older pages asked for since. */
export type Pages<row> = {
  readonly rows: readonly row[]
  readonly next: string | null
  readonly load: () => Promise<void>
}

/** Keeps the older pages below a first page that changes. */
export function usePages<row extends { readonly id: string }>(
  query: string,
  first: Api.Page<row> | undefined,
  pageOf: (body: unknown) => Api.Page<row> = (body) => body as Api.Page<row>,
): Pages<row> {
  const [older, setOlder] = useState<Api.Page<row>>()
  useEffect(() => setOlder(undefined), [query])
  const next = older ? older.next : (first?.next ?? null)
  const ids = new Set(first?.rows.map(({ id }) => id))
  return {
    rows: [...(first?.rows ?? []), ...(older?.rows ?? []).filter(({ id }) => !ids.has(id))],
    next,
    async load() {
      if (next === null) return
      const response = await fetch(`${query}&before=${next}`)
      if (!response.ok) return
      const page = pageOf(await response.json())
      // What the first page showed until now may have moved on, so it is kept too.
      setOlder({ rows: [...(older?.rows ?? first?.rows ?? []), ...page.rows], next: page.next })
    },
  }
}

/** The way to older rows, when there are some. */
export function More<row>({ pages, what }: { pages: Pages<row>; what: string }) {
  if (pages.next === null) return null
  return (
    <p class="more">
      <button type="button" onClick={() => void pages.load()}>
        Show {what}
      </button>
    </p>
  )
}
