import type { Backend } from '../../src/exact/index.ts'
import { closesOf } from '../../src/training/closedRound.ts'
import { hashOf } from '../../src/training/Replica.ts'
import { startWorkshop, trainingWorld } from '../../test/trainingWorld.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { type Crowd, measureCrowd } from './crowd.ts'
import { shareEngine } from './shareEngine.ts'

/**
 * How many workers a run can have: a world of real nodes that train together, and what the coordinator alone
 * spends on crowds of which there are only the signed entries, carried on to ten thousand by the law they follow.
 */
export async function scale({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const workers = Number(process.env['WEFT_TRAINING_WORKERS'] ?? 200)
  const world = await simulate(backend, workers)
  say(
    `${workers} workers in the simulated world: ${world.rounds} rounds, ${world.accepted} contributions accepted, ` +
      `${world.models} model(s), ${(world.cpuMs / 1000).toFixed(0)} s of one core\n`,
  )
  const crowds: Crowd[] = []
  for (const each of [25, 50, 100, 200, 400, 800]) crowds.push(await measureCrowd(each))
  const heads = [
    'workers',
    'core ms a round',
    'a worker',
    'batches',
    'log bytes a worker',
    'heap KB a worker',
    'round ms',
  ]
  say(
    table(
      heads,
      crowds.map((each) => [
        `${each.workers}`,
        each.cpuMs.toFixed(0),
        (each.cpuMs / each.workers).toFixed(2),
        each.batches.toFixed(1),
        (each.logBytes / each.workers).toFixed(0),
        (each.heapBytes / each.workers / each.rounds / 1024).toFixed(1),
        each.roundMs.toFixed(0),
      ]),
    ),
  )
  const fitted = fit(crowds.map(({ workers: n, cpuMs }) => [n, cpuMs] as const))
  const last = crowds.at(-1)!
  // Where noise bends the parabola down, the greatest crowd says what a worker costs.
  const law = fitted.square < 0 ? { linear: last.cpuMs / last.workers, square: 0 } : fitted
  const many = 10_000
  const coordinatorSeconds = (law.linear * many + law.square * many ** 2) / 1000
  say(
    `\ncore ms a round = ${law.linear.toFixed(3)} n + ${law.square.toExponential(2)} n^2: ` +
      `${coordinatorSeconds.toFixed(1)} s at ${many} workers, of which ` +
      `${((law.square * many ** 2) / 1000).toFixed(1)} s are the square; ` +
      `${(((last.logBytes / last.workers) * many) / 1e6).toFixed(1)} MB of log a round`,
  )
  return {
    workersSimulated: world.isOne ? workers : 0,
    coordinatorCoreMs200: crowds.find((each) => each.workers === 200)!.cpuMs,
    coordinatorCoreSeconds10000: coordinatorSeconds,
    logBytesPerWorkerRound: last.logBytes / last.workers,
    heapBytesPerWorkerRound: last.heapBytes / last.workers / last.rounds,
  }
}

/** A run of so many workers to its end: every node parses, checks and folds all, and fetches every payload. */
async function simulate(backend: Backend, workers: number) {
  await using workshop = await startWorkshop(backend)
  const engine = shareEngine(await workshop.run(0))
  const rounds = 2
  const began = process.cpuUsage()
  await using world = await trainingWorld({
    workers,
    workshop: { ...workshop, run: () => Promise.resolve(engine()) },
    faults: { delayMs: [5, 60] },
    order: { rounds, maxWorkers: workers, budgetMicroUsd: 10n ** 12n, roundMs: 120_000 },
  })
  await world.advance(3_600_000, () =>
    world.nodes.every(
      (node) => node.log().state().phase === 'ended' && node.replica()!.rounds === rounds,
    ),
  )
  const { user, system } = process.cpuUsage(began)
  const heads = new Set(world.nodes.map((node) => node.log().head().hash))
  const models = new Set(world.nodes.map((node) => hashOf(node.layout, node.replica()!)))
  const closes = closesOf(world.nodes[0]!.log().decisions())
  const accepted = closes.reduce((sum, each) => sum + each.accepted.length, 0)
  return {
    rounds: closes.length,
    accepted,
    models: models.size,
    cpuMs: (user + system) / 1000,
    isOne: heads.size === 1 && models.size === 1 && accepted === rounds * workers,
  }
}

/** The best a n + b n^2 through points, least squares of the relative error. */
function fit(points: readonly (readonly [number, number])[]): { linear: number; square: number } {
  let [s11, s12, s22, t1, t2] = [0, 0, 0, 0, 0]
  for (const [n, y] of points) {
    const [a, b] = [n / y, n ** 2 / y]
    s11 += a * a
    s12 += a * b
    s22 += b * b
    t1 += a
    t2 += b
  }
  const determinant = s11 * s22 - s12 * s12
  return {
    linear: (t1 * s22 - t2 * s12) / determinant,
    square: (t2 * s11 - t1 * s12) / determinant,
  }
}
