import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { detectGpus, detectHardware } from './detectHardware.ts'
import { parseNvidiaSmi } from './parseNvidiaSmi.ts'

const recording = (name: string) => join('test/recordings/nvidia-smi', name)
const parse = async (name: string) => parseNvidiaSmi(await readFile(recording(name), 'utf8'))
const mib = (count: bigint) => count * 1_048_576n

describe('parseNvidiaSmi', () => {
  test('reads eight H100 of one machine', async () => {
    const gpus = await parse('h100-sxm-x8.csv')
    expect(gpus).toHaveLength(8)
    expect(new Set(gpus.map(({ name }) => name))).toEqual(new Set(['NVIDIA H100 80GB HBM3']))
    expect(gpus[7]).toEqual({
      name: 'NVIDIA H100 80GB HBM3',
      memoryBytes: mib(81_559n),
      driver: '560.35.03',
    })
  })

  test('reads an A10 and two RTX 4090', async () => {
    expect(await parse('a10.csv')).toEqual([
      { name: 'NVIDIA A10', memoryBytes: mib(23_028n), driver: '535.183.01' },
    ])
    expect((await parse('rtx4090-x2.csv')).map(({ memoryBytes }) => memoryBytes)).toEqual([
      mib(24_564n),
      mib(24_564n),
    ])
  })

  test('says that a GPU is cut into slices', async () => {
    expect((await parse('a100-mig.csv')).map(({ name }) => name)).toEqual([
      'NVIDIA A100-SXM4-40GB (MIG)',
      'NVIDIA A100-SXM4-40GB',
    ])
  })

  test('counts memory that a GPU does not say as none', async () => {
    expect((await parse('gtx-na.csv')).map(({ memoryBytes }) => memoryBytes)).toEqual([
      mib(2000n),
      0n,
    ])
    expect(await parse('gb10-unified.csv')).toEqual([
      { name: 'NVIDIA GB10', memoryBytes: 0n, driver: '580.95.05' },
    ])
  })

  test('leaves out a GPU that was lost', async () => {
    expect((await parse('lost-gpu.csv')).map(({ name }) => name)).toEqual([
      'NVIDIA GeForce RTX 3090',
    ])
  })

  test.each(['driver-not-loaded.txt', 'no-devices.txt', 'mismatch.txt', 'garbage.txt'])(
    'finds nothing in %s',
    async (name) => {
      expect(await parse(name)).toEqual([])
    },
  )

  test('takes any text, and never more than an offer holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
        expect(parseNvidiaSmi(text).length).toBeLessThanOrEqual(64)
      }),
    )
    const line = '0, NVIDIA A10, 23028, 535.183.01, 00000000:00:1E.0, GPU-4d1c2f6a, [N/A]\n'
    expect(parseNvidiaSmi(line.repeat(10_000))).toHaveLength(64)
  })
})

describe('detectGpus', () => {
  const tool = async (script: string) => {
    const path = join(await mkdtemp(join(tmpdir(), 'weft-smi-')), 'nvidia-smi')
    await writeFile(path, `#!/bin/sh\n${script}\n`)
    await chmod(path, 0o755)
    return path
  }

  test('runs the tool and reads what it prints', async () => {
    const nvidiaSmi = await tool(`cat ${join(process.cwd(), recording('rtx4090-x2.csv'))}`)
    const { gpus, problem } = await detectGpus({ nvidiaSmi })
    expect({ count: gpus.length, problem }).toEqual({ count: 2, problem: undefined })
  })

  test('says why the tool fails', async () => {
    const path = join(process.cwd(), recording('driver-not-loaded.txt'))
    const { gpus, problem } = await detectGpus({ nvidiaSmi: await tool(`cat ${path}; exit 9`) })
    expect(gpus).toEqual([])
    expect(problem).toContain("couldn't communicate with the NVIDIA driver")
  })

  test('is content where there is no tool', async () => {
    const found = await detectGpus({ nvidiaSmi: '/nowhere/nvidia-smi' })
    expect(found).toEqual({ gpus: [], problem: undefined })
  })

  test('does not wait for a tool that hangs', async () => {
    const found = await detectGpus({ nvidiaSmi: await tool('exec sleep 60'), timeoutMs: 200 })
    expect(found.gpus).toEqual([])
  })
})

describe('detectHardware', () => {
  test('finds what this machine has', async () => {
    const hardware = await detectHardware()
    expect(hardware.cpu).not.toBe('')
    expect(hardware.cores).toBeGreaterThan(0)
    expect(hardware.memoryBytes).toBeGreaterThan(100_000_000n)
    expect(hardware.diskBytes).toBeGreaterThan(0n)
  })

  test('falls back to what Node knows when its time is over', async () => {
    const hardware = await detectHardware({ timeoutMs: 0, nvidiaSmi: '/nowhere/nvidia-smi' })
    expect(hardware.cores).toBeGreaterThan(0)
    expect(hardware.memoryBytes).toBeGreaterThan(100_000_000n)
    expect(hardware.gpus).toEqual([])
  })
})
