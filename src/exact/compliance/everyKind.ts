import * as Graph from '../Graph.ts'
import * as Program from '../Program.ts'
import * as Tensor from '../Tensor.ts'

/** A small graph with an op of every kind, for tests of whatever reads graphs. */
export function everyKind(): Graph.Graph {
  const weights = Tensor.input('state', 'weights', 'f32', [4, 6])
  const step = Tensor.input('state', 'step', 'u32', [])
  const ids = Tensor.input('batch', 'ids', 'u32', [3])
  const seed = Tensor.input('batch', 'seed', 'u32', [2])

  const rows = Tensor.gather(weights, ids)
  const product = Tensor.contract(rows, weights, { transposeB: true })
  const scale = Tensor.reshape(Tensor.reduce('max', product, 1), [3])
  const low = Tensor.map(toInteger, [product], { dtype: 'i8' })
  const operands = { a: low, b: low, scaleA: scale, scaleB: scale }
  const integer = Tensor.contractI8(operands, { transposeB: true })
  const words = Tensor.philox(seed, step, 7, [3, 3])
  const mixed = Tensor.map(mix, [integer, words])
  const wide = Tensor.concat([mixed, Tensor.transpose(mixed, [1, 0])], 1)
  const gradient = Tensor.scatterAdd(wide, ids, 4)
  const placed = Tensor.place(weights, Tensor.slice(gradient, [1, 0], [2, 6]), step, 0)
  const one = Tensor.map(
    Program.write(0, (w) => w.bits(1)),
    [],
    { dtype: 'u32' },
  )
  const next = Tensor.map(
    Program.write(2, (w, x, y) => w.iadd(x!, y!)),
    [step, one],
    {
      dtype: 'u32',
    },
  )
  return Graph.from({
    state: [
      [weights, placed],
      [step, next],
    ],
    batch: [ids, seed],
    results: { total: Tensor.broadcast(Tensor.reduce('sumsq', wide, 1), [3, 2]), step },
  })
}

const toInteger = Program.write(1, (w, x) => w.nearest(w.mul(x!, w.f32(10))))
const mix = Program.write(2, (w, x, y) => w.fma(x!, w.float(y!), w.f32(0.5)))
