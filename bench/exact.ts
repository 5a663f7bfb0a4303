import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, Figures } from './Bench.ts'
import { type Server, startServer } from './exact/startServer.ts'
import { median } from './interleave.ts'
import { table } from './table.ts'

/** Exact matrix products, one thread, in turns with OpenBLAS where the machine has it and a C compiler. */
export const bench: Bench = {
  description: 'exact matrix products against OpenBLAS (OPENBLAS names the library), one thread',
  async run({ say }) {
    await using stack = new AsyncDisposableStack()
    const script = join(import.meta.dirname, 'exact', 'wasmServer.ts')
    const servers = new Map<string, Server>()
    const start = (name: string, command: string, args: readonly string[]) =>
      servers.set(name, stack.use(startServer(command, args)))
    start('wasm', process.execPath, [script])
    start('revectorize', process.execPath, ['--experimental-wasm-revectorize', script])
    const program = buildOpenBlas(stack)
    if (program) process.env['OPENBLAS_CORETYPE'] ??= coreType()
    if (program) start('OpenBLAS', program.path, [program.library])
    else say('OpenBLAS is left out: it takes gcc and libopenblas.\n')

    const rows = await measure(servers)
    say(table(['product', ...servers.keys()], rows.map(shown)))
    say('\nmedians of billions of operations in a second of processor time')
    return figures(rows)
  },
}

const sizes = [256, 512, 1024]
const rounds = 15
const warmups = 5

type Row = {
  readonly kind: 'f32' | 'i8'
  readonly size: number
  readonly rates: ReadonlyMap<string, number>
  /** Of the rates in one round, against OpenBLAS: neighbours meet the same machine. */
  readonly ratio: (name: string) => number
}

async function measure(servers: ReadonlyMap<string, Server>): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const kind of ['f32', 'i8'] as const)
    for (const size of sizes) {
      const able = [...servers].filter(([name]) => kind === 'f32' || name !== 'OpenBLAS')
      const samples = new Map(able.map(([name]) => [name, [] as number[]]))
      for (let round = -warmups; round < rounds; round++)
        for (const [name, server] of round % 2 === 0 ? able : able.toReversed()) {
          const rate = await server.measure(kind, size)
          if (round >= 0) samples.get(name)!.push(rate)
        }
      const rates = new Map([...samples].map(([name, each]) => [name, median(each)]))
      const limits = samples.get('OpenBLAS') ?? []
      const ratio = (name: string) =>
        median(samples.get(name)!.map((rate, round) => rate / limits[round]!))
      rows.push({ kind, size, rates, ratio })
    }
  return rows
}

function shown({ kind, size, rates }: Row): readonly string[] {
  const cell = (name: string) => rates.get(name)?.toFixed(1) ?? ''
  return [`${kind} ${size}`, cell('wasm'), cell('revectorize'), cell('OpenBLAS')]
}

function figures(rows: readonly Row[]): Figures {
  const all = rows.flatMap(({ kind, size, rates }) =>
    [...rates].map(([name, rate]) => [`${name} ${kind} ${size} Gops`, rate] as const),
  )
  const large = rows.find(({ kind, size }) => kind === 'f32' && size === 1024)
  if (!large?.rates.has('OpenBLAS')) return Object.fromEntries(all)
  return {
    ...Object.fromEntries(all),
    matmul1024RatioDefault: large.ratio('wasm'),
    matmul1024RatioRevectorize: large.ratio('revectorize'),
  }
}

/** OpenBLAS takes a processor that is newer than itself for an old one: name its kernels by what the processor can do. */
function coreType(): string {
  const flags = readFileSync('/proc/cpuinfo', 'utf8')
  if (flags.includes('avx512dq')) return 'SkylakeX'
  return flags.includes('avx2') ? 'Haswell' : ''
}

/** The C program, and the library it loads; undefined when the machine lacks one of the two. */
function buildOpenBlas(stack: AsyncDisposableStack) {
  const library = process.env['OPENBLAS'] ?? 'libopenblas.so.0'
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'openblas')
  const source = join(import.meta.dirname, 'exact', 'openblas.c')
  try {
    execFileSync('cc', ['-O2', source, '-o', path, '-ldl'], { stdio: 'ignore' })
    execFileSync(path, [library], { input: '', stdio: ['pipe', 'ignore', 'ignore'] })
    return { path, library }
  } catch {
    return undefined
  }
}
