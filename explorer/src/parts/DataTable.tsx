import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export type Column<row> = {
  readonly label: string
  readonly cell: (row: row) => ComponentChildren
  /** Numbers stand right. */
  readonly number?: boolean
  /** On a phone: `bare` needs no label, `wide` takes the whole width. */
  readonly phone?: 'bare' | 'wide' | 'bare wide'
}

/**
 * A table that becomes a list of cards on a phone. The roles are written out, because a table that is laid
 * out as blocks is none to a screen reader. Rows that arrive later glow for a moment.
 */
export function DataTable<row>(props: {
  caption: string
  columns: readonly Column<row>[]
  rows: readonly row[]
  idOf: (row: row) => string
}) {
  const { caption, columns, rows, idOf } = props
  const seen = useRef<Set<string>>(undefined)
  useEffect(() => {
    seen.current = new Set([...(seen.current ?? []), ...rows.map(idOf)].slice(-1000))
  })
  const isFresh = (id: string) => seen.current !== undefined && !seen.current.has(id)
  return (
    <table role="table">
      <caption class="hidden">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ label, number }) => (
            <th key={label} role="columnheader" scope="col" class={number ? 'number' : ''}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => {
          const id = idOf(row)
          return (
            <tr key={id} role="row" class={isFresh(id) ? 'fresh' : ''}>
              {columns.map(({ label, cell, number, phone = '' }) => (
                <td
                  key={label}
                  role="cell"
                  data-label={label}
                  class={`${number ? 'number ' : ''}${phone}`}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
