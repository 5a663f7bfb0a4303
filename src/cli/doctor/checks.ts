import type { Facts } from './collectFacts.ts'

/** One line of the doctor: what was looked at, how it is, and exactly what to do about it. */
export type Finding = {
  readonly name: string
  /** `missing` stops something that every party needs; `warning` something that some need. */
  readonly state: 'ok' | 'warning' | 'missing'
  readonly detail: string
  readonly fix?: string | undefined
}

/** Everything the doctor has to say about these facts. Pure. */
export function examine(facts: Facts): readonly Finding[] {
  return [
    checkNode(facts),
    checkLlama(facts),
    ...checkGpu(facts),
    checkSecp256k1(facts),
    checkAnvil(facts),
    checkChromium(facts),
    checkDisk(facts),
    checkMemory(facts),
    ...facts.ports.map(checkPort),
    checkNetwork(facts),
  ]
}

/** Whether something that every party needs is missing. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'missing')
}

/** Findings as lines for people, fixes below. */
export function format(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length))
  const lines = findings.flatMap(({ name, state, detail, fix }) => [
    `${state.padEnd(8)} ${name.padEnd(width)}  ${detail}`,
    ...(fix === undefined ? [] : [`${' '.repeat(width + 11)}fix: ${fix}`]),
  ])
  const missing = findings.filter(({ state }) => state === 'missing').length
  const warnings = findings.filter(({ state }) => state === 'warning').length
  const summary =
    missing > 0
      ? `${missing} missing, ${warnings} warnings.`
      : `Nothing is missing, ${warnings} warnings.`
  return [...lines, '', summary].join('\n')
}

const gigabyte = 1_000_000_000

function checkNode({ nodeVersion }: Facts): Finding {
  const name = 'node'
  const major = Number(/^v?(\d+)\./.exec(nodeVersion)?.[1] ?? 0)
  if (major >= 24) return { name, state: 'ok', detail: nodeVersion }
  const detail = `${nodeVersion}, but 24 or newer is needed`
  const fix = 'run it as `npm run weft -- ...`, which uses the Node that npm installed here'
  return { name, state: 'missing', detail, fix }
}

function checkLlama({ llama }: Facts): Finding {
  const name = 'llama.cpp'
  if ('build' in llama) return { name, state: 'ok', detail: llama.build }
  return {
    name,
    state: 'missing',
    detail: `cannot run here: ${llama.problem}`,
    fix: '`npm install --include=optional` in the folder of weft; without it, serve a model with --upstream URL',
  }
}

/** A GPU is a warning at most: everything works without one, only slower. */
function checkGpu(facts: Facts): readonly Finding[] {
  const { gpus, gpuProblem, llama, llamaVersion, gpuFolder } = facts
  const name = 'gpu'
  if (gpuProblem !== undefined)
    return [
      {
        name,
        state: 'warning',
        detail: `nvidia-smi fails: ${gpuProblem}`,
        fix: 'install the NVIDIA driver again, or restart the machine after a driver update',
      },
    ]
  const [first] = gpus
  if (!first) return [{ name, state: 'ok', detail: 'none found; models run on the processor' }]
  const detail = `${gpus.length} x ${first.name}, driver ${first.driver || 'unknown'}`
  if ('build' in llama && llama.gpu !== false)
    return [{ name, state: 'ok', detail: `${detail}, used through ${llama.gpu}` }]
  return [
    {
      name,
      state: 'warning',
      detail: `${detail}, but the installed llama.cpp runs on the processor alone`,
      fix: `${gpuCommand(gpuFolder, llamaVersion)}   (over 600 MB; found there by itself)`,
    },
  ]
}

/**
 * Installs the GPU build beside the project: the project's own `overrides` replace its packages by an
 * empty one, and overrides do not reach into another folder.
 */
export function gpuCommand(folder: string, version: string): string {
  return `npm install --prefix ${quoted(folder)} node-llama-cpp@${version}`
}

function quoted(path: string): string {
  return /^[\w./~:\\-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

function checkSecp256k1({ secp256k1 }: Facts): Finding {
  const name = 'secp256k1'
  if (secp256k1 === 'native') return { name, state: 'ok', detail: 'native' }
  return {
    name,
    state: 'warning',
    detail: 'plain JavaScript: vouchers are verified about ten times slower',
    fix: '`npm rebuild secp256k1` (needs a C++ compiler where npm has no build of it)',
  }
}

function checkAnvil({ anvil }: Facts): Finding {
  const name = 'anvil'
  if (anvil.version !== undefined) return { name, state: 'ok', detail: anvil.version }
  return {
    name,
    state: 'missing',
    detail: `the local chain cannot start: ${anvil.problem ?? 'npm has no build for this machine'}`,
    fix: '`npm install` in the folder of weft; without it, join a network on a public chain',
  }
}

function checkChromium({ chromium }: Facts): Finding {
  const name = 'chromium'
  if (chromium !== undefined) return { name, state: 'ok', detail: chromium }
  return {
    name,
    state: 'warning',
    detail: 'none found; only the tests of the web page need it',
    fix: '`apt-get install chromium`, or set CHROMIUM to its path',
  }
}

function checkDisk({ disk }: Facts): Finding {
  const detail = `${size(disk.freeBytes)} free at ${disk.path}`
  return byAmount('disk', disk.freeBytes, detail, {
    needed: 0.5 * gigabyte,
    comfortable: 5 * gigabyte,
    fix: 'free some space, or choose another folder with --home',
  })
}

function checkMemory({ memory }: Facts): Finding {
  const detail = `${size(memory.freeBytes)} free of ${size(memory.totalBytes)}`
  return byAmount('memory', memory.freeBytes, detail, {
    needed: 0.5 * gigabyte,
    comfortable: 3 * gigabyte,
    fix: 'close other programs; a whole local network wants about 3 GB',
  })
}

function byAmount(
  name: string,
  amount: number,
  detail: string,
  limits: { needed: number; comfortable: number; fix: string },
): Finding {
  if (amount >= limits.comfortable) return { name, state: 'ok', detail }
  const state = amount >= limits.needed ? 'warning' : 'missing'
  return { name, state, detail, fix: limits.fix }
}

function checkPort({ port, use, free }: Facts['ports'][number]): Finding {
  const name = `port ${port}`
  if (free) return { name, state: 'ok', detail: `free for ${use}` }
  return {
    name,
    state: 'warning',
    detail: `in use, wanted for ${use}; \`weft demo\` takes another one by itself`,
    fix: `end the program that listens on it, or choose another port`,
  }
}

function checkNetwork({ network }: Facts): Finding {
  const name = 'network'
  const { path, problem } = network
  switch (network.state) {
    case 'answers':
      return { name, state: 'ok', detail: `${path}: its chain answers` }
    case 'absent':
      return {
        name,
        state: 'warning',
        detail: `no network file at ${path}; only \`weft demo\` works without one`,
        fix: 'put the file of the network to join there, or name it with --network FILE',
      }
    case 'malformed':
      return {
        name,
        state: 'missing',
        detail: `${path} cannot be used: ${problem}`,
        fix: 'fetch the network file again',
      }
    case 'unreachable':
      return {
        name,
        state: 'missing',
        detail: `the chain that ${path} names does not answer: ${problem}`,
        fix: 'check the connection and `rpcUrl` in that file; for a local network run `npm start`',
      }
  }
}

function size(bytes: number): string {
  return `${(bytes / gigabyte).toFixed(1)} GB`
}
