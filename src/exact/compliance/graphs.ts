import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { broadcast, contract, input, place, reshape, slice, type Tensor } from '../Tensor.ts'
import { bytesOf, type Case, type Spec, stateless } from './Case.ts'

/** Small whole graphs: what models are made of, in each profile, and state that lives over steps. */
export function* graphs(): Generator<Case> {
  yield* parts()
  for (const profile of profiles) yield training(profile)
  yield exchange()
  yield cache()
  yield draws()
}

const profiles: readonly Ops.Profile[] = ['f32', 'i8', 'i8x3']

function* parts(): Generator<Case> {
  const [rows, classes] = [6, 37]
  const x = { shape: [rows, classes] }
  const labels: Spec = { dtype: 'u32', shape: [rows], fill: { below: classes } }
  const mask: Spec = { dtype: 'u32', shape: [rows, classes], fill: { below: 2 } }
  yield stateless('softmax', [x, mask], (a, places) => ({
    softmax: Ops.softmax(a!),
    masked: Ops.softmaxMasked(Ops.scale(a!, 90), places!),
  }))
  yield stateless('cross-entropy', [x, labels], (a, at) => ({
    losses: Ops.crossEntropy(Ops.scale(a!, 30), at!),
    mean: Ops.mean(Ops.crossEntropy(a!, at!)),
    chosen: Ops.oneHot(at!, classes),
  }))
  yield stateless('norm', [x, { shape: [classes] }], (a, gain) => ({
    norm: Ops.rmsNorm(a!, gain!, 1e-5),
    total: Ops.sumAll(a!),
    squares: Ops.sumOfSquaresAll(a!),
  }))
  for (const profile of profiles)
    for (const fill of ['ordinary', 'wild'] as const)
      yield stateless(
        `product ${profile} ${fill}`,
        [
          { shape: [2, 3, 45], fill },
          { shape: [7, 45], fill },
          { shape: [2, 3, 9], fill },
        ],
        (a, weights, b) => ({
          linear: Ops.linear(a!, weights!, profile),
          turned: Ops.product(a!, b!, { profile, transposeA: true }),
        }),
      )
  yield stateless(
    'zero rows',
    [{ shape: [2, 8], fill: { below: 1 } }, { shape: [3, 8] }],
    (a, b) => ({
      i8: Ops.linear(a!, b!, 'i8'),
      i8x3: Ops.linear(a!, b!, 'i8x3'),
    }),
  )
}

/** A hidden layer learns by gradient descent for five steps: the same buffers, again and again. */
function training(profile: Ops.Profile): Case {
  const name = `training ${profile}`
  const specs: readonly Spec[] = [
    { shape: [12, 9] },
    { shape: [4, 12] },
    { dtype: 'u32', shape: [], fill: { below: 1 } },
  ]
  const batchSpecs: readonly Spec[] = [{ shape: [10, 9] }, { shape: [10, 4] }]
  const [first, second, steps] = slots('state', specs) as [Tensor, Tensor, Tensor]
  const [x, target] = slots('batch', batchSpecs) as [Tensor, Tensor]
  const hidden = Ops.linear(x, first, profile)
  const active = Ops.silu(hidden)
  const error = Ops.sub(Ops.linear(active, second, profile), target)
  const slope = Ops.scale(error, 1 / 20)
  const back = Ops.mul(Ops.product(slope, second, { profile }), Ops.sigmoid(hidden))
  const descend = (weights: Tensor, gradient: Tensor) => Ops.sub(weights, Ops.scale(gradient, 0.25))
  const graph = Graph.from({
    state: [
      [first, descend(first, contract(back, x, { transposeA: true }))],
      [second, descend(second, contract(slope, active, { transposeA: true }))],
      [steps, Ops.addWords(steps, Ops.word(1))],
    ],
    batch: [x, target],
    results: { loss: Ops.divideBy(Ops.sumOfSquaresAll(error), 40), error },
  })
  return withState(name, graph, specs, batchSpecs, 5)
}

/** State slots that take each other's place, or a batch's, or stay; values that are several results at once. */
function exchange(): Case {
  const shape = [3, 5]
  const specs: readonly Spec[] = [{ shape, fill: 'wild' }, { shape }, { shape }, { shape }]
  const [a, b, c, d] = slots('state', specs) as [Tensor, Tensor, Tensor, Tensor]
  const [x] = slots('batch', [{ shape }]) as [Tensor]
  const sum = Ops.add(b, x)
  const flat = reshape(sum, [15])
  const graph = Graph.from({
    state: [
      [a, b],
      [b, a],
      [c, x],
      [d, d],
    ],
    batch: [x],
    results: { a, x, sum, same: sum, flat, late: Ops.add(Ops.mul(sum, d), c) },
  })
  return withState('exchange', graph, specs, [{ shape }], 4)
}

/** A cache that grows by a row a step, read as far as it is filled. */
function cache(): Case {
  const [rows, width] = [6, 4]
  const specs: readonly Spec[] = [
    { shape: [rows, width], fill: { below: 1 } },
    { dtype: 'u32', shape: [], fill: { below: 1 } },
  ]
  const [keys, at] = slots('state', specs) as [Tensor, Tensor]
  const [row] = slots('batch', [{ shape: [1, width] }]) as [Tensor]
  const grown = place(keys, row, at, 0)
  const next = Ops.addWords(at, Ops.word(1))
  const scores = contract(row, grown, { transposeB: true })
  const seen = Ops.lessWords(Ops.iota(rows), broadcast(next, [1, rows]))
  const weights = Ops.softmaxMasked(scores, seen)
  const graph = Graph.from({
    state: [
      [keys, grown],
      [at, next],
    ],
    batch: [row],
    results: { weights, read: contract(weights, grown), last: slice(grown, [5, 0], [1, width]) },
  })
  // Two steps more than there are rows: what does not fit is left out.
  return withState('cache', graph, specs, [{ shape: [1, width] }], rows + 2)
}

/** Random numbers that go on from step to step. */
function draws(): Case {
  const specs: readonly Spec[] = [
    { dtype: 'u32', shape: [2], fill: 'wild' },
    { dtype: 'u32', shape: [], fill: { below: 1 } },
  ]
  const [seed, step] = slots('state', specs) as [Tensor, Tensor]
  const graph = Graph.from({
    state: [
      [seed, seed],
      [step, Ops.addWords(step, Ops.word(1))],
    ],
    results: {
      some: Ops.uniform({ seed, step, stream: 7, shape: [5, 3] }),
      others: Ops.uniform({ seed, step, stream: 8, shape: [17] }),
    },
  })
  return withState('draws', graph, specs, [], 3)
}

function slots(kind: 'state' | 'batch', specs: readonly Spec[]): readonly Tensor[] {
  return specs.map(({ dtype = 'f32', shape }, index) =>
    input(kind, `${kind}${index}`, dtype, shape),
  )
}

function withState(
  name: string,
  graph: Graph.Graph,
  state: readonly Spec[],
  batch: readonly Spec[],
  steps: number,
): Case {
  const batches = Array.from({ length: steps }, (_, step) => bytesOf(name, batch, step))
  return { name, graph, state: bytesOf(`${name} state`, state, 0), batches }
}
