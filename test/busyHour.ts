/** Twenty minutes of a lively market, told through the same signed messages as any other. */
import * as Completion from '../src/protocol/Completion.ts'
import type * as Hex from '../src/protocol/Hex.ts'
import type * as Offer from '../src/protocol/Offer.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { model, type ExplorerWorld, type OpenLease, type Party } from './explorerWorld.ts'

const gpu = { name: 'NVIDIA H100 80GB HBM3', memoryBytes: 80n * 2n ** 30n, driver: '580.65.06' }

const machines: readonly Partial<Offer.Offer>[] = [
  {
    region: 'eu-central',
    hardware: {
      cpu: 'AMD EPYC 9454 48-Core Processor',
      cores: 48,
      memoryBytes: 384n * 2n ** 30n,
      diskBytes: 3_600n * 2n ** 30n,
      gpus: [gpu, gpu],
    },
    watts: 1_650,
    concurrency: 16,
  },
  {
    region: 'us-east',
    hardware: {
      cpu: 'AMD Ryzen 9 7950X 16-Core Processor',
      cores: 16,
      memoryBytes: 64n * 2n ** 30n,
      diskBytes: 1_800n * 2n ** 30n,
      gpus: [
        { name: 'NVIDIA GeForce RTX 4090', memoryBytes: 24n * 2n ** 30n, driver: '570.133.07' },
      ],
    },
    watts: 620,
    concurrency: 4,
    models: [
      { ...model, outputMicroUsdPerMillion: 180_000n },
      {
        ...model,
        id: 'qwen2.5-7b-instruct',
        quantisation: 'Q4_K_M',
        inputMicroUsdPerMillion: 60_000n,
        outputMicroUsdPerMillion: 240_000n,
      },
    ],
  },
  { region: 'ap-south', models: [{ ...model, outputMicroUsdPerMillion: 150_000n }] },
]

/** Three providers (the last one answers wrongly), one that left, one buyer, and about 130 jobs. */
export async function busyHour(
  world: ExplorerWorld,
  { validator, pass }: { validator: Party; pass: (ms: number) => void },
) {
  const random = seededRandom(5)
  const buyer = world.party()
  const providers = machines.map(() => world.party())
  const [first, second, wrong] = providers as [Party, Party, Party]
  const gone = world.party()
  for (const provider of providers) await world.register(provider, 25_000_000n)
  await world.register(gone, 10_000_000n)
  await world.offer(gone, { expiresAt: world.now() + 90_000, region: 'eu-west' })
  const offer = async () => {
    for (const [index, provider] of providers.entries())
      await world.offer(provider, { ...machines[index], expiresAt: world.now() + 3_600_000 })
  }
  await offer()
  await world.deposit(buyer, 25_000_000n)
  pass(4_000)

  const unfilled = await world.order(buyer, [])
  for (const provider of providers)
    await world.note(buyer, 'order', unfilled, 'order-declined', {
      detail: `${provider.identity.address}: Screen.OutputPriceTooHigh, Screen.DurationTooShort`,
    })
  await world.note(buyer, 'order', unfilled, 'order-unfilled')
  pass(20_000)
  const order = await world.order(buyer, providers)
  await world.note(buyer, 'order', order, 'order-declined', {
    detail: `${gone.identity.address}: Screen.NoCapacity`,
  })
  pass(600)
  const leases: OpenLease[] = []
  for (const provider of providers) {
    const lease = await world.openLease(buyer, provider, order, 3_000_000n)
    pass(900)
    await world.deliver(lease, await world.startJob(lease), { inputTokens: 9, outputTokens: 8 })
    pass(120)
    await world.ready(lease)
    leases.push(lease)
  }

  let paid: Hex.Hex | undefined
  let rejected: Hex.Hex | undefined
  for (let count = 0; count < 130; count++) {
    const wave = 0.35 + Math.sin(count / 11) ** 2
    pass(Math.round((1_400 + random.next() * 4_200) / wave))
    if (count % 20 === 0) await offer()
    const lease = leases[count > 70 && count % 3 === 2 ? count % 2 : count % 3]!
    const job = await world.startJob(lease)
    pass(700 + Math.round(random.next() * 1_900))
    if (count % 47 === 30) {
      await world.note(buyer, 'job', job, 'job-failed', {
        detail: 'Network.TimeoutError',
        parent: lease.id,
      })
      continue
    }
    const usage = {
      inputTokens: 20 + Math.round(random.next() * 900),
      outputTokens: 40 + Math.round(random.next() * 700),
    }
    const prices = machines[providers.indexOf(lease.provider)]!.models?.[0] ?? model
    const tier = count % 9 === 4 ? 'unverified' : 'statistical'
    const done = await world.deliver(lease, job, {
      ...usage,
      maxTokens: 1024,
      tier,
      priceMicroUsd: Completion.priceMicroUsd(usage, prices),
      startedAt: world.now() - 900 - usage.outputTokens * 9,
    })
    const checked = tier === 'statistical' && (count % 4 !== 1 || lease.provider === wrong)
    pass(350)
    if (checked) await world.judge(validator, done, lease.provider === wrong ? 'invalid' : 'valid')
    pass(40)
    if (checked && lease.provider === wrong) {
      rejected ??= job
      await world.note(buyer, 'payment', job, 'payment-withheld', {
        detail: 'Verdict.Invalid',
        parent: lease.id,
      })
    } else {
      await world.pay(lease, done.receipt)
      if (checked && lease.provider === first) paid ??= job
    }
    if (count % 25 === 24)
      for (const each of leases) if (each.owed > each.claimed) await world.claim(each)
  }
  pass(2_000)
  for (const lease of leases) if (lease.owed > lease.claimed) await world.claim(lease)
  await second.chain.send({ type: 'withdraw-earned' })
  await world.note(wrong, 'lease', leases[2]!.id, 'lease-closing', { parent: order })
  await wrong.chain.send({ type: 'close-lease', key: leases[2]!.key })
  return { validator, buyer, leases, paid: paid!, rejected: rejected!, unfilled }
}
