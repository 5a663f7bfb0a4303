import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import type { Plan } from './course.ts'
import type { Records } from './records.ts'
import { short } from './tuned.ts'

/** What becomes of a worker's optimiser state between rounds: loss, and what an auditor has to fetch of it. */
export async function state({ say }: Bench.Ports, { course }: Records): Promise<Figures> {
  const base: Plan = { workers: 4, rounds: 200, steps: 15, seed: 1, ...short.sparse }
  const ways: readonly { name: string; bytes: number; plans: readonly Plan[] }[] = [
    { name: 'anew each round', bytes: 0, plans: [base] },
    {
      name: 'kept, uploaded when challenged',
      bytes: 8,
      plans: [0.016, 0.032].map((rate) => ({ ...base, rate, moments: 'kept' })),
    },
    {
      name: 'kept in 8 bits',
      bytes: 2,
      plans: [0.016, 0.032].map((rate) => ({ ...base, rate, moments: '8-bit' })),
    },
  ]
  const rows: string[][] = []
  let [payload, anew, best] = [0, 0, Infinity]
  for (const { name, bytes, plans } of ways) {
    const courses = []
    for (const plan of plans) courses.push(await course(plan))
    const loss = Math.min(...courses.map((each) => each.loss))
    if (bytes === 0) {
      anew = loss
      payload = courses[0]!.sentBytes / base.rounds / courses[0]!.parameters
    } else best = Math.min(best, loss)
    rows.push([name, loss.toFixed(4), String(bytes), ((0.1 * bytes) / payload).toFixed(1)])
  }
  const asked = 'bytes a parameter and audit'
  say(table(['state', 'held-out loss', asked, 'of the payloads, at an audit share of 0.1'], rows))
  return { stateLossGap: anew / best - 1 }
}
