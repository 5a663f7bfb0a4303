import { spawn, type ChildProcess } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { BaseError } from '../runtime/Errors.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Logger } from '../runtime/Logger.ts'
import { endOrphan, keepPreviousState, recoverState, stateWritten } from './anvilState.ts'
import type { Devnet, DevnetOptions } from './devnet.ts'

/**
 * The path of anvil's own binary for this machine, or undefined when npm has none. (The package's
 * wrapper is not used: killed, it leaves the binary behind.)
 */
export function findAnvil(): string | undefined {
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64']
  const suffix = process.platform === 'win32' ? '.exe' : ''
  try {
    const require = createRequire(import.meta.url)
    // The wrapper's package is the one that depends on the binaries'.
    const wrapper = createRequire(require.resolve('@foundry-rs/anvil/package.json'))
    const name = `@foundry-rs/anvil-${process.platform}-${architecture}`
    return wrapper.resolve(`${name}/bin/anvil${suffix}`)
  } catch {
    return undefined
  }
}

/**
 * Starts anvil and resolves when it answers. With a state file it goes on where it was, also after
 * `kill -9`, which loses the last few seconds; an anvil that a killed program left behind is ended first.
 *
 * @throws {StartError} when it exits before it answers, with what it said.
 */
export async function startAnvil(
  { clock, logger, binary }: { clock: Clock; logger: Logger; binary: string },
  options: DevnetOptions,
): Promise<Devnet> {
  const { chainId = 31_337, statePath, stateIntervalSeconds = 5, signal } = options
  signal?.throwIfAborted()
  if (statePath !== undefined) {
    if (await endOrphan(pidPath(statePath), { clock }))
      logger.warn({ statePath }, 'Ended a local chain that a killed program had left running.')
    const state = recoverState(statePath)
    if (state === 'restored')
      logger.warn({ statePath }, 'The state of the local chain was half written; took the copy.')
  }
  const port = options.port || (await freePort())
  const child = spawn(binary, argumentsOf({ ...options, port, chainId }), {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  const exited = exitOf(child)
  if (statePath !== undefined && child.pid !== undefined)
    writeFileSync(pidPath(statePath), JSON.stringify({ pid: child.pid, binary }))
  const rpcUrl = `http://127.0.0.1:${port}`
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => {
    await end(child, exited, clock)
    if (statePath !== undefined) rmSync(pidPath(statePath), { force: true })
  })
  await answer(rpcUrl, exited, { clock, signal })
  if (statePath !== undefined)
    stack.use(keepPreviousState(statePath, { clock, everyMs: stateIntervalSeconds * 1000 }))
  const owned = stack.move()
  return {
    rpcUrl,
    port,
    chainId,
    pid: child.pid!,
    exited,
    async save() {
      if (statePath === undefined) return
      await stateWritten(statePath, { clock, limitMs: stateIntervalSeconds * 4000 })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const startLimitMs = 60_000
const endLimitMs = 10_000

/** Nobody pays fees on a local chain, so that a fresh key can take part at once. */
function argumentsOf({
  port,
  chainId,
  statePath,
  blockTimeSeconds = 1,
  stateIntervalSeconds = 5,
}: DevnetOptions & { port: number; chainId: number }): readonly string[] {
  const settings = {
    host: '127.0.0.1',
    port,
    'chain-id': chainId,
    accounts: 0,
    'base-fee': 0,
    'gas-price': 0,
    'gas-limit': 60_000_000,
    order: 'fifo',
  }
  return [
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    '--no-priority-fee',
    '--quiet',
    ...(blockTimeSeconds > 0 ? ['--block-time', `${blockTimeSeconds}`] : []),
    ...(statePath === undefined
      ? []
      : ['--state', statePath, '--state-interval', `${stateIntervalSeconds}`]),
  ]
}

/** Resolves with the reason when the process ends. */
function exitOf(child: ChildProcess): Promise<string> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4096)
  })
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) =>
      resolve(said.trim() || (signal ? `ended by ${signal}` : `exit code ${code}`)),
    )
  })
}

async function answer(
  rpcUrl: string,
  exited: Promise<string>,
  { clock, signal }: { clock: Clock; signal?: AbortSignal | undefined },
): Promise<void> {
  let reason: string | undefined
  void exited.then((text) => (reason = text))
  const startedAt = clock.now()
  while (clock.now() - startedAt < startLimitMs) {
    if (reason !== undefined) throw new StartError({ rpcUrl, reason })
    if (await isAnswering(rpcUrl)) return
    await clock.sleep(30, { signal })
  }
  throw new StartError({ rpcUrl, reason: `no answer within ${startLimitMs / 1000} s` })
}

/** Whether a node answers at this URL. */
async function isAnswering(rpcUrl: string): Promise<boolean> {
  try {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
      signal: AbortSignal.timeout(2000),
    })
    return response.ok && (await response.text()).includes('"result"')
  } catch {
    return false
  }
}

/** SIGTERM lets it save its state. */
async function end(child: ChildProcess, exited: Promise<string>, clock: Clock): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  child.kill('SIGTERM')
  const limit = new AbortController()
  const tooLate = clock.sleep(endLimitMs, { signal: limit.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  )
  await exited
  limit.abort(new Error('ended'))
  await tooLate
}

function pidPath(statePath: string): string {
  return `${statePath}.pid`
}

/** A port that nothing listens on now. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

/** Thrown when the local chain does not start. */
export class StartError extends BaseError {
  override readonly code = 'Chain.StartError'

  constructor({ rpcUrl, reason }: { rpcUrl: string; reason: string }) {
    super('The local chain did not start.', {
      metaMessages: [
        `Address: ${rpcUrl}`,
        `Reason: ${reason}`,
        'Fix: if the port is in use, end the program that uses it or choose another port.',
      ],
    })
  }
}
