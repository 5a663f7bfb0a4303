import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimedModel, claimingEngine, wordRequest } from '../../test/engines.ts'
import { identityOf, providerWorld } from '../../test/providerWorld.ts'
import { randomLlama } from '../../test/randomLlama.ts'
import { flippedBit } from '../cli/flippedBit.ts'
import type { Engine, ExactRun } from '../engine/Engine.ts'
import { exactEngine, type ExactEngine } from '../engine/exact.ts'
import { startWasm, type Wasm } from '../exact/wasm/startWasm.ts'
import type * as Completion from '../protocol/Completion.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Verdict from '../protocol/Verdict.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { checkClaim, compareClaim } from './compareClaim.ts'
import { startValidator } from './startValidator.ts'

const validator = identityOf('validator')
const provider = identityOf('provider')
const domain = { chainId: 31_337, vault: `0x${'11'.repeat(20)}` } as const
const own: ExactRun = {
  graph: Hex.sha256('graph'),
  graphCid: Hex.sha256('cid'),
  start: Hex.sha256('start'),
  end: Hex.sha256('end'),
  data: Hex.zero,
  seed: [7, 0],
  steps: 12,
  run: Hex.sha256('run'),
}
const { seed: _, ...run } = own
const claim: ExactClaim.ExactClaim = {
  ...run,
  claimant: provider.address,
  job: Hex.sha256('job'),
  seed0: 7,
  seed1: 0,
  worker: 0,
  bond: 1n,
  challengeUntil: 1_700_000_000,
}

describe('checkClaim', () => {
  const receipt = { provider: provider.address, job: claim.job }
  const check = (changes: Partial<ExactClaim.ExactClaim>, signer = provider) =>
    checkClaim(domain, receipt, ExactClaim.sign(domain, { ...claim, ...changes }, signer))?.code

  test('finds a claim about the job of the receipt', () => {
    expect(check({})).toBeUndefined()
  })

  test('says why there is none', () => {
    expect(checkClaim(domain, receipt, undefined)?.code).toBe('Exact.ClaimMissing')
    expect(check({ claimant: validator.address }, validator)).toBe('Exact.ClaimantDiffers')
    expect(check({ job: Hex.zero })).toBe('Exact.JobDiffers')
    expect(check({}, validator)).toBe('Exact.ClaimNotSigned')
  })
})

describe('compareClaim', () => {
  const compare = (changes: Partial<ExactClaim.ExactClaim>, asLong: ExactRun | undefined = own) =>
    compareClaim({ ...claim, ...changes }, own, asLong)
  const other = Hex.sha256('other')

  test('finds the claim that is owed', () => {
    expect(compare({})).toEqual({ reason: undefined, isFalse: false })
  })

  test.each<[string, Partial<ExactClaim.ExactClaim>]>([
    ['Exact.GraphDiffers', { graph: other, run: other }],
    ['Exact.GraphDiffers', { graphCid: other }],
    ['Exact.StartDiffers', { start: other, run: other }],
    ['Exact.DataDiffers', { data: other }],
    ['Exact.SeedDiffers', { seed0: 8 }],
    ['Exact.SeedDiffers', { seed1: 1 }],
    ['Exact.SeedDiffers', { worker: 1 }],
  ])('says %s of one that may be true of something else', (reason, changes) => {
    expect(compare(changes)).toEqual({ reason, isFalse: false })
  })

  test('finds false what begins as ours and goes on otherwise', () => {
    expect(compare({ run: other })).toEqual({ reason: 'Exact.RunDiffers', isFalse: true })
    expect(compare({ end: other })).toEqual({ reason: 'Exact.EndDiffers', isFalse: true })
  })

  test('compares a claim of other steps with a run as long', () => {
    const asLong = { ...own, steps: 9, run: Hex.sha256('run of 9'), end: Hex.sha256('end of 9') }
    const shorter = { steps: 9, run: asLong.run, end: asLong.end }
    expect(compare(shorter, asLong)).toEqual({ reason: 'Exact.StepsDiffer', isFalse: false })
    expect(compare({ steps: 9 }, asLong)).toEqual({ reason: 'Exact.RunDiffers', isFalse: true })
    expect(compareClaim({ ...claim, steps: 10 ** 9 }, own, undefined)).toEqual({
      reason: 'Exact.StepsDiffer',
      isFalse: false,
    })
  })
})

describe('a validator of exact answers', () => {
  const words = { model: claimedModel.id, weights: claimedModel.weights }

  test('finds an honest one valid', async () => {
    const { verdicts, disputed, job } = await judged(claimingEngine(), claimingEngine(), words)
    expect(verdicts).toMatchObject([
      { method: 'exact', outcome: 'valid', reason: 'Exact.Equal', job: job.id },
    ])
    expect(disputed).toEqual([])
  })

  test.each<[string, (run: ExactRun) => ExactRun, boolean]>([
    ['Exact.RunDiffers', (each) => ({ ...each, run: Hex.sha256('lie') }), true],
    ['Exact.EndDiffers', (each) => ({ ...each, end: Hex.sha256('lie') }), true],
    ['Exact.StartDiffers', (each) => ({ ...each, start: Hex.sha256('other') }), false],
    ['Exact.GraphDiffers', (each) => ({ ...each, graph: Hex.sha256('other') }), false],
  ])('says %s, and tells of what is false', async (reason, change, isFalse) => {
    const engine = claimingEngine({ change })
    const { verdicts, disputed, job } = await judged(engine, claimingEngine(), words)
    expect(verdicts).toMatchObject([{ method: 'exact', outcome: 'invalid', reason }])
    expect(disputed).toEqual(isFalse ? [job.claim] : [])
  })

  test('says that another answer was delivered than the run gives', async () => {
    const honest = claimingEngine()
    const engine: Engine = {
      ...honest,
      async *complete(request, options) {
        for await (const event of honest.complete(request, options)) {
          if (event.type === 'completion-end') yield event
          else yield { ...event, delta: { ...event.delta, text: 'lie ' } }
        }
      },
    }
    const { verdicts, disputed } = await judged(engine, honest, words)
    expect(verdicts).toMatchObject([{ outcome: 'invalid', reason: 'Exact.OutputDiffers' }])
    expect(disputed).toEqual([])
  })

  test('says its verdict also when nobody takes up the dispute', async () => {
    const engine = claimingEngine({ change: (each) => ({ ...each, run: Hex.zero }) })
    const options = { ...words, onFalseClaim: () => Promise.reject(new Error('no money')) }
    const { verdicts } = await judged(engine, claimingEngine(), options)
    expect(verdicts).toMatchObject([{ outcome: 'invalid', reason: 'Exact.RunDiffers' }])
  })

  test('says nothing when its own engine does not name its run', async () => {
    const mute = claimingEngine()
    const engine: Engine = {
      ...mute,
      async *complete(request, options) {
        for await (const event of mute.complete(request, options))
          yield event.type === 'completion-end' ? { ...event, exact: undefined } : event
      },
    }
    const { verdicts } = await judged(claimingEngine(), engine, words)
    expect(verdicts).toEqual([])
  })
})

describe('a validator with the exact engine', () => {
  const slot = 'model.layers.0.self_attn.v_proj.weight'
  let folder: string
  let path: string
  let wasm: Wasm
  let own: ExactEngine
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-validator-'))
    path = join(folder, 'small.gguf')
    await writeFile(path, randomLlama({ layers: 1, width: 16, hidden: 16 }))
    wasm = await startWasm({ threads: 1 })
    own = await exactEngine({ backend: wasm }, { path, contextTokens: 64 })
  })
  afterAll(async () => {
    await own[Symbol.asyncDispose]()
    await wasm[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })
  const small = () => ({ model: 'small', weights: own.models[0]!.weights })

  test('finds the same run as a provider', async () => {
    const { verdicts, disputed } = await judged(own, own, small())
    expect(verdicts).toMatchObject([{ method: 'exact', outcome: 'valid' }])
    expect(disputed).toEqual([])
  })

  test('finds one wrong bit in a provider’s memory', async () => {
    const backend = flippedBit(wasm, { slot, bit: 30 })
    await using wrong = await exactEngine({ backend }, { path, contextTokens: 64 })
    expect(wrong.models).toEqual(own.models)
    const { verdicts, disputed, job } = await judged(wrong, own, small())
    expect(verdicts).toMatchObject([{ outcome: 'invalid', reason: 'Exact.RunDiffers' }])
    expect(disputed).toEqual([job.claim])
  })
})

type Judging = { model: string; weights: Hex.Hex } & Pick<startValidator.Ports, 'onFalseClaim'>

/** Buys one exact answer from a provider and lets a validator look at it. */
async function judged(engine: Engine, checking: Engine, { model, weights, ...ports }: Judging) {
  const world = providerWorld()
  await using _provider = await world.start({ engine })
  const verdicts: Verdict.Verdict[] = []
  const disputed: unknown[] = []
  const listener = world.network.join(identityOf('listener').peerId)
  listener.subscribe(Exchange.topics.verdicts, (body) => {
    verdicts.push(Verdict.verify(world.chain.domain, Verdict.deserialize(body)))
  })
  const { clock } = world
  await using _validator = await startValidator(
    {
      identity: validator,
      network: world.network.join(validator.peerId),
      engine: checking,
      store: memoryStore(),
      clock,
      random: seededRandom(3),
      logger: silentLogger(),
      domain: world.chain.domain,
      onFalseClaim: (each) => void disputed.push(each),
      ...ports,
    },
    { rate: 1, repeatIntervalMs: 100_000 },
  )
  const buyer = await world.buyer()
  const order = { model, weights, tier: 'exact', validators: [validator.address] }
  const lease = await world.drive(buyer.open({ order }))
  const request: Partial<Completion.Request> = { model, input: { kind: 'text', prompt: 'weft' } }
  const job = await world.drive(buyer.job(lease.id, wordRequest(request)))
  // The exact engine takes a turn of the real process for each token.
  for (let turn = 0; turn < 60 && verdicts.length === 0; turn++) await world.advance(10)
  return { job, verdicts, disputed }
}
