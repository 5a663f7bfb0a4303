/** Conditions of a query, and pages of rows. */
import type * as Api from '../Api.ts'
import type { Value } from '../openDatabase.ts'

type Condition = readonly [sql: string, values: readonly Value[]]

/** Those of the conditions that are given, joined. */
export function conditions(list: readonly (Condition | undefined)[]): {
  sql: string
  values: readonly Value[]
} {
  const given = list.filter((condition) => condition !== undefined)
  return {
    sql: given.map(([sql]) => sql).join(' AND '),
    values: given.flatMap(([, values]) => values),
  }
}

/** `1700000000000-0x...` -> time and id. */
export function splitBefore(before: string): readonly [number, string] {
  const dash = before.indexOf('-')
  return [Number(before.slice(0, dash)), before.slice(dash + 1)]
}

/** The first `limit` rows, and where the next page begins when there is one. */
export function pageOf<row>(
  rows: readonly row[],
  limit: number,
  placeOf: (row: row) => string,
): Api.Page<row> {
  const shownRows = rows.slice(0, limit)
  const last = shownRows.at(-1)
  return { rows: shownRows, next: rows.length > limit && last ? placeOf(last) : null }
}
