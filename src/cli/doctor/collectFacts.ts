import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { freemem, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod/mini'
import { findAnvil } from '../../chain/anvil.ts'
import { detectGpus } from '../../engine/hardware/detectHardware.ts'
import { buildOf, gpuFolder, startLlama } from '../../engine/llamaCpp.ts'
import type * as Offer from '../../protocol/Offer.ts'
import { messageOf } from '../../runtime/Errors.ts'
import { secp256k1 } from '../../runtime/secp256k1.ts'
import { freePort } from '../freePort.ts'
import * as NetworkFile from '../NetworkFile.ts'

/** What the doctor looks at. */
export type Facts = {
  readonly nodeVersion: string
  readonly llama:
    | { readonly build: string; readonly gpu: string | false }
    | { readonly problem: string }
  /** The version of node-llama-cpp that the GPU build must have. */
  readonly llamaVersion: string
  readonly gpuFolder: string
  readonly gpus: Offer.Hardware['gpus']
  /** Why nvidia-smi fails, where it is there and does. */
  readonly gpuProblem: string | undefined
  readonly secp256k1: 'native' | 'noble'
  readonly anvil: { readonly version?: string | undefined; readonly problem?: string | undefined }
  readonly chromium: string | undefined
  readonly disk: { readonly path: string; readonly freeBytes: number }
  readonly memory: { readonly freeBytes: number; readonly totalBytes: number }
  readonly ports: readonly { readonly port: number; readonly use: string; readonly free: boolean }[]
  readonly network: {
    readonly path: string
    readonly state: 'absent' | 'malformed' | 'unreachable' | 'answers'
    readonly problem?: string | undefined
  }
}

/** Looks at this machine. Nothing is changed, and every question has a time-out. */
export async function collectFacts(options: {
  home: string
  networkPath: string
  ports: readonly { port: number; use: string }[]
}): Promise<Facts> {
  const [llama, { gpus, problem }, anvil, disk, memory, ports, network] = await Promise.all([
    lookAtLlama(),
    detectGpus(),
    lookAtAnvil(),
    lookAtDisk(options.home),
    lookAtMemory(),
    Promise.all(
      options.ports.map(async ({ port, use }) => ({
        port,
        use,
        free: (await freePort(port)) === port,
      })),
    ),
    lookAtNetwork(options.networkPath),
  ])
  return {
    nodeVersion: process.version,
    llama,
    llamaVersion: llamaVersion(),
    gpuFolder,
    gpus: [...gpus],
    gpuProblem: problem,
    secp256k1: secp256k1.name,
    anvil,
    chromium: findChromium(),
    disk,
    memory,
    ports,
    network,
  }
}

const timeoutMs = 5000

async function lookAtLlama(): Promise<Facts['llama']> {
  try {
    await using llama = await startLlama()
    return { build: await buildOf(llama), gpu: llama.gpu }
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error
    return { problem: firstLine(messageOf(cause)) }
  }
}

/** What package.json asks for: the GPU build must be of the same version, or its tokens would differ. */
function llamaVersion(): string {
  const require = createRequire(import.meta.url)
  const { optionalDependencies } = packageFile.parse(require('../../../package.json'))
  return optionalDependencies['node-llama-cpp']
}

const packageFile = z.object({
  optionalDependencies: z.object({ 'node-llama-cpp': z.string() }),
})

async function lookAtAnvil(): Promise<Facts['anvil']> {
  const path = findAnvil()
  if (path === undefined) return {}
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: timeoutMs })
    return { version: firstLine(stdout) }
  } catch (error) {
    return { problem: firstLine(messageOf(error)) }
  }
}

function findChromium(): string | undefined {
  const named = process.env['CHROMIUM']
  return [
    ...(named === undefined ? [] : [named]),
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ].find((path) => existsSync(path))
}

/** Of the folder, or of the nearest one above it that is there already. */
async function lookAtDisk(path: string): Promise<Facts['disk']> {
  if (!existsSync(path) && dirname(path) !== path) {
    const { freeBytes } = await lookAtDisk(dirname(path))
    return { path, freeBytes }
  }
  const { bavail, bsize } = await statfs(path)
  return { path, freeBytes: bavail * bsize }
}

/** Linux counts what it would give back at once (`MemAvailable`); elsewhere only what is free. */
async function lookAtMemory(): Promise<Facts['memory']> {
  const table = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(table)?.[1]
  const freeBytes = available === undefined ? freemem() : Number(available) * 1024
  return { freeBytes, totalBytes: totalmem() }
}

async function lookAtNetwork(path: string): Promise<Facts['network']> {
  if (!existsSync(path)) return { path, state: 'absent' }
  let file: NetworkFile.NetworkFile
  try {
    file = NetworkFile.read(path)
  } catch (error) {
    return { path, state: 'malformed', problem: firstLine(messageOf(error)) }
  }
  try {
    const response = await fetch(file.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
      signal: AbortSignal.timeout(timeoutMs),
    })
    const { result } = chainIdAnswer.parse(await response.json())
    if (Number(result) === file.chainId) return { path, state: 'answers' }
    const problem = `it is chain ${Number(result)}, not ${file.chainId}`
    return { path, state: 'unreachable', problem }
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error
    return { path, state: 'unreachable', problem: firstLine(messageOf(cause)) }
  }
}

const chainIdAnswer = z.object({ result: z.string().check(z.regex(/^0x[0-9a-f]{1,16}$/i)) })

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').slice(0, 200)
}
