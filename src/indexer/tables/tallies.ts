/** Counts the rows of `jobs` for each provider, and reads the sums. */
import type { Database } from '../openDatabase.ts'

export type Tally = {
  readonly delivered: number
  readonly running: number
  readonly failed: number
  readonly probes: number
  readonly verified: number
  readonly rejected: number
  readonly unavailable: number
  readonly pending: number
  readonly input: number
  readonly output: number
}

/** Adds a job's row to the tally of its provider, or takes it away. A job off the chain counts nowhere. */
export function tally(database: Database, job: string, sign: 1 | -1): void {
  database.run(
    `INSERT INTO tallies
       (provider, delivered, running, failed, probes, verified, rejected, unavailable, pending,
        input_tokens, output_tokens)
     SELECT provider,
       ? * (probe = 0 AND state = 'delivered'),
       ? * (probe = 0 AND state = 'running'),
       ? * (probe = 0 AND state IN ('failed', 'cancelled')),
       ? * (probe = 1),
       ? * (probe = 0 AND outcome IS 'valid'),
       ? * (probe = 0 AND outcome IS 'invalid'),
       ? * (probe = 0 AND outcome IS 'unavailable'),
       ? * (probe = 0 AND outcome IS NULL AND state = 'delivered' AND tier IS NOT 'unverified'
         AND payment = 'none'),
       ? * (probe = 0) * input_tokens,
       ? * (probe = 0) * output_tokens
     FROM jobs WHERE id = ? AND on_chain = 1
     ON CONFLICT (provider) DO UPDATE SET
       delivered = delivered + excluded.delivered, running = running + excluded.running,
       failed = failed + excluded.failed, probes = probes + excluded.probes,
       verified = verified + excluded.verified, rejected = rejected + excluded.rejected,
       unavailable = unavailable + excluded.unavailable, pending = pending + excluded.pending,
       input_tokens = input_tokens + excluded.input_tokens,
       output_tokens = output_tokens + excluded.output_tokens`,
    ...Array.from({ length: 10 }, () => sign),
    job,
  )
}

/** The tally of everybody together. */
export function readTally(database: Database): Tally {
  return database.get<Tally>(
    `SELECT coalesce(sum(delivered), 0) AS delivered, coalesce(sum(running), 0) AS running,
       coalesce(sum(failed), 0) AS failed, coalesce(sum(probes), 0) AS probes,
       coalesce(sum(verified), 0) AS verified, coalesce(sum(rejected), 0) AS rejected,
       coalesce(sum(unavailable), 0) AS unavailable, coalesce(sum(pending), 0) AS pending,
       coalesce(sum(input_tokens), 0) AS input, coalesce(sum(output_tokens), 0) AS output
     FROM tallies`,
  )!
}
