/** Runs of training: written whole from the view of their logs, and read as the API shows them. */
import * as Json from '../../protocol/Json.ts'
import type * as Api from '../Api.ts'
import type { Database } from '../openDatabase.ts'
import { lossOf } from '../trainingView.ts'
import { conditions, pageOf, splitBefore } from './pages.ts'

/** Keeps the newest view of a run; beyond `most` runs those go of which nothing was heard for longest. */
export function writeTraining(
  database: Database,
  { run, ...detail }: Api.TrainingDetail,
  most: number,
): readonly Api.Change[] {
  return database.transaction(() => {
    const changed = database.run(
      `INSERT INTO training (id, at, heard_at, is_over, run, detail) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET at = excluded.at, heard_at = excluded.heard_at,
         is_over = excluded.is_over, run = excluded.run, detail = excluded.detail
       WHERE (excluded.run, excluded.detail) <> (run, detail)`,
      run.id,
      run.startedAt,
      run.heardAt,
      run.phase === 'ended' ? 1 : 0,
      Json.stringify(run),
      Json.stringify(detail),
    )
    if (changed === 0) return []
    database.run(
      `DELETE FROM training WHERE id IN (SELECT id FROM training ORDER BY heard_at DESC, id DESC LIMIT -1 OFFSET ?)`,
      most,
    )
    return [{ kind: 'training', id: run.id }]
  })
}

/** Runs, newest first. */
export function readTrainings(
  database: Database,
  query: Api.TrainingQuery,
): Api.Page<Api.TrainingRun> {
  const where = conditions([
    ['1 = 1', []],
    query.show ? ['is_over = ?', [query.show === 'ended' ? 1 : 0]] : undefined,
    query.before ? ['(at, id) < (?, ?)', splitBefore(query.before)] : undefined,
  ])
  const rows = database.all<{ run: string }>(
    `SELECT run FROM training WHERE ${where.sql} ORDER BY at DESC, id DESC LIMIT ?`,
    ...where.values,
    query.limit + 1,
  )
  const runs = rows.map(({ run }) => JSON.parse(run) as Api.TrainingRun)
  return pageOf(runs, query.limit, (row) => `${row.startedAt}-${row.id}`)
}

/** A run and all that is kept of it; undefined when nothing is. */
export function readTraining(database: Database, id: string): Api.TrainingDetail | undefined {
  const sql = `SELECT run, detail FROM training WHERE id = ?`
  const row = database.get<{ run: string; detail: string }>(sql, id)
  if (!row) return undefined
  const detail = JSON.parse(row.detail) as Omit<Api.TrainingDetail, 'run'>
  return { run: JSON.parse(row.run) as Api.TrainingRun, ...detail }
}

/** Losses of those of the runs that are known. */
export function readCurves(
  database: Database,
  ids: readonly string[],
): readonly Api.TrainingCurve[] {
  return ids.flatMap((id) => {
    const detail = readTraining(database, id)
    if (!detail) return []
    const points = detail.rounds.flatMap((each) => {
      const { round, at, steps, payloadBytes: bytes } = each
      const loss = lossOf(each)
      return loss === undefined ? [] : [{ round, at, steps, bytes, loss }]
    })
    return [{ run: detail.run, points }]
  })
}
