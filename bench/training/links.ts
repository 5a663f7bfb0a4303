import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const iproute = 'ip'

/** Machines on lines of their own, each a network namespace. */
export type Links = AsyncDisposable & {
  readonly machines: readonly { readonly host: string; readonly prefix: readonly string[] }[]
}

/** How long a packet is under way between any two, how many of a hundred are lost, and what each line carries. */
export type Line = { readonly delayMs: number; readonly lossPercent: number; readonly mbit: number }

/**
 * Joins namespaces by a relay of packets (`link.c`), which the kernel's TCP meets as it would meet the lines: for
 * kernels without netem.
 *
 * @returns undefined where it cannot be had: it takes root, iproute2, `/dev/net/tun` and a C compiler.
 */
export async function links(
  name: string,
  { count, delayMs, lossPercent, mbit }: Line & { count: number },
): Promise<Links | undefined> {
  await using stack = new AsyncDisposableStack()
  const directory = mkdtempSync(join(tmpdir(), 'weft-link-'))
  stack.defer(() => rmSync(directory, { recursive: true, force: true }))
  const program = join(directory, 'link')
  const source = join(import.meta.dirname, 'link.c')
  const compiled = spawnSync('cc', ['-O2', '-o', program, source], { stdio: 'ignore' })
  const isAble = process.getuid?.() === 0 && existsSync('/dev/net/tun')
  if (!isAble || compiled.status !== 0 || spawnSync(iproute, ['-V']).status !== 0) return undefined
  const device = `${name}${process.pid % 10_000}`
  const figures = [count, mbit, delayMs, lossPercent].map(String)
  const relay = spawn(program, [device, ...figures], { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void relay.kill('SIGKILL'))
  await once(relay.stdout, 'data')
  const machines = Array.from({ length: count }, (_, index) => {
    const space = `${device}${index}`
    const host = `10.80.0.${index + 1}`
    const ip = (words: string) => execFileSync(iproute, words.split(' '))
    ip(`netns add ${space}`)
    stack.defer(() => void ip(`netns del ${space}`))
    ip(`link set ${space} netns ${space}`)
    ip(`-n ${space} addr add ${host}/24 dev ${space}`)
    ip(`-n ${space} link set ${space} up`)
    ip(`-n ${space} link set lo up`)
    return { host, prefix: [iproute, 'netns', 'exec', space] }
  })
  const owned = stack.move()
  return { machines, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
