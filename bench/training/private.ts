import type { Backend, Run } from '../../src/exact/index.ts'
import * as Hex from '../../src/protocol/Hex.ts'
import { seededRandom } from '../../src/runtime/seededRandom.ts'
import { epsilonOf, noiseOf } from '../../src/training/private/Budget.ts'
import { discreteGaussian } from '../../src/training/private/discreteGaussian.ts'
import * as Mask from '../../src/training/private/Mask.ts'
import * as Units from '../../src/training/private/Units.ts'
import { flatten, lengthOf, move, type Replica } from '../../src/training/Replica.ts'
import { runSegment } from '../../src/training/segment.ts'
import { trainingOrder } from '../../test/trainingOrder.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { prepare, type Problem } from './problem.ts'

/**
 * What privacy costs in loss and in bytes: workers that each have a part of the text of their own, whose
 * updates are clipped, noised and added up under masks, all as in a run. `WEFT_TRAINING_ROUNDS` says how many rounds.
 */
export async function privately({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const rounds = Number(process.env['WEFT_TRAINING_ROUNDS'] ?? 40)
  const steps = 5
  const rows: string[][] = []
  const figures: Record<string, number> = {}
  for (const { name, workers, noise, outerRate } of plans) {
    await using problem = await prepare(backend, { seed: 1, rate: 0.01, steps: rounds * steps })
    const before = problem.loss(problem.start)
    const { loss, bytes, epsilon } = runPlan(problem, { workers, noise, outerRate, rounds, steps })
    const after = await loss
    rows.push([
      name,
      String(workers),
      noise.toFixed(3),
      epsilon === Infinity ? 'none' : epsilon.toFixed(1),
      `${before.toFixed(3)} to ${after.toFixed(3)}`,
      String(bytes),
    ])
    say(`${name}: ${before.toFixed(4)} to ${after.toFixed(4)}, epsilon ${epsilon.toFixed(2)}`)
    figures[`privateLoss${workers}Noise${noise * 1000}`] = after
  }
  const heads = ['updates', 'workers', 'noise', 'epsilon at 1e-5', 'held-out loss', 'bytes a round']
  say(`\n${rounds} rounds of ${steps} steps, disjoint data\n`)
  say(table(heads, rows))
  return figures
}

const plans = [
  { name: 'sums', workers: 4, noise: 0, outerRate: 1 },
  { name: 'sums, little noise', workers: 4, noise: 0.02, outerRate: 1 },
  { name: 'sums, noise', workers: 4, noise: 1, outerRate: 1 },
  { name: 'sums', workers: 64, noise: 0, outerRate: 1 },
  { name: 'sums, noise', workers: 64, noise: 1, outerRate: 0.3 },
  { name: 'sums, more noise', workers: 64, noise: 4, outerRate: 0.1 },
] as const

type Plan = {
  readonly workers: number
  readonly noise: number
  readonly outerRate: number
  readonly rounds: number
  readonly steps: number
}

/** Masks of more workers are left out: they cancel to the bit, and agreeing on 4,032 keys a round takes longer than all else. */
const maskedMost = 8

/** The greatest length of an update; five steps of this model make up to 1.6. */
const clip = 1

function runPlan(problem: Problem, { workers, noise, outerRate, rounds, steps }: Plan) {
  const order = trainingOrder({
    buyer: `0x${'11'.repeat(20)}`,
    rule: 'diloco',
    rounds,
    outerRateMicro: outerRate * 1e6,
  })
  const { layout, run, data, seed } = problem
  const random = seededRandom(7)
  const noiseMicro = Math.round(noise * 1e6)
  const { sigma, rho } = noiseOf({ members: workers, noiseMicro, toleratedMicro: 250_000 })
  const share = Math.floor(data.length / workers)
  const length = lengthOf(layout)

  async function train(): Promise<number> {
    let replica: Replica = { rounds: 0, parameters: problem.start }
    while (replica.rounds < rounds) {
      const batch = Hex.sha256(`${replica.rounds}`)
      const secrets = Array.from({ length: workers }, () => random.bytes(32))
      const members = secrets.slice(0, maskedMost).map((secret, worker) => ({
        worker: Hex.from(new Uint8Array(20).fill(worker + 1)),
        key: Mask.keyOf(secret),
      }))
      const shown: Uint32Array[] = []
      for (let worker = 0; worker < workers; worker++) {
        const text = data.subarray(worker * share, (worker + 1) * share)
        const options = { layout, replica, data: text, seed, worker, steps, stepsPerRound: steps }
        const update = await updateOf(run, options)
        const noises = discreteGaussian(length, { sigma, key: random.bytes(32) })
        const values = Units.toUnits(update, clip).map((each, at) => each + noises[at]!)
        const secret = secrets[worker]!
        const own = members[worker]?.worker
        shown.push(
          own && workers <= maskedMost
            ? Mask.hide(values, { secret, own, members, batch })
            : Uint32Array.from(values),
        )
      }
      const gradient = Units.meanOf(Mask.sum(shown), { clip, count: workers })
      replica = move(layout, replica, { gradient, terms: order })
    }
    return problem.loss(replica.parameters)
  }

  const epsilon = noise === 0 ? Infinity : epsilonOf(rho * rounds, 1e-5)
  return { loss: train(), bytes: 4 * length, epsilon }
}

async function updateOf(run: Run, options: runSegment.Options): Promise<Float32Array> {
  const { layout, replica } = options
  const end = await runSegment(run, options)
  const trained = flatten(layout, end.slice(0, layout.slots.length))
  return flatten(layout, replica.parameters).map((each, at) => each - trained[at]!)
}
