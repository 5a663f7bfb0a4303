import { describe, expect, test } from 'vitest'
import { claimedModel, claimingEngine, honestEngine, wordRequest } from '../../test/engines.ts'
import { identityOf, smallMarket, type BuyerFacts } from '../../test/smallMarket.ts'
import type { Engine } from '../engine/Engine.ts'
import type { Network } from '../network/Network.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { BuyerEvent } from './Buyer.ts'
import { checkClaim, unchecked } from './checkClaim.ts'

const provider = identityOf(1)
const domain = { chainId: 31_337, vault: `0x${'11'.repeat(20)}` } as const
const nowMs = 1_700_000_000_000
const claim: ExactClaim.ExactClaim = {
  claimant: provider.address,
  job: Hex.sha256('job'),
  graph: Hex.sha256('graph'),
  graphCid: Hex.sha256('cid'),
  start: Hex.sha256('start'),
  end: Hex.sha256('end'),
  data: Hex.zero,
  seed0: 7,
  seed1: 0,
  worker: 0,
  steps: 12,
  run: Hex.sha256('run'),
  bond: 100_000n,
  challengeUntil: nowMs / 1000 + 300,
}
const facts: checkClaim.Facts = {
  domain,
  bid: { provider: provider.address },
  jobId: claim.job,
  request: { seed: 7 },
  usage: { inputTokens: 5, outputTokens: 8 },
  finishReason: 'length',
  minBondMicroUsd: 100_000n,
  minChallengeWindowMs: 300_000,
  nowMs,
}

describe('checkClaim', () => {
  const check = (changes: Partial<ExactClaim.ExactClaim>, more: Partial<checkClaim.Facts> = {}) =>
    checkClaim(ExactClaim.sign(domain, { ...claim, ...changes }, provider), { ...facts, ...more })
      ?.code

  test('finds nothing wrong with what was agreed', () => {
    expect(check({})).toBeUndefined()
    expect(check({ steps: 13 }, { finishReason: 'stop' })).toBeUndefined()
  })

  test('takes on trust only what it cannot compute', () => {
    for (const field of unchecked) expect(check({ [field]: Hex.sha256('other') })).toBeUndefined()
  })

  test.each<[string, Partial<ExactClaim.ExactClaim>]>([
    ['Claim.ClaimantDiffers', { claimant: identityOf(2).address }],
    ['Claim.JobDiffers', { job: Hex.zero }],
    ['Claim.DataDiffers', { data: Hex.sha256('data') }],
    ['Claim.SeedDiffers', { seed0: 8 }],
    ['Claim.SeedDiffers', { seed1: 1 }],
    ['Claim.WorkerDiffers', { worker: 1 }],
    ['Claim.StepsDiffers', { steps: 11 }],
    ['Claim.StepsDiffers', { steps: 13 }],
    ['Claim.BondTooSmall', { bond: 99_999n }],
    ['Claim.WindowTooShort', { challengeUntil: claim.challengeUntil - 1 }],
  ])('says %s', (code, changes) => {
    expect(check(changes)).toBe(code)
  })

  test('says that there is none, or that another signed it', () => {
    expect(checkClaim(undefined, facts)?.code).toBe('Claim.Missing')
    const { signature } = ExactClaim.sign(domain, { ...claim, steps: 1 }, provider)
    expect(checkClaim({ message: claim, signature }, facts)?.code).toBe('Claim.NotSigned')
  })

  test('refuses a run of no steps', () => {
    const usage = { inputTokens: 1, outputTokens: 0 }
    expect(check({ steps: 0 }, { usage, finishReason: 'stop' })).toBe('Claim.StepsDiffers')
  })
})

describe('a completion of tier exact', () => {
  test('is pending when it is delivered, and verified as soon as a validator says so', async () => {
    const { market, buyer, buy } = await begin()
    market.judge(() => 'valid')
    const { end } = await buy()
    expect(end.assurance).toEqual({ tier: 'exact', state: 'pending' })
    expect(end.claim?.message).toMatchObject({ claimant: identityOf(1).address, bond: 1_000_000n })
    const record = await market.drive(buyer.settled(end.claim!.message.job))
    expect(record).toMatchObject({
      state: 'paid',
      assurance: { tier: 'exact', state: 'verified', method: 'rerun' },
      claim: { bondMicroUsd: 1_000_000n },
    })
  })

  test('that nobody judges is paid, and final only when nobody can challenge it any more', async () => {
    const { market, buyer, buy } = await begin()
    const { end } = await buy()
    const id = end.claim!.message.job
    const record = await market.drive(buyer.settled(id))
    expect(record).toMatchObject({ state: 'paid', assurance: { tier: 'exact', state: 'pending' } })
    await market.pass(record.claim!.challengeUntilSeconds * 1000 - market.clock.now())
    expect((await buyer.job(id))?.assurance.state).toBe('pending')
    await market.pass(1)
    expect((await buyer.job(id))?.assurance).toEqual({ tier: 'exact', state: 'final' })
    expect((await market.drive(buyer.jobs()))[0]?.assurance.state).toBe('final')
  })

  test('is not paid, and stays challenged, when a validator finds it wrong', async () => {
    const { market, buyer, buy } = await begin()
    market.judge(({ readyAt }) => (readyAt > 0 ? 'invalid' : 'valid'))
    const { end } = await buy()
    const id = end.claim!.message.job
    const record = await market.drive(buyer.settled(id))
    expect(record).toMatchObject({ state: 'refunded', assurance: { state: 'challenged' } })
    await market.pass(3_600_000)
    expect((await buyer.job(id))?.assurance.state).toBe('challenged')
  })

  test('is not taken without a claim', async () => {
    const { market, buyer, buy } = await begin({ network: (network) => without(network, 'claim') })
    await expect(buy()).rejects.toMatchObject({ code: 'Buyer.NoProviderError' })
    expect(await market.drive(buyer.balance())).toMatchObject({ spentMicroUsd: 0n })
  })

  test('is not taken when too little answers for it', async () => {
    const { buy } = await begin({ settings: { minBondMicroUsd: 1_000_001n } })
    await expect(buy()).rejects.toMatchObject({ code: 'Buyer.NoProviderError' })
  })

  test('is not bought of who has too little credit for bonds', async () => {
    for (const creditMicroUsd of [0n, 99_999n]) {
      const { market, buyer, buy } = await begin({ creditMicroUsd })
      await expect(buy()).rejects.toThrow('Buyer.CreditTooSmall')
      expect(await market.drive(buyer.balance())).toMatchObject({ reservedMicroUsd: 0n })
    }
  })

  test('is not bought of who is taking its credit back', async () => {
    const { market, buy, claimant } = await begin({ creditMicroUsd: 150_000n })
    const asked = { type: 'dispute-request-withdrawal', amountMicroUsd: 50_001n } as const
    await market.drive(claimant.send(asked))
    await expect(buy()).rejects.toThrow('Buyer.CreditTooSmall')
  })

  test('is not sold by who computes otherwise', async () => {
    const { buy } = await begin({}, honestEngine())
    await expect(buy()).rejects.toThrow('Screen.TierNotOffered')
  })
})

type Facts = BuyerFacts & { creditMicroUsd?: bigint }

async function begin(facts: Facts = {}, engine: Engine = claimingEngine()) {
  const { creditMicroUsd = 1_000_000n } = facts
  const market = smallMarket()
  const claimant = market.chain.connect(provider)
  const account = provider.address
  market.chain.mint(account, creditMicroUsd)
  if (creditMicroUsd > 0n) {
    const deposit = { type: 'dispute-deposit', account, amountMicroUsd: creditMicroUsd } as const
    await market.drive(claimant.send(deposit))
  }
  await market.provider(1, { engine })
  const settings = { defaultTier: 'exact', validators: [market.validator.address] } as const
  const buyer = await market.buyer({ ...facts, settings: { ...settings, ...facts.settings } })
  const run = async () => {
    const events: BuyerEvent[] = []
    for await (const event of buyer.complete(wordRequest({ model: claimedModel.id })))
      events.push(event)
    return events.at(-1) as Extract<BuyerEvent, { type: 'completion-end' }>
  }
  return { market, buyer, claimant, buy: async () => ({ end: await market.drive(run()) }) }
}

/** A network on which the ends of jobs lose a field. */
function without(network: Network, field: string): Network {
  return {
    ...network,
    async *request(to, protocol, body, options) {
      for await (const bytes of network.request(to, protocol, body, options)) {
        if (protocol !== Exchange.protocols.job) yield bytes
        else {
          const event = Json.decode(Exchange.jobEvent, bytes, { what: 'JobEvent' })
          yield Json.toBytes({ ...event, [field]: undefined })
        }
      }
    },
  }
}
