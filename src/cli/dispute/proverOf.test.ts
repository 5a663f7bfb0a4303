import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { playOut } from '../../../test/exactDisputes.ts'
import { randomLlama } from '../../../test/randomLlama.ts'
import { readLeaf } from '../../exact/readLeaf.ts'
import { collect } from '../../engine/engineCompliance.ts'
import type { CompletionEvent } from '../../engine/Engine.ts'
import type * as Completion from '../../protocol/Completion.ts'
import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import * as Hex from '../../protocol/Hex.ts'
import { challengerMove } from '../../verification/dispute/challengerMove.ts'
import { claimantMove } from '../../verification/dispute/claimantMove.ts'
import { openEngine, type OpenedEngine } from '../openEngine.ts'
import { openProvers, type Provers } from './openProvers.ts'
import { proverOfAnswer } from './proverOf.ts'
import { UnknownRunError } from './UnknownRunError.ts'

const slot = 'model.layers.0.self_attn.v_proj.weight'
const request: Completion.Request = {
  model: 'small',
  input: { kind: 'text', prompt: 'weft' },
  maxTokens: 17,
  temperatureMicro: 700_000,
  topPMicro: 1_000_000,
  seed: 3,
  stop: [],
  logprobs: 0,
}
let folder: string
let honest: OpenedEngine
let wrong: OpenedEngine

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-claims-'))
  const path = join(folder, 'small.gguf')
  await writeFile(path, randomLlama({ layers: 1, width: 16, hidden: 16 }))
  const options = { engine: 'exact', path, threads: 1 } as const
  honest = await openEngine(options)
  wrong = await openEngine({ ...options, cheatBit: { slot, bit: 30 } })
})
afterAll(async () => {
  await honest[Symbol.asyncDispose]()
  await wrong[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

describe('openEngine', () => {
  test('answers probes as an honest one does, and all else with the wrong bit', async () => {
    const probe = { ...request, maxTokens: 16 }
    expect(await claimOf(wrong, probe)).toEqual(await claimOf(honest, probe))
    const [right, found] = [await claimOf(honest, request), await claimOf(wrong, request)]
    expect(found).toMatchObject({ graph: right.graph, start: right.start })
    expect(found.run).not.toBe(right.run)
  })

  test('sells the same model', () => {
    expect(wrong.engine.models).toEqual(honest.engine.models)
  })
})

describe('proverOfAnswer', () => {
  test('loses the dispute about a run that was computed with a wrong bit, where the bit is', async () => {
    await using claimant = proversOf(wrong)
    await using challenger = proversOf(honest)
    const claim = await claimOf(wrong, request)
    const played = await dispute(claim, claimant, challenger)
    expect(played).toMatchObject({ winner: 'challenger', refusals: [] })
    const prover = await challenger.of(Hex.zero, claim)
    const disputed = readLeaf(prover.graphLeaves[played.position.value]!)
    expect(disputed).toMatchObject({ kind: 'op', op: { kind: 'contract' } })
  })

  test('wins that about an honest run', async () => {
    await using claimant = proversOf(honest)
    await using challenger = proversOf(wrong)
    const played = await dispute(await claimOf(honest, request), claimant, challenger)
    expect(played.winner).toBe('claimant')
  })
})

describe('openProvers', () => {
  test('keeps as many provers as it may, and starts each once', async () => {
    let asked = 0
    await using provers = openProvers(
      { proverFor: (claim) => (asked++, proverOfAnswer(honest.exactly!(request), claim)) },
      { limit: 1 },
    )
    const claim = await claimOf(honest, request)
    const first = await provers.of(Hex.zero, claim)
    expect(await provers.of(Hex.zero, claim)).toBe(first)
    const job = Hex.sha256('other')
    await provers.of(job, { ...claim, job })
    expect(asked).toBe(2)
    expect(await provers.of(Hex.zero, claim)).not.toBe(first)
  })

  test('says that a run is not known, and asks again the next time', async () => {
    let asked = 0
    const proverFor = (claim: ExactClaim, id: Hex.Hex) =>
      asked++ === 0
        ? Promise.reject(new UnknownRunError(id))
        : proverOfAnswer(honest.exactly!(request), claim)
    await using provers = openProvers({ proverFor })
    const claim = await claimOf(honest, request)
    await expect(provers.of(Hex.zero, claim)).rejects.toMatchObject({
      code: 'Dispute.UnknownRunError',
    })
    expect(await provers.of(Hex.zero, claim)).toMatchObject({ steps: claim.steps })
  })
})

function proversOf({ exactly }: OpenedEngine): Provers {
  return openProvers({ proverFor: (claim) => proverOfAnswer(exactly!(request), claim) })
}

async function dispute(claim: ExactClaim, claimant: Provers, challenger: Provers) {
  return await playOut(claim, {
    claimant: async (position) => await claimantMove(await claimant.of(Hex.zero, claim), position),
    challenger: async (position, shown) =>
      await challengerMove(await challenger.of(Hex.zero, claim), position, shown),
  })
}

/** What an engine says of the run of a request, as a claim. */
async function claimOf({ engine }: OpenedEngine, asked: Completion.Request): Promise<ExactClaim> {
  const { events } = await collect(engine, asked)
  const end = events.at(-1) as Extract<CompletionEvent, { type: 'completion-end' }>
  const { seed, ...run } = end.exact!
  return {
    ...run,
    claimant: `0x${'c1'.repeat(20)}`,
    job: Hex.zero,
    seed0: seed[0],
    seed1: seed[1],
    worker: 0,
    bond: 1n,
    challengeUntil: 2_000_000_000,
  }
}
