/** Trainers in processes of their own: the one for PyTorch against the exact engine, and ones that misbehave. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { startProcessTrainer } from '../src/cli/train/startProcessTrainer.ts'
import { prepareRun } from '../src/cli/train/prepareRun.ts'
import { decoderOf, startWasm } from '../src/exact/index.ts'
import type { Recipe } from '../src/exact/train/Recipe.ts'
import { flatten } from '../src/training/Replica.ts'
import { runSegment } from '../src/training/segment.ts'

const home = mkdtempSync(join(tmpdir(), 'weft-trainer-'))
const torchTrainer = fileURLToPath(
  new URL('../src/training/trainers/torch_trainer.py', import.meta.url),
)
const pythons = ['/usr/bin/python3', 'python3']
const python = pythons.find((each) => spawnSync(each, ['-c', 'import torch']).status === 0)

afterAll(() => rmSync(home, { recursive: true, force: true }))

describe.skipIf(python === undefined)('torch_trainer.py', () => {
  const command = [python!, torchTrainer, '--device', 'cpu', '--threads', '1']

  test.each([
    ['adamw, gated, tied', {}],
    [
      'sgd, not gated, untied',
      {
        model: { feedForward: 'relu-squared', isTied: false, keyHeads: 2 },
        optimiser: { kind: 'sgd', momentum: 0.9 },
        schedule: { rate: 0.02 },
      },
    ],
  ] as const)(
    '%s: a segment comes out as the exact engine computes it, but for rounding',
    async (_, given) => {
      await using world = await prepare(given)
      await using trainer = await startProcessTrainer({ ...world.trainer, command })
      const heard: number[] = []
      const options = {
        ...world.options,
        onStep: ({ loss }: { loss: number }) => void heard.push(loss),
      }
      const theirs = await trainer.train(options)
      const own = heard.splice(0)
      const ours = await runSegment(world.prepared.run, options)
      expect(trainer.name).toMatch(/^torch .* on cpu$/)
      heard.forEach((loss, at) => expect(own[at]).toBeCloseTo(loss, 4))
      expect(own).toHaveLength(world.options.steps)
      expect(world.distance(theirs, ours)).toBeLessThan(0.01 * world.distance(world.start, ours))
      // The moments are nobody's; the counter has moved on.
      expect(theirs.at(-1)).toEqual(ours.at(-1))
    },
  )

  test('says what it cannot do, and does the next segment all the same', async () => {
    await using world = await prepare({})
    await using trainer = await startProcessTrainer({ ...world.trainer, command })
    const data = new Uint8Array(100).fill(200)
    await expect(trainer.train({ ...world.options, data })).rejects.toThrow('is of no use')
    await expect(trainer.train(world.options)).resolves.toHaveLength(
      world.prepared.run.graph.state.length,
    )
  })
})

describe('startProcessTrainer', () => {
  test.each([
    ['ends', `process.exit(3)`, 'It ended with 3'],
    ['says no JSON', `console.log('hello')`, 'no message of the protocol'],
    ['says something else', `console.log('{"type":"done"}')`, 'did not say ready'],
    ['says that it fails', `console.log('{"type":"error","message":"no GPU"}')`, 'no GPU'],
    ['says nothing', `setInterval(() => {}, 1000)`, 'said nothing for'],
  ])('refuses one that %s', async (_, text, words) => {
    await using world = await prepare({})
    const started = startProcessTrainer({
      ...world.trainer,
      command: script(text),
      // A busy machine takes seconds to start a program: only who says nothing is not waited for.
      silenceMs: words === 'said nothing for' ? 2_000 : 60_000,
    })
    await expect(started).rejects.toThrow(words)
  })

  test('refuses a program that is not there', async () => {
    await using world = await prepare({})
    const started = startProcessTrainer({ ...world.trainer, command: [join(home, 'nothing')] })
    await expect(started).rejects.toThrow('cannot be started')
  })

  test.each([
    ['writes nothing', ``, 'wrote no parameters'],
    ['writes no safetensors', `fs.writeFileSync(output, 'spoilt')`, 'safetensors'],
    [
      'writes far too much',
      `fs.writeFileSync(output, Buffer.alloc(2 ** 25))`,
      'wrote 33554432 bytes',
    ],
    ['leaves parameters out', `write({})`, 'wrote no model.embed_tokens.weight'],
    ['writes numbers that are none', `write(named(NaN))`, 'not finite'],
    [
      'takes too many steps',
      `for (let i = 0; i < 9; i++) say({ type: 'step', loss: 1 })`,
      'too many steps',
    ],
    ['dies', `process.exit(1)`, 'It ended with 1'],
  ])('refuses a segment of one that %s', async (_, text, words) => {
    await using world = await prepare({})
    await using trainer = await startProcessTrainer({
      ...world.trainer,
      command: script(onSegment(text)),
    })
    await expect(trainer.train(world.options)).rejects.toThrow(words)
  })

  test('takes what fits, stops when told, and leaves no files', async () => {
    await using world = await prepare({})
    const trainer = await startProcessTrainer({
      ...world.trainer,
      command: script(onSegment(`write(named(0.5)); say({ type: 'done' })`)),
    })
    const state = await trainer.train(world.options)
    expect(new Set(flatten(world.prepared.layout, state))).toEqual(new Set([0.5]))
    const aborted = trainer.train({
      ...world.options,
      signal: AbortSignal.abort(new Error('enough')),
    })
    await expect(aborted).rejects.toThrow('enough')
    await trainer[Symbol.asyncDispose]()
    expect(existsSync(world.trainer.folder)).toBe(false)
  })
})

describe('weft train run --trainer', () => {
  const [program, ...args] = python
    ? [python, torchTrainer, '--device', 'cpu', '--threads', '1']
    : script(onSegment(`write(named(0.25)); say({ type: 'step', loss: 1 })`))
  const trainer = [program, ...args].join(' ')

  test('takes the steps of a run with it', () => {
    const { status, stdout } = weftTrain('any.yaml', 'any', trainer)
    const events = stdout.split('\n').filter((line) => line.startsWith('{'))
    expect(status).toBe(0)
    expect(JSON.parse(events.at(-1)!)).toMatchObject({ outcome: 'ended', rounds: 2 })
    const first = events.map(
      (line) => JSON.parse(line) as { event: string; loss: number; round: number },
    )
    const losses = first.filter(({ event }) => event === 'round-end').map(({ loss }) => loss)
    if (python) expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1)
  })

  test('refuses it where the run is exact', () => {
    const { status, stdout } = weftTrain('exact.yaml', 'exact', trainer)
    expect(status).toBe(1)
    expect(stdout).toContain('leave --trainer out')
  })

  test('says why a trainer is of no use', () => {
    const { status, stdout } = weftTrain(
      'any.yaml',
      'broken',
      'node --eval "console.error(1234567)"',
    )
    expect(status).toBe(1)
    expect(stdout).toContain('1234567')
  })
})

/** A run of two rounds with nobody else in it. */
function weftTrain(config: string, out: string, trainer: string) {
  const common =
    'model: { width: 16, layers: 1, heads: 2, positions: 16, vocabulary: 128 }\nrows: 4\nlength: 8\nthreads: 1\nschedule: { rate: 0.02, decay: none }\n'
  writeFileSync(join(home, 'any.yaml'), `run: { rounds: 2, steps: 10, trainer: any }\n${common}`)
  writeFileSync(join(home, 'exact.yaml'), `run: { rounds: 2, steps: 10 }\n${common}`)
  writeFileSync(join(home, 'book.txt'), 'the cat sat on the mat; the dog ate the hat. '.repeat(60))
  const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0', '--host', '127.0.0.1', '--json']
  const files = ['--data', 'book.txt', '--config', config, '--out', out, '--trainer', trainer]
  const program = fileURLToPath(new URL('./trainCommand.ts', import.meta.url))
  return spawnSync(process.execPath, [program, 'run', ...files, ...loopback], {
    cwd: home,
    encoding: 'utf8',
    env: { ...process.env, WEFT_HOME: join(home, 'machine') },
  })
}

/** A tiny model, three rounds in, and a segment of it. */
async function prepare(given: { [key in keyof Recipe]?: unknown }) {
  const backend = await startWasm({ threads: 1 })
  const recipe: Recipe = {
    rows: 2,
    length: 12,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.01, warmupSteps: 10, decay: { steps: 100, floor: 0.1 } },
    clipNorm: 0.5,
    ...(given as object),
    model: decoderOf({
      width: 32,
      layers: 2,
      heads: 4,
      positions: 16,
      vocabulary: 128,
      ...(given.model as object),
    }),
  }
  const data = Buffer.from('the cat sat on the mat; the dog ate the hat. '.repeat(40))
  const prepared = await prepareRun({ backend }, { recipe, seed: [1, 2], data })
  const { layout, start } = prepared
  const options: runSegment.Options = {
    layout,
    replica: { rounds: 3, parameters: start },
    data: prepared.training,
    seed: [1, 2],
    worker: 1,
    steps: 5,
    stepsPerRound: 5,
  }
  const folder = mkdtempSync(join(home, 'files-'))
  return {
    prepared,
    start,
    options,
    trainer: { recipe, graph: prepared.run.graph, folder },
    distance(a: readonly Uint8Array[], b: readonly Uint8Array[]): number {
      const [x, y] = [
        flatten(layout, a.slice(0, start.length)),
        flatten(layout, b.slice(0, start.length)),
      ]
      return Math.sqrt(x.reduce((sum, each, at) => sum + (each - y[at]!) ** 2, 0))
    },
    async [Symbol.asyncDispose]() {
      await prepared[Symbol.asyncDispose]()
      await backend[Symbol.asyncDispose]()
    },
  }
}

/** A trainer as a program for Node. */
function script(text: string): readonly string[] {
  const path = join(mkdtempSync(join(home, 'program-')), 'trainer.mjs')
  writeFileSync(path, text)
  return [process.execPath, path]
}

/** One that is ready, and does this with a segment. */
function onSegment(text: string): string {
  return `
    import fs from 'node:fs'
    import readline from 'node:readline'
    const say = (message) => console.log(JSON.stringify(message))
    readline.createInterface({ input: process.stdin }).on('line', (line) => {
      const { type, input, output } = JSON.parse(line)
      if (type === 'begin') return say({ type: 'ready', name: 'test' })
      const file = fs.readFileSync(input)
      const headerEnd = 8 + Number(file.readBigUInt64LE())
      const header = JSON.parse(file.subarray(8, headerEnd).toString())
      const named = (value) => {
        const { __metadata__, tokens, ...rest } = header
        return { header: rest, value }
      }
      const write = ({ header = {}, value = 0 }) => {
        const text = JSON.stringify(header)
        const padded = text.padEnd(Math.ceil(text.length / 8) * 8)
        const size = Buffer.alloc(8)
        size.writeBigUInt64LE(BigInt(padded.length))
        const end = Math.max(0, ...Object.values(header).map((each) => each.data_offsets[1]))
        const body = Buffer.from(new Float32Array(end / 4).fill(value).buffer)
        fs.writeFileSync(output, Buffer.concat([size, Buffer.from(padded), body]))
      }
      ${text}
      say({ type: 'done' })
    })`
}
