import { execFile } from 'node:child_process'
import { arch, cpus, totalmem } from 'node:os'
import { cpu, fsSize, mem } from 'systeminformation'
import type * as Offer from '../../protocol/Offer.ts'
import { nvidiaSmiArguments, parseNvidiaSmi, type Gpu } from './parseNvidiaSmi.ts'

/**
 * What this machine has, as an offer says it: processor, cores, memory, space on the largest disk,
 * NVIDIA GPUs. Whatever cannot be found out within its time is left empty or zero; it never throws.
 */
export async function detectHardware(
  options: detectHardware.Options = {},
): Promise<Offer.Hardware> {
  const { timeoutMs = 5000 } = options
  const [processor, memory, disks, { gpus }] = await Promise.all([
    within(timeoutMs, cpu()),
    within(timeoutMs, mem()),
    within(timeoutMs, fsSize()),
    detectGpus(options),
  ])
  const name = [processor?.manufacturer, processor?.brand].filter((part) => part).join(' ')
  return {
    cpu: (name || cpus()[0]?.model || arch()).slice(0, 128),
    cores: Math.min(65_535, processor?.cores || cpus().length),
    memoryBytes: bytes(memory?.total || totalmem()),
    diskBytes: bytes(Math.max(0, ...(disks ?? []).map(({ size }) => size))),
    gpus: [...gpus],
  }
}

export declare namespace detectHardware {
  type Options = {
    /** For each question asked of the machine. @default 5000 */
    timeoutMs?: number | undefined
    /** @default 'nvidia-smi' */
    nvidiaSmi?: string | undefined
  }
}

/**
 * The NVIDIA GPUs of this machine; when `nvidia-smi` is there but fails, what it says.
 * `systeminformation` lists none on most servers, which have no display.
 */
export async function detectGpus(
  options: detectHardware.Options = {},
): Promise<{ readonly gpus: readonly Gpu[]; readonly problem: string | undefined }> {
  const { timeoutMs = 5000, nvidiaSmi = 'nvidia-smi' } = options
  return await new Promise((resolve) => {
    const settings = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 1 << 20 } as const
    execFile(nvidiaSmi, nvidiaSmiArguments, settings, (error, stdout, stderr) => {
      const gpus = parseNvidiaSmi(stdout)
      const missing = error?.code === 'ENOENT'
      const said = (stdout || stderr || error?.message || '').trim().split('\n')[0] ?? ''
      const quiet = missing || gpus.length > 0
      resolve({ gpus, problem: quiet ? undefined : said.slice(0, 200) || 'it prints nothing' })
    })
  })
}

function bytes(value: number): bigint {
  return Number.isFinite(value) && value > 0 ? BigInt(Math.round(value)) : 0n
}

/** The library's commands have no time-out of their own. */
async function within<value>(ms: number, promise: Promise<value>): Promise<value | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([promise, late])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}
