import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import * as RunRoot from '../../exact/commit/RunRoot.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import * as Graph from '../../exact/Graph.ts'
import * as Ops from '../../exact/ops.ts'
import { hashOf, originOf } from '../../exact/run/Claim.ts'
import { input } from '../../exact/Tensor.ts'
import { bytesOf } from '../../exact/train/startRun.ts'
import * as RunFolder from './RunFolder.ts'

const count = input('state', 'count', 'u32', [])
const graph = Graph.from({ state: [[count, Ops.addWords(count, Ops.word(1))]] })
const stateOf = (steps: number) => [bytesOf(Uint32Array.of(steps))]
const rootOf = (steps: number) => StateRoot.from(graph.state, stateOf(steps))
const zeros = new Uint8Array(32)
const origin = originOf(graph, { startRoot: rootOf(0), dataRoot: zeros, seed: [1, 0] })
const about = { model: '{}' }

const home = mkdtempSync(join(tmpdir(), 'weft-run-'))
afterAll(() => rmSync(home, { recursive: true }))

/** Runs steps in a folder, a checkpoint after each third. */
function follow(path: string, steps: number): void {
  using folder = RunFolder.open(path, { graph, origin, about })
  for (let step = folder.entries.length; step < steps; step++) {
    folder.append({ step, loss: step, root: hashOf(rootOf(step + 1)) })
    if ((step + 1) % 3 === 0) keep(folder, step + 1)
  }
}

function keep(folder: RunFolder.RunFolder, steps: number): void {
  const stateRoot = hashOf(rootOf(steps))
  folder.checkpoint({ origin, steps, stateRoot, state: stateOf(steps) })
}

const rootAfter = (steps: number) =>
  hashOf(RunRoot.from(Array.from({ length: steps }, (_, step) => rootOf(step + 1))))

describe('open', () => {
  test('keeps the two newest checkpoints and goes on from the newest', () => {
    const path = join(home, 'plain')
    follow(path, 10)
    expect(RunFolder.checkpointPaths(path).map((each) => each.slice(-18))).toEqual([
      '000009.safetensors',
      '000006.safetensors',
    ])
    using folder = RunFolder.open(path, { graph, origin, about })
    expect(folder.resumed?.steps).toBe(9)
    expect(folder.entries).toHaveLength(9)
    expect(folder.runRoot()).toBe(rootAfter(9))
    expect(folder.remarks).toEqual([])
    expect(RunFolder.readLog(path).entries).toHaveLength(9)
  })

  test('ends at the same root wherever a crash tore the log', () => {
    const whole = join(home, 'whole')
    follow(whole, 10)
    const log = readFileSync(join(whole, 'steps.jsonl'))
    for (const rest of [log.length - 1, 800, 700, 400, 120, 1, 0]) {
      const path = join(home, `torn-${rest}`)
      follow(path, 10)
      writeFileSync(join(path, 'steps.jsonl'), log.subarray(0, rest))
      follow(path, 10)
      expect(readFileSync(join(path, 'steps.jsonl'))).toEqual(log)
    }
  })

  test('a checkpoint that is damaged or that the log does not lead up to is left out, and said', () => {
    const path = join(home, 'damaged')
    follow(path, 9)
    const [newest = ''] = RunFolder.checkpointPaths(path)
    const bytes = readFileSync(newest)
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(newest, bytes)
    {
      using folder = RunFolder.open(path, { graph, origin, about })
      expect(folder.resumed?.steps).toBe(6)
      expect(folder.remarks).toEqual([expect.stringContaining('checkpoint-000009')])
    }
    writeFileSync(join(path, 'steps.jsonl'), '')
    using folder = RunFolder.open(path, { graph, origin, about })
    expect(folder.resumed).toBeUndefined()
    expect(folder.remarks.join()).toContain('does not lead up to it')
  })

  test('a checkpoint of another run is refused, and what differs is named', () => {
    const path = join(home, 'other')
    follow(path, 3)
    const attempt = (changed: Partial<typeof origin>) => () =>
      RunFolder.open(path, { graph, origin: { ...origin, ...changed }, about })
    expect(attempt({ seed: [2, 0] })).toThrow('its seed differs')
    expect(attempt({ dataRoot: origin.startRoot, seed: [2, 0] })).toThrow('its seed and its data')
    expect(attempt({ graphRoot: origin.startRoot })).toThrow('its graph differs')
    expect(attempt({})).not.toThrow()
  })

  test('one process has it at a time', () => {
    const path = join(home, 'taken')
    using first = RunFolder.open(path, { graph, origin, about })
    expect(() => RunFolder.open(path, { graph, origin, about })).toThrow('another process works')
    first[Symbol.dispose]()
    RunFolder.open(path, { graph, origin, about })[Symbol.dispose]()
  })

  test('what a crash left half written is removed', () => {
    const path = join(home, 'half')
    follow(path, 3)
    writeFileSync(join(path, 'checkpoint-000006.safetensors.new'), 'half')
    appendFileSync(join(path, 'steps.jsonl'), '{"step":3,')
    follow(path, 4)
    expect(readdirSync(path).toSorted()).toEqual([
      'checkpoint-000003.safetensors',
      'lock',
      'steps.jsonl',
    ])
    expect(RunFolder.readLog(path)).toMatchObject({ isWhole: true })
  })

  test('a folder that cannot be made is told', () => {
    writeFileSync(join(home, 'file'), '')
    expect(() => RunFolder.open(join(home, 'file'), { graph, origin, about })).toThrow(
      'The folder cannot be made',
    )
  })
})
