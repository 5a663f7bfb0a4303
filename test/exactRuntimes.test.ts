/**
 * The same bits wherever the engine runs: the compliance suite and trainings of 200 steps in every profile,
 * on three versions of Node, with one compiler of V8 or the other, with vectors joined, on some threads,
 * and without fused multiply-add. Here a tenth of the suite, `npm run test:exact-full` all of it.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'rolldown'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Compliance from '../src/exact/compliance.ts'
import { type Outcome, suiteOf, type Work } from './exactRuntime.ts'

const full = process.env['MODE'] === 'exact-full'
const everyCase = full ? 1 : 10
const steps = 200

/** What every runtime has to give: roots of runs, of the tiny decoder's 200 steps and of its first 3. */
const expected: Pick<Outcome, 'runs' | 'early'> = {
  runs: {
    f32: '1c60cf22034246138351c9346d696f14656a0a9133694b551a400f96ae940839',
    i8: '359cd6489b67aa8d928d4be234cfea125dba6d2d43f7bf1d2b841082554b61e0',
    i8x3: '365b64bae3c7a436419ad76ab9c97711f9c78d9718ea5bf12ee66987669469ea',
  },
  early: {
    f32: '57d05811ea7441622137233de506c5dbecfa4d38ee9e855651ed36580623951a',
    i8: 'f5797acb1e63d2eba1969207200719b1bd70168c8f899727b541a01c9379b096',
    i8x3: 'e1441634fb6270f0ba247483ba69ad3568450f191d2594d8bcdcf171e5489cc0',
  },
}

const nodes = {
  'Node 22': join(import.meta.dirname, 'runtimes', 'node_modules', 'node22', 'bin', 'node'),
  'Node 24': process.execPath,
  'Node 26': join(import.meta.dirname, 'runtimes', 'node_modules', 'node26', 'bin', 'node'),
} as const

const compilers = ['--liftoff-only', '--no-liftoff', '--experimental-wasm-revectorize'] as const

type Way = {
  readonly node: keyof typeof nodes
  readonly flags?: readonly string[]
  readonly work?: Partial<Work>
}

/** Each thing that may change a bit at least once; in full, all versions with all flags and threads. */
const ways: readonly Way[] = full
  ? (['Node 22', 'Node 24', 'Node 26'] as const).flatMap((node): Way[] => [
      ...[[], ...compilers.map((flag) => [flag])].flatMap((flags) =>
        [1, 2, 4].map((threads) => ({ node, flags, work: { threads } })),
      ),
      { node, work: { emulated: true } },
      { node, work: { emulated: true, threads: 2 } },
    ])
  : [
      { node: 'Node 22' },
      { node: 'Node 26', work: { threads: 2 } },
      { node: 'Node 24', flags: ['--liftoff-only'] },
      { node: 'Node 24', flags: ['--no-liftoff'] },
      { node: 'Node 24', flags: ['--experimental-wasm-revectorize'], work: { threads: 4 } },
      { node: 'Node 24', work: { emulated: true } },
    ]

const titled = ways.map((way) => [titleOf(way), way] as const)

let folder = ''
let suite = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-runtimes-'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  await build({
    input: {
      main: join(import.meta.dirname, 'exactRuntimeMain.ts'),
      worker: join(import.meta.dirname, '../src/exact/wasm/worker.ts'),
    },
    platform: 'node',
    // Node 22 knows no `await using`.
    transform: { target: 'es2022' },
    output: { dir: folder, format: 'esm', entryFileNames: '[name].js' },
    logLevel: 'warn',
  })
  suite = await suiteOf(everyCase, ({ name }) => Compliance.golden[name]!)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the same bits', () => {
  test.concurrent.each(titled)('%s', { timeout: 300_000 }, async (_, way) => {
    const outcome = await run(way)
    expect(outcome.node.split('.')[0]).toBe(way.node.replace('Node ', 'v'))
    expect(outcome.backend).toContain(way.work?.emulated ? 'emulated' : 'wasm')
    expect(outcome).toMatchObject({ suite, ...expected })
  })

  test.concurrent('the reference', { timeout: 300_000 }, async () => {
    const { runs, early } = await run({
      node: 'Node 24',
      work: { backend: 'reference', everyCase: 0, ...(full ? {} : { steps: 3 }) },
    })
    expect(early).toEqual(expected.early)
    expect(runs).toEqual(full ? expected.runs : expected.early)
  })
})

async function run({ node, flags = [], work = {} }: Way): Promise<Outcome> {
  const program = nodes[node]
  if (!existsSync(program))
    throw new Error(`${node} is not installed: run \`node scripts/setup.mjs --runtimes\`.`)
  const task: Work = { backend: 'wasm', everyCase, steps, ...work }
  const args = [...flags, join(folder, 'main.js'), JSON.stringify(task)]
  const env = { ...process.env, NODE_OPTIONS: '' }
  const { stdout } = await promisify(execFile)(program, args, { env })
  return JSON.parse(stdout) as Outcome
}

function titleOf({ node, flags = [], work = {} }: Way): string {
  const { threads = 1, emulated = false } = work
  const how = emulated ? ['emulated'] : []
  return [node, ...flags, `${threads} thread${threads > 1 ? 's' : ''}`, ...how].join(', ')
}
