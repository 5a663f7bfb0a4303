import { createJob, runJob, WrongAnswerError } from '../runJob.ts'
import type { Context } from './context.ts'
import { availableMicroUsd, worstCostMicroUsd, type Held } from './held.ts'
import type { Jobs } from './jobs.ts'
import { probeRequest } from './lifecycle.ts'

/** A small job like any other; one that the provider meters, because it never saw the pause, is paid. */
export async function runProbe(context: Context, jobs: Jobs, held: Held): Promise<void> {
  const request = probeRequest(held.bid.message.model, context.random.next())
  const job = createJob(context, held, request)
  const { signal } = context.background
  const cost = held.readied ? worstCostMicroUsd(held, request) : 0n
  if (cost > availableMicroUsd(held))
    throw new WrongAnswerError('Provider.LeaseClosedError', 'The lease has no money for a probe.')
  held.heldMicroUsd += cost
  try {
    for await (const event of runJob(context, held, job, request, { signal })) {
      if (event.type !== 'job-end' || event.receipt.message.priceMicroUsd === 0n) continue
      jobs.start(held, job.id, request.model)
      await jobs.deliver(held, job.id, event)
    }
  } finally {
    held.heldMicroUsd -= cost
  }
}
