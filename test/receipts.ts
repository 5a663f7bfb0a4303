/** A signed receipt with everything it is about, right unless a test changes it. */
import * as Completion from '../src/protocol/Completion.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Job from '../src/protocol/Job.ts'
import * as Receipt from '../src/protocol/Receipt.ts'
import { wordModel, wordRequest } from './engines.ts'
import { identityOf } from './providerWorld.ts'

/** `changes` are signed too: the lie is in what the receipt says. */
export function receiptOf(changes: Partial<Receipt.Receipt> = {}) {
  const buyer = identityOf('buyer')
  const provider = identityOf('provider')
  const domain = { chainId: 31_337, vault: identityOf('vault').address }
  const request = wordRequest()
  const lease = Hex.sha256('a lease')
  const job = Job.sign(
    domain,
    {
      nonce: Hex.sha256('a nonce'),
      lease,
      buyer: buyer.address,
      provider: provider.address,
      request: Completion.hashRequest(request),
      createdAt: 1_000,
      expiresAt: 60_000,
    },
    buyer,
  )
  const output: Completion.Output = { text: 'a loom', tokenIds: [0, 1], finishReason: 'length' }
  const message: Receipt.Receipt = {
    job: Job.hash(domain, job.message),
    lease,
    provider: provider.address,
    buyer: buyer.address,
    request: job.message.request,
    output: Completion.hashOutput(output),
    model: wordModel.id,
    weights: wordModel.weights,
    quantisation: wordModel.quantisation,
    engine: wordModel.build,
    tier: 'statistical',
    seed: request.seed,
    temperatureMicro: request.temperatureMicro,
    topPMicro: request.topPMicro,
    maxTokens: request.maxTokens,
    inputTokens: 3,
    outputTokens: 2,
    priceMicroUsd: 7n,
    readyAt: 1_500,
    startedAt: 2_000,
    endedAt: 3_000,
    ...changes,
  }
  const receipt = Receipt.sign(domain, message, provider)
  return { domain, receipt, facts: { job, request, output } }
}
