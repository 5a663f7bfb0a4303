import { describe, expect, test } from 'vitest'
import { claimingEngine, failingEngine, honestEngine, talkativeEngine } from '../../test/engines.ts'
import { vanishingEngine, wordModel, wordRequest } from '../../test/engines.ts'
import type { Engine } from '../engine/Engine.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Hex from '../protocol/Hex.ts'
import {
  compareRuns,
  obstacle,
  requestFor,
  rerun,
  RerunError,
  rerunFor,
  type Run,
} from './rerun.ts'

const { signal } = new AbortController()
const own: Run = {
  output: { text: 'a loom', tokenIds: [0, 1], finishReason: 'length' },
  usage: { inputTokens: 3, outputTokens: 2 },
}
const served = (output: Partial<Completion.Output> = {}, usage: Partial<Completion.Usage> = {}) => {
  const whole = { ...own.output, ...output }
  const receipt = { output: Completion.hashOutput(whole), ...own.usage, ...usage }
  return compareRuns(receipt, whole, own)
}

describe('compareRuns', () => {
  test('finds an equal run valid', () => {
    expect(served()).toEqual({
      outcome: 'valid',
      reason: 'Rerun.Equal',
      output: Completion.hashOutput(own.output),
    })
  })

  test('finds other text, other tokens and another end invalid', () => {
    expect(served({ text: 'a loam', tokenIds: [0, 9] })).toMatchObject({
      outcome: 'invalid',
      reason: 'Rerun.OutputDiffers',
    })
    expect(served({ tokenIds: [0, 9] }).reason).toBe('Rerun.TokensDiffer')
    expect(served({ finishReason: 'stop' }).reason).toBe('Rerun.FinishReasonDiffers')
  })

  test('finds tokens that were counted wrongly invalid', () => {
    expect(served({}, { inputTokens: 4 }).reason).toBe('Rerun.InputTokensDiffer')
    expect(served({}, { outputTokens: 3 }).reason).toBe('Rerun.OutputTokensDiffer')
  })
})

describe('requestFor', () => {
  test('asks our own copy of the weights, whatever the provider calls them', () => {
    const theirs = wordRequest({ model: 'their-name' })
    const { weights, quantisation, build: engine } = wordModel
    const other = { ...wordModel, id: 'older', build: 'words 0' }
    const receipt = { weights, quantisation, engine }
    expect(requestFor(receipt, theirs, [other, wordModel]).model).toBe(wordModel.id)
    expect(requestFor({ ...receipt, weights: Hex.zero }, theirs, [wordModel])).toBe(theirs)
  })
})

describe('obstacle', () => {
  const { id: model, weights, quantisation, build: engine } = wordModel
  const receipt = { model, weights, quantisation, engine, tier: 'statistical' }

  test('finds none for the same weights and build', () => {
    expect(obstacle(receipt, [wordModel])).toBeUndefined()
  })

  test('says what is missing', () => {
    expect(obstacle({ ...receipt, weights: Hex.zero }, [wordModel])).toBe('Rerun.WeightsUnknown')
    const weights = Hex.sha256('other')
    expect(obstacle({ ...receipt, weights }, [wordModel])).toBe('Rerun.WeightsNotHere')
    expect(obstacle({ ...receipt, engine: 'words 2' }, [wordModel])).toBe('Rerun.BuildDiffers')
    expect(obstacle({ ...receipt, tier: 'exact' }, [wordModel])).toBe('Exact.EngineNotHere')
    const exact = { ...wordModel, tiers: ['exact'] as const }
    expect(obstacle({ ...receipt, tier: 'exact' }, [exact])).toBeUndefined()
  })
})

describe('rerun', () => {
  test('gathers what the engine makes', async () => {
    const run = await rerun(honestEngine(), wordRequest(), { signal })
    expect(run.output.tokenIds).toHaveLength(run.usage.outputTokens)
    expect(await rerun(honestEngine(), wordRequest(), { signal })).toEqual(run)
  })

  test.each([
    ['fails', failingEngine],
    ['vanishes', vanishingEngine],
    ['talks too much', talkativeEngine],
  ])('says so when our own engine %s', async (_, create) => {
    await expect(rerun(create(), wordRequest(), { signal })).rejects.toMatchObject({
      code: 'Rerun.EngineFailed',
    })
  })

  test('stops when it is aborted', async () => {
    const aborted = { signal: AbortSignal.abort(new Error('enough')) }
    await expect(rerun(honestEngine(), wordRequest(), aborted)).rejects.toMatchObject({
      code: 'Rerun.EngineFailed',
    })
  })
})

describe('rerunFor', () => {
  const engine = claimingEngine()
  const request = wordRequest()
  const usage = { inputTokens: 3, outputTokens: 8 }
  const runFor = async (steps: number, by: Pick<Engine, 'exactRun'> = engine) => {
    const own = await engine.exactRun!(request, { steps: 10, signal })
    return { own, found: await rerunFor(by, request, { own, usage, steps, signal }) }
  }

  test('does not repeat what it has', async () => {
    const { own, found } = await runFor(10, {})
    expect(found).toBe(own)
  })

  test('runs as long as the claim says, within what the request allows', async () => {
    expect((await runFor(4)).found).toMatchObject({ steps: 4 })
    expect((await runFor(11)).found).toMatchObject({ steps: 11 })
    for (const steps of [0, 12, 2 ** 32 - 1]) expect((await runFor(steps)).found).toBeUndefined()
  })

  test('says nothing when our own engine fails', async () => {
    const broken = { exactRun: () => Promise.reject(new Error('broken')) }
    await expect(runFor(4, broken)).rejects.toBeInstanceOf(RerunError)
  })
})
