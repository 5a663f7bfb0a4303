import { seededRandom } from '../src/runtime/seededRandom.ts'

/** What happens in one simulated world. It follows from the seed alone. */
export type Scenario = {
  readonly seed: number
  readonly providers: readonly ProviderKind[]
  readonly buyers: number
  /** Whether somebody re-runs jobs. */
  readonly validated: boolean
  readonly network: {
    readonly delayMs: readonly [number, number]
    readonly lossRate: number
    readonly duplicationRate: number
    readonly breakRate: number
  }
  readonly chainDelayMs: number
  readonly jobs: readonly {
    readonly atMs: number
    readonly buyer: number
    readonly maxTokens: number
  }[]
  readonly faults: readonly Fault[]
}

export type ProviderKind =
  | 'honest'
  | 'slow'
  | 'wrong'
  /** Knows a probe by its size and answers it honestly; all else is wrong. */
  | 'cunning'
  | 'stalling'
  | 'failing'
  | 'vanishing'
  | 'talkative'
  | 'greedy'

/** Everybody except who answers wrongly: what they deliver is what the model says. */
export function isHonest(kind: ProviderKind): boolean {
  return kind !== 'wrong' && kind !== 'cunning'
}

export type Fault = { readonly atMs: number; readonly forMs: number } & (
  | { readonly type: 'crash'; readonly party: number }
  | { readonly type: 'partition'; readonly alone: number }
  | { readonly type: 'rollback'; readonly blocks: number }
  | { readonly type: 'outage' }
  | { readonly type: 'full-disk'; readonly party: number }
)

/** Nothing goes wrong any more from then on; jobs still come for a while. */
export const calmAtMs = 75_000
const lastJobAtMs = 85_000
/** When the last lease has ended, with its graces. */
export const endAtMs = 260_000

const others: readonly ProviderKind[] = [
  'wrong',
  'slow',
  'cunning',
  'cunning',
  'stalling',
  'failing',
  'vanishing',
  'talkative',
  'greedy',
]

/** Draws a world. */
export function scenario(seed: number): Scenario {
  const random = seededRandom(seed)
  const below = (count: number) => Math.floor(random.next() * count)
  const between = (least: number, most: number) => least + below(most - least + 1)
  const list = <item>(count: number, make: (index: number) => item) =>
    Array.from({ length: count }, (_, index) => make(index))

  const providers = list(between(2, 3), (index): ProviderKind => {
    const honest = index === 0 || random.next() < 0.5
    return honest ? 'honest' : others[below(others.length)]!
  })
  const buyers = between(1, 2)
  const validated = random.next() < 0.75
  const calm = random.next() < 0.15
  const rate = (most: number) => (calm || random.next() < 0.4 ? 0 : random.next() * most)
  const parties = providers.length + buyers + (validated ? 1 : 0)

  return {
    seed,
    providers,
    buyers,
    validated,
    network: {
      delayMs: [1, between(2, 150)],
      lossRate: rate(0.03),
      duplicationRate: rate(0.2),
      breakRate: rate(0.02),
    },
    chainDelayMs: random.next() < 0.6 ? 0 : between(1, 50),
    jobs: list(between(6, 14), () => ({
      atMs: between(500, lastJobAtMs),
      buyer: below(buyers),
      maxTokens: between(2, 40),
    })),
    faults: calm ? [] : list(between(1, 5), () => fault()),
  }

  function fault(): Fault {
    const atMs = between(3_000, calmAtMs - 20_000)
    const forMs = between(500, 20_000)
    switch (below(6)) {
      case 0:
      case 1:
        return { type: 'crash', atMs, forMs, party: below(parties) }
      case 2:
        return { type: 'partition', atMs, forMs, alone: below(parties) }
      case 3:
        return { type: 'rollback', atMs, forMs: 0, blocks: between(1, 6) }
      case 4:
        return { type: 'outage', atMs, forMs }
      default:
        return { type: 'full-disk', atMs, forMs, party: below(parties) }
    }
  }
}
