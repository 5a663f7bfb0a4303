import type { Part } from '../exact.ts'
import { median } from '../interleave.ts'
import { table } from '../table.ts'
import type { EngineName } from './startEngines.ts'
import { takeTurns } from './takeTurns.ts'
import { operationsOf, type Task } from './Task.ts'

type Product = Extract<Task, { task: 'product' }>

/** Squares, and products of a decoder: of activations with weights, and of a weight's gradient. */
const sizes: readonly (readonly [m: number, k: number, n: number])[] = [
  [256, 256, 256],
  [512, 512, 512],
  [1024, 1024, 1024],
  [1024, 384, 1024],
  [384, 1024, 1024],
  [512, 256, 688],
]

/** Matrix products on one thread, and the large ones on two. */
export const products: Part = async ({ say, startEngines }) => {
  const tasks = (['f32', 'i8'] as const).flatMap((kind) =>
    sizes.map(([m, k, n]): Product => ({ task: 'product', kind, m, k, n })),
  )
  const figures: Record<string, number> = {}
  for (const threads of [1, 2]) {
    await using started = await startEngines({ say }, { tasks, threads: [threads] })
    const { engines } = started
    const rows: string[][] = []
    const seconds = new Map<string, ReadonlyMap<EngineName, readonly number[]>>()
    for (const task of tasks) {
      if (threads > 1 && operationsOf(task) < 5e8) continue
      const able = engines.filter(({ can }) => can(task))
      const samples = await takeTurns(able, task, { rounds: 9, warmups: 3 })
      const found = new Map([...samples].map(([{ name }, each]) => [name, each]))
      const title = titleOf(task)
      seconds.set(title, found)
      const rate = (name: EngineName) => {
        const each = found.get(name)
        return each && operationsOf(task) / median(each) / 1e9
      }
      for (const { name } of able) figures[`${name} ${title} ${threads}t Gops`] = rate(name)!
      rows.push([title, ...engines.map(({ name }) => rate(name)?.toFixed(1) ?? '')])
    }
    const head = ['product', ...engines.map(({ name }) => name)]
    const unit = threads === 1 ? 'a second of processor time' : 'a second on the wall'
    say(table(head, rows))
    say(
      `\n${threads} thread${threads > 1 ? 's' : ''}, billions of operations in ${unit}, medians\n`,
    )
    Object.assign(figures, threads === 1 ? ratiosOf(seconds) : {})
  }
  return figures
}

function titleOf({ kind, m, k, n }: Product): string {
  return m === k && k === n ? `${kind} ${m}` : `${kind} ${m}x${k}x${n}`
}

/** Medians of the ratios within rounds. */
function ratiosOf(seconds: ReadonlyMap<string, ReadonlyMap<EngineName, readonly number[]>>) {
  const ratio = (ours: readonly [string, EngineName], theirs: readonly [string, EngineName]) => {
    const [a, b] = [ours, theirs].map(([title, name]) => seconds.get(title)?.get(name))
    return a && b ? median(a.map((value, round) => b[round]! / value)) : undefined
  }
  const others: readonly EngineName[] = ['ort web', 'tfjs wasm', 'jax-js']
  const slowest = others.map((name) => ratio(['f32 1024', 'exact'], ['f32 1024', name]))
  const known = slowest.filter((each) => each !== undefined)
  const ratios = {
    matmul1024RatioDefault: ratio(['f32 1024', 'exact'], ['f32 1024', 'OpenBLAS']),
    matmul1024RatioRevectorize: ratio(['f32 1024', 'exact wide'], ['f32 1024', 'OpenBLAS']),
    matmul1024RatioToOrtNative: ratio(['f32 1024', 'exact'], ['f32 1024', 'ort native']),
    matmul1024RatioToBestJs: known.length > 0 ? Math.min(...known) : undefined,
    i8OpsRatioToOrtNative: ratio(['i8 1024', 'exact'], ['f32 1024', 'ort native']),
    i8OpsRatioToOrtNativeRevectorize: ratio(['i8 1024', 'exact wide'], ['f32 1024', 'ort native']),
  }
  return Object.fromEntries(
    Object.entries(ratios).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  ) as Readonly<Record<string, number>>
}
