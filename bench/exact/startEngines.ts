import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Server, startServer } from './startServer.ts'
import { isInF32, operationsOf, type Request, type Task, type Times } from './Task.ts'

/** An engine as a process, on some threads. */
export type Engine = {
  readonly name: EngineName
  readonly threads: number
  readonly can: (task: Task) => boolean
  readonly measure: Server['measure']
}

export type EngineName =
  | 'exact'
  | 'exact wide'
  | 'OpenBLAS'
  | 'ort native'
  | 'ort web'
  | 'tfjs wasm'
  | 'jax-js'
  | 'llama.cpp'

/** Engines, and what keeps them. */
export type Engines = AsyncDisposable & { readonly engines: readonly Engine[] }

const here = import.meta.dirname
const peers = join(here, '..', 'peers')

/**
 * Starts the engines that can do some tasks, those that the machine has: OpenBLAS takes a C compiler
 * and the library (OPENBLAS names it), the peers a registry of packages.
 */
export async function startEngines(
  { say }: { readonly say: (text: string) => void },
  { tasks, threads }: { readonly tasks: readonly Task[]; readonly threads: readonly number[] },
): Promise<Engines> {
  await using stack = new AsyncDisposableStack()
  const engines: Engine[] = []
  const library = buildOpenBlas(stack)
  const hasPeers = installPeers()
  if (!library) say('OpenBLAS is left out: it takes gcc and libopenblas.')
  if (!hasPeers) say('onnxruntime and tfjs are left out: bench/peers could not be installed.')
  const kinds = kindsOf(library).filter(({ script }) => hasPeers || !script.startsWith(peers))
  for (const kind of kinds)
    for (const count of threads) {
      if (count > 1 && kind.isSingle) continue
      if (!tasks.some(kind.can)) continue
      const { name, can } = kind
      const { measure } = stack.use(startKind(kind, count))
      engines.push({ name, can, threads: count, measure })
    }
  const owned = stack.move()
  return { engines, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

type Kind = {
  readonly name: EngineName
  readonly script: string
  readonly args: readonly string[]
  readonly can: (task: Task) => boolean
  readonly isSingle?: boolean
  readonly options?: Parameters<typeof startServer>[2]
  /** Instead of Node. */
  readonly program?: string
}

function kindsOf(openBlas: { readonly path: string; readonly library: string } | undefined) {
  const own = join(here, 'wasmServer.ts')
  const onnx = join(peers, 'onnxServer.ts')
  const inF32 = (task: Task) => task.task !== 'decode' && isInF32(task)
  const wide = ['--experimental-wasm-revectorize']
  const kinds: Kind[] = [
    { name: 'exact', script: own, args: [], can: () => true },
    { name: 'exact wide', script: own, args: wide, can: () => true },
    { name: 'ort native', script: onnx, args: ['native'], can: inF32 },
    { name: 'ort web', script: onnx, args: ['web'], can: inF32 },
    {
      name: 'tfjs wasm',
      script: join(peers, 'tfjsServer.ts'),
      args: [],
      can: inF32,
      isSingle: true,
    },
    { name: 'jax-js', script: join(here, 'jaxServer.ts'), args: [], can: inF32, isSingle: true },
    {
      name: 'llama.cpp',
      script: join(here, 'llamaServer.ts'),
      args: [],
      can: ({ task }) => task === 'decode',
    },
  ]
  if (openBlas)
    kinds.push({
      name: 'OpenBLAS',
      script: '',
      program: openBlas.path,
      args: [openBlas.library],
      can: (task) => task.task === 'product' && isInF32(task),
      options: { write: asWords, env: { OPENBLAS_CORETYPE: coreType() } },
    })
  return kinds
}

function startKind({ script, args, program, options }: Kind, threads: number): Server {
  if (program) return startServer(program, [...args, `${threads}`], options)
  const flags = args.filter((each) => each.startsWith('--'))
  const rest = args.filter((each) => !each.startsWith('--'))
  return startServer(process.execPath, [...flags, script, ...rest, `${threads}`], options)
}

function asWords({ task, repetitions }: Request): string {
  if (task.task !== 'product') throw new Error('OpenBLAS only multiplies.')
  return `${task.m} ${task.k} ${task.n} ${repetitions}`
}

/** Seconds that a task takes once: of the processor on one thread, of the wall on more. */
export function secondsOf({ threads }: Engine, times: Times, repetitions: number): number {
  return (threads === 1 ? times.cpuMs : times.wallMs) / 1000 / repetitions
}

/** How often to repeat a task: long enough for the clock, short enough to take turns. */
export function repetitionsOf(task: Task): number {
  return task.task === 'product' ? Math.max(1, Math.round(5e8 / operationsOf(task))) : 1
}

/** OpenBLAS takes a processor that is newer than itself for an old one: name its kernels by what the processor can do. */
function coreType(): string {
  const given = process.env['OPENBLAS_CORETYPE']
  if (given !== undefined) return given
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
  try {
    execFileSync('cc', ['-O2', join(here, 'openblas.c'), '-o', path, '-ldl'], { stdio: 'ignore' })
    execFileSync(path, [library], { input: '', stdio: ['pipe', 'ignore', 'ignore'] })
    return { path, library }
  } catch {
    return undefined
  }
}

/** Installs the peers when they are not there, none of their scripts run; whether they are there. */
function installPeers(): boolean {
  const marker = join(peers, 'node_modules', '.package-lock.json')
  const lock = join(peers, 'package-lock.json')
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return true
  try {
    const options = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    execFileSync('npm', options, { cwd: peers, stdio: ['ignore', 'ignore', 'inherit'] })
    return true
  } catch {
    return false
  }
}
