import type { Backend } from '../../src/exact/index.ts'
import { seededRandom } from '../../src/runtime/seededRandom.ts'
import { closesOf } from '../../src/training/closedRound.ts'
import { type TrainingWorld, trainingWorld, type WorldNode } from '../../test/trainingWorld.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { prepare } from './problem.ts'
import { shareEngine } from './shareEngine.ts'
import { short } from './tuned.ts'

/**
 * The same run with and without faults, by real nodes in the simulated world: every third round half of the
 * workers die in the middle of it for ever and as many new ones join, whoever coordinates among them. Losses are
 * compared when as many tokens were accepted.
 */
export async function faults({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const rounds = Number(process.env['WEFT_TRAINING_FAULT_ROUNDS'] ?? 45)
  const seeds = Number(process.env['WEFT_TRAINING_FAULT_SEEDS'] ?? 2)
  const rows: (readonly string[])[] = []
  const gaps: number[] = []
  let [lost, repeated] = [0, 0]
  for (let seed = 1; seed <= seeds; seed++) {
    const calm = await train(backend, { seed, rounds, isCalm: true })
    // A round in which half of the workers die accepts half as much.
    const hard = await train(backend, { seed, rounds: Math.ceil((rounds * 6) / 5), isCalm: false })
    gaps.push(hard.loss / calm.loss - 1)
    say(`seed ${seed}: ${calm.loss.toFixed(4)} without, ${hard.loss.toFixed(4)} with faults`)
    lost += hard.lost
    repeated = Math.max(repeated, hard.repeated)
    rows.push(
      [seed, calm, hard].flatMap((each) => (typeof each === 'number' ? [`${each}`] : told(each))),
    )
  }
  const head = [
    'seed',
    'loss',
    'tokens',
    'loss with faults',
    'tokens',
    'deaths',
    'coordinators',
    'repeated',
  ]
  say(
    table(
      head,
      rows.map((row) => [...row.slice(0, 3), ...row.slice(6)]),
    ),
  )
  const faultLossGap = gaps.reduce((sum, each) => sum + each, 0) / gaps.length
  return { faultLossGap, faultRoundsLost: lost, faultRoundsRepeatedAtOnce: repeated }
}

type Course = {
  readonly loss: number
  readonly tokens: number
  readonly deaths: number
  readonly coordinators: number
  /** Rounds that were never closed, and how often one was repeated at most for one death of a coordinator. */
  readonly lost: number
  readonly repeated: number
}

function told({ loss, tokens, deaths, coordinators, repeated }: Course): readonly string[] {
  return [loss.toFixed(4), `${tokens}`, `${deaths}`, `${coordinators}`, `${repeated}`].slice(0, 5)
}

type Options = { seed: number; rounds: number; isCalm: boolean }

async function train(backend: Backend, { seed, rounds, isCalm }: Options): Promise<Course> {
  const steps = 10
  const workers = 8
  const spare = isCalm ? 0 : Math.ceil(rounds / 3) * (workers / 2)
  await using problem = await prepare(backend, {
    seed,
    rate: short.sparse.rate,
    steps: rounds * steps,
  })
  const engine = shareEngine(problem.run)
  const { layout, start, data, tokens } = problem
  const workshop = {
    graph: problem.run.graph,
    layout,
    start,
    seed: problem.seed,
    run: () => Promise.resolve(engine()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const numbers = Array.from({ length: workers + spare }, (_, number) => number)
  await using world = await trainingWorld({
    workers: numbers.length,
    workshop,
    seed,
    text: new TextDecoder().decode(data.subarray(0, 60_000)),
    absent: numbers.slice(workers),
    faults: { delayMs: [5, 60] },
    stepMs: numbers.map(() => 100),
    order: {
      ...short.sparse.terms,
      rounds,
      steps,
      minWorkers: workers,
      keptLast: 64,
      roundMs: 20_000,
      budgetMicroUsd: 10n ** 12n,
    },
  })
  const random = seededRandom(seed)
  let [next, deaths, coordinators, killedIn] = [workers, 0, 0, -1]
  const isOver = () => living(world).every((node) => node.log().state().phase === 'ended')
  while (!isOver()) {
    await world.advance(3_600_000, () => isOver() || isDue(world, { isCalm, killedIn }))
    if (isOver()) break
    killedIn = Math.max(...living(world).map((node) => node.log().state().round.number))
    const doomed = shuffled(living(world), () => random.next()).slice(0, workers / 2)
    for (const node of doomed) {
      deaths++
      if (node.isCoordinator()) coordinators++
      world.kill(world.nodes.indexOf(node))
      if (next < numbers.length) await world.start(next++)
    }
  }
  const [node] = living(world)
  const decisions = node!.log().decisions()
  const closes = closesOf(decisions)
  const accepted = closes
    .flatMap((each) => each.accepted)
    .reduce((sum, { weight }) => sum + weight, 0)
  const again = decisions.flatMap((each) => (each.kind === 'round-repeated' ? [each.round] : []))
  return {
    loss: problem.loss(node!.replica()!.parameters),
    tokens: accepted * tokens,
    deaths,
    coordinators,
    lost: rounds - new Set(closes.map(({ round }) => round)).size,
    repeated: Math.max(
      0,
      ...[...Map.groupBy(again, (round) => round).values()].map((each) => each.length),
    ),
  }
}

function living({ nodes }: TrainingWorld): readonly WorldNode[] {
  return nodes.filter((node) => node.isAlive())
}

/** In the middle of every third round, when segments are being computed. */
function isDue(
  world: TrainingWorld,
  { isCalm, killedIn }: { isCalm: boolean; killedIn: number },
): boolean {
  if (isCalm) return false
  const states = living(world).map((node) => node.log().state())
  const number = Math.max(...states.map(({ round }) => round.number))
  const isThird = number % 3 === 2 && number > killedIn
  return isThird && states.some(({ phase, round }) => phase === 'round' && round.number === number)
}

function shuffled<item>(items: readonly item[], next: () => number): readonly item[] {
  return items
    .map((item) => ({ item, at: next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
