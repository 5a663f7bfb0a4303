import { describe, expect, test } from 'vitest'
import { describeSeeds } from './runSeeds.ts'
import { isHonest, scenario, type Scenario } from './scenario.ts'
import { runWorld, type Sabotage } from './world.ts'

describeSeeds({ part: 0, parts: 2 })

/** A world with these providers in which nothing else goes wrong. */
function peaceful(providers: Scenario['providers']): Scenario {
  return {
    seed: 1,
    providers,
    buyers: 1,
    validated: true,
    network: { delayMs: [1, 10], lossRate: 0, duplicationRate: 0, breakRate: 0 },
    chainDelayMs: 0,
    jobs: Array.from({ length: 10 }, (_, n) => ({
      atMs: 3_000 + n * 2_000,
      buyer: 0,
      maxTokens: 8,
    })),
    faults: [],
  }
}

describe('one seed', () => {
  test.each([7, 12, 30])('has one history (%i)', async (seed) => {
    const [first, second] = [await runWorld(scenario(seed)), await runWorld(scenario(seed))]
    expect(second).toEqual(first)
  })

  test('differs from another one', async () => {
    const [first, second] = [await runWorld(scenario(1)), await runWorld(scenario(2))]
    expect(second.trace).not.toBe(first.trace)
  })
})

describe('a world at peace', () => {
  test('delivers everything', async () => {
    const { calls } = await runWorld(peaceful(['honest', 'honest', 'honest']))
    expect(calls.map(({ state }) => state)).toEqual(calls.map(() => 'delivered'))
  })

  test('delivers everything although one provider is wrong and one fails', async () => {
    const { calls } = await runWorld(peaceful(['honest', 'wrong', 'failing']))
    expect(calls.filter(({ state }) => state === 'delivered').length).toBeGreaterThan(7)
  })
})

describe('the invariants notice', () => {
  test.each<[Sabotage, RegExp]>([
    ['vault-overpays', /the vault has/],
    ['buyer-forgets', /claimed, 0 signed/],
    ['validator-errs', /an honest provider was found guilty/],
    ['nothing-closes', /never ended/],
    ['payments-vanish', /signed, 0 paid/],
  ])('%s', async (sabotage, what) => {
    const world = runWorld(peaceful(['honest', 'honest']), { sabotage })
    await expect(world).rejects.toThrow(what)
  })
})

describe('isHonest', () => {
  test('is everybody who does not answer wrongly', () => {
    expect((['honest', 'slow', 'stalling', 'greedy'] as const).every(isHonest)).toBe(true)
    expect((['wrong', 'cunning'] as const).some(isHonest)).toBe(false)
  })
})

describe('scenario', () => {
  test('follows from its seed, and shows every fault and every kind of provider', () => {
    expect(scenario(5)).toEqual(scenario(5))
    const all = Array.from({ length: 300 }, (_, seed) => scenario(seed))
    const faults = new Set(all.flatMap((each) => each.faults.map(({ type }) => type)))
    const kinds = new Set(all.flatMap((each) => each.providers))
    expect([faults.size, kinds.size]).toEqual([5, 9])
  })
})
