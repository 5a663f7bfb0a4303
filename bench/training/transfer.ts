import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { httpsBulk } from '../../src/network/https.ts'
import { silentLogger } from '../../src/runtime/silentLogger.ts'
import { systemClock } from '../../src/runtime/systemClock.ts'
import type { Bench, Figures } from '../Bench.ts'
import { interleave } from '../interleave.ts'
import { table } from '../table.ts'
import { namespace } from './namespace.ts'
import type { Served } from './transferServer.ts'

const bytes = 100_000_000

/**
 * 100 MB fetched by hash (TLS, both hashes and the disk included) against one raw TCP stream that is read and
 * thrown away, in turns: over a link of 1 Gbit/s between two namespaces, and over bare loopback, where nothing but
 * the processors limits either.
 */
export async function transfer({ say }: Bench.Ports): Promise<Figures> {
  using link = namespace({ mbit: 1000 })
  const loopback = await measure({ host: '127.0.0.1', prefix: [] })
  const gigabit = link && (await measure({ host: link.there, prefix: link.prefix }))
  const rows = Object.entries({ 'bare loopback': loopback, '1 Gbit/s': gigabit }).flatMap(
    ([name, each]) =>
      each
        ? [[name, each.a.median.toFixed(0), each.b.median.toFixed(0), each.ratio.toFixed(3)]]
        : [],
  )
  say(table(['path', 'by hash, MB/s', 'raw TCP, MB/s', 'ratio'], rows))
  if (!link) say('The link of 1 Gbit/s needs root and iproute2: left out.')
  return {
    transferLoopbackRatio: loopback.ratio,
    transferLoopbackMBps: loopback.a.median,
    ...(gigabit ? { transferRatio: gigabit.ratio, transferMBps: gigabit.a.median } : {}),
  }
}

async function measure({ host, prefix }: { host: string; prefix: readonly string[] }) {
  await using stack = new AsyncDisposableStack()
  const directory = mkdtempSync(join(tmpdir(), 'weft-transfer-'))
  stack.defer(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'file'), randomBytes(bytes))
  const server = join(import.meta.dirname, 'transferServer.ts')
  const [program, ...words] = [...prefix, process.execPath, server, directory, host, String(bytes)]
  const child = spawn(program!, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  const { source, hash, rawPort } = JSON.parse(value as string) as Served
  const ports = { clock: systemClock(), logger: silentLogger() }
  const bulk = stack.use(await httpsBulk(ports, { directory: join(directory, 'client') }))
  const copy = join(directory, 'copy')
  const fetched = async () => {
    rmSync(copy, { force: true })
    return await speed(async () => bulk.fetch(hash, copy, [source]))
  }
  return await interleave({ rounds: 7, warmup: 2 }, fetched, async () =>
    speed(async () => readRaw(host, rawPort)),
  )
}

async function readRaw(host: string, port: number): Promise<void> {
  const socket = connect(port, host)
  let read = 0
  socket.on('data', (part) => (read += part.length))
  await once(socket, 'end')
  socket.destroy()
  if (read !== bytes) throw new Error(`The raw stream brought ${read} bytes.`)
}

async function speed(move: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await move()
  return bytes / 1000 / (performance.now() - start)
}
