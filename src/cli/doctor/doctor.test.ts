import { execFile } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { examine, format, gpuCommand, isHealthy } from './checks.ts'
import { collectFacts, type Facts } from './collectFacts.ts'

const healthy: Facts = {
  nodeVersion: 'v24.21.0',
  llama: { build: 'llama.cpp v1 cpu AVX', gpu: false },
  llamaVersion: '3.22.1',
  gpuFolder: '/home/ada/.weft/gpu',
  gpus: [],
  gpuProblem: undefined,
  secp256k1: 'native',
  anvil: { version: 'anvil 1.7.1' },
  chromium: '/usr/bin/chromium',
  disk: { path: '/home/ada/.weft', freeBytes: 50e9 },
  memory: { freeBytes: 8e9, totalBytes: 16e9 },
  ports: [{ port: 8787, use: 'the gateway', free: true }],
  network: { path: '/home/ada/.weft/network.json', state: 'answers' },
}
const gpu = { name: 'NVIDIA A10', memoryBytes: 24_146_608_128n, driver: '535.183.01' }

describe('examine', () => {
  test('has nothing to say about a machine that has everything', () => {
    const findings = examine(healthy)
    expect(findings.filter(({ state }) => state !== 'ok')).toEqual([])
    expect(isHealthy(findings)).toBe(true)
  })

  const cases: readonly (readonly [
    string,
    Partial<Facts>,
    string,
    'warning' | 'missing',
    RegExp,
  ])[] = [
    ['an old Node', { nodeVersion: 'v20.20.2' }, 'node', 'missing', /npm run weft/],
    [
      'no llama.cpp',
      { llama: { problem: 'no build' } },
      'llama.cpp',
      'missing',
      /--include=optional/,
    ],
    [
      'an unused GPU',
      { gpus: [gpu] },
      'gpu',
      'warning',
      /npm install --prefix .* node-llama-cpp@3\.22\.1/,
    ],
    ['a broken driver', { gpuProblem: 'mismatch' }, 'gpu', 'warning', /driver again/],
    ['slow signatures', { secp256k1: 'noble' }, 'secp256k1', 'warning', /npm rebuild secp256k1/],
    ['no anvil', { anvil: {} }, 'anvil', 'missing', /npm install/],
    ['no browser', { chromium: undefined }, 'chromium', 'warning', /apt-get install chromium/],
    ['a nearly full disk', { disk: { path: '/', freeBytes: 2e9 } }, 'disk', 'warning', /--home/],
    ['a full disk', { disk: { path: '/', freeBytes: 1e6 } }, 'disk', 'missing', /--home/],
    [
      'little memory',
      { memory: { freeBytes: 1e9, totalBytes: 4e9 } },
      'memory',
      'warning',
      /close/,
    ],
    [
      'a busy port',
      { ports: [{ port: 8787, use: 'the gateway', free: false }] },
      'port 8787',
      'warning',
      /another port/,
    ],
    [
      'no network',
      { network: { path: 'n.json', state: 'absent' } },
      'network',
      'warning',
      /--network/,
    ],
    [
      'a damaged network file',
      { network: { path: 'n.json', state: 'malformed', problem: 'not JSON' } },
      'network',
      'missing',
      /fetch the network file again/,
    ],
    [
      'a silent chain',
      { network: { path: 'n.json', state: 'unreachable', problem: 'refused' } },
      'network',
      'missing',
      /rpcUrl/,
    ],
  ]
  test.each(cases)('says what to do about %s', (_, changes, name, state, fix) => {
    const findings = examine({ ...healthy, ...changes })
    const notOk = findings.filter((finding) => finding.state !== 'ok')
    expect(notOk.map((finding) => [finding.name, finding.state])).toEqual([[name, state]])
    expect(notOk[0]?.fix).toMatch(fix)
    expect(isHealthy(findings)).toBe(state !== 'missing')
  })

  test('is content with a GPU that is used', () => {
    const llama = { build: 'llama.cpp v1 cuda', gpu: 'cuda' }
    const finding = examine({ ...healthy, gpus: [gpu, gpu], llama }).find(
      ({ name }) => name === 'gpu',
    )
    expect(finding).toEqual({
      name: 'gpu',
      state: 'ok',
      detail: '2 x NVIDIA A10, driver 535.183.01, used through cuda',
    })
  })
})

describe('gpuCommand', () => {
  test('can be pasted whatever the folder is called', () => {
    expect(gpuCommand('/home/ada/.weft/gpu', '3.22.1')).toBe(
      'npm install --prefix /home/ada/.weft/gpu node-llama-cpp@3.22.1',
    )
    expect(gpuCommand("/home/a b'c/gpu", '1.0.0')).toContain(`'/home/a b'\\''c/gpu'`)
  })
})

describe('format', () => {
  test('puts each fix below its line, and counts', () => {
    const text = format(examine({ ...healthy, secp256k1: 'noble', anvil: {} }))
    expect(text).toMatch(/missing {2}anvil .*\n +fix: `npm install`/)
    expect(text).toMatch(/1 missing, 1 warnings\.$/)
    expect(format(examine(healthy))).toMatch(/Nothing is missing, 0 warnings\.$/)
  })
})

describe('collectFacts', () => {
  const networkFile = (rpcUrl: string) => ({
    name: 'test',
    chainId: 31_337,
    rpcUrl,
    contracts: { vault: address(1), usd: address(2), registry: address(3) },
    withdrawalDelaySeconds: 1,
    unbondingDelaySeconds: 1,
    disputes: {
      address: address(4),
      clockSeconds: 1,
      windowSeconds: 1,
      withdrawalDelaySeconds: 1,
    },
    bootstrap: [],
    validators: [],
  })
  const address = (digit: number) => `0x${String(digit).repeat(40)}`
  const look = async (networkPath: string) =>
    (await collectFacts({ home: tmpdir(), networkPath, ports: [] })).network

  test('looks at this machine', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const facts = await collectFacts({
      home: join(tmpdir(), 'not', 'yet', 'there'),
      networkPath: '/nowhere/network.json',
      ports: [{ port, use: 'a test' }],
    })
    server.close()
    expect(facts.nodeVersion).toBe(process.version)
    expect(facts.llama).toHaveProperty('build')
    expect(facts.llamaVersion).toMatch(/^\d+\.\d+\.\d+$/)
    expect(facts.disk.freeBytes).toBeGreaterThan(0)
    expect(facts.memory.freeBytes).toBeGreaterThan(0)
    expect(facts.ports).toEqual([{ port, use: 'a test', free: false }])
    expect(facts.network.state).toBe('absent')
  })

  test('asks the chain that the network file names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-doctor-'))
    const path = join(folder, 'network.json')
    await writeFile(path, '{"name": 1}')
    expect(await look(path)).toMatchObject({ state: 'malformed' })
    await writeFile(path, JSON.stringify(networkFile('http://127.0.0.1:1')))
    expect(await look(path)).toMatchObject({ state: 'unreachable' })

    let chainId = '0x7a69'
    const server = createServer((_, response) =>
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: chainId })),
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await writeFile(path, JSON.stringify(networkFile(`http://127.0.0.1:${port}`)))
    expect(await look(path)).toMatchObject({ state: 'answers' })
    chainId = '0x1'
    expect(await look(path)).toMatchObject({
      state: 'unreachable',
      problem: 'it is chain 1, not 31337',
    })
    server.close()
  })
})

describe('doctorCommand', () => {
  test('prints one JSON line and exits with 1 when something is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-doctor-'))
    const program = join(folder, 'program.mts')
    await writeFile(
      program,
      `import { doctorCommand } from ${JSON.stringify(join(import.meta.dirname, '../doctor.ts'))}
      await doctorCommand().parseAsync(process.argv)`,
    )
    const network = join(folder, 'network.json')
    await writeFile(network, 'broken')
    const run = promisify(execFile)
    const failed: unknown = await run(process.execPath, [
      program,
      '--json',
      '--home',
      folder,
    ]).catch((error: unknown) => error)
    const { code, stdout } = failed as { code: number; stdout: string }
    expect(code).toBe(1)
    const { healthy: isWell, findings } = JSON.parse(stdout) as {
      healthy: boolean
      findings: { name: string; state: string }[]
    }
    expect(isWell).toBe(false)
    expect(findings.find(({ name }) => name === 'network')?.state).toBe('missing')
  })
})
