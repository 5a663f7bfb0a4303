import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import * as z from 'zod/mini'
import { batchesOf } from '../../exact/data.ts'
import type { Graph } from '../../exact/Graph.ts'
import { bytesOf } from '../../exact/train/startRun.ts'
import type { Recipe } from '../../exact/train/Recipe.ts'
import * as Safetensors from '../../exact/weights/Safetensors.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { seedOf, segmentStart, type Trainer } from '../../training/segment.ts'

/** A trainer in a process of its own. */
export type ProcessTrainer = AsyncDisposable & {
  /** What it calls itself. */
  readonly name: string
  readonly train: Trainer
}

/**
 * Starts a program that speaks the protocol of docs/trainer-protocol.md, and waits until it is ready. When it dies
 * it is started again with the next segment; the segment that it died in is lost.
 *
 * @throws {TrainerError} when it does not come up, with what it said last.
 */
export async function startProcessTrainer(
  options: startProcessTrainer.Options,
): Promise<ProcessTrainer> {
  const { graph, folder } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const [input, output] = [join(folder, 'in.safetensors'), join(folder, 'out.safetensors')]
  let conversation = await begin(options)
  const { name } = conversation

  const train: Trainer = async ({ layout, data, seed, worker, steps, onStep, signal, ...rest }) => {
    signal?.throwIfAborted()
    if (conversation.isOver()) conversation = await begin(options)
    const { kill } = conversation
    signal?.addEventListener('abort', kill, { once: true })
    const start = segmentStart({ graph }, { layout, ...rest })
    const firstStep = rest.replica.rounds * rest.stepsPerRound
    const batchAt = batchesOf(graph, { data, seed: seedOf(seed, rest.replica.rounds), worker })
    const tokens = {
      name: 'tokens',
      dtype: 'I32' as const,
      shape: [steps, ...(graph.batch[0]?.shape ?? [])],
      bytes: Buffer.concat(Array.from({ length: steps }, (_, done) => batchAt(done)).flat()),
    }
    const parameters = layout.slots.map(({ name: slot, shape }, index) => ({
      name: slot,
      dtype: 'F32' as const,
      shape,
      bytes: start[index]!,
    }))
    writeFileSync(input, Safetensors.write({ metadata: {}, tensors: [...parameters, tokens] }))
    rmSync(output, { force: true })
    try {
      conversation.tell({ type: 'segment', firstStep, input, output })
      for (let step = firstStep; ; step++) {
        const said = await conversation.next()
        if (said.type === 'done') break
        if (said.type !== 'step') throw new TrainerError(name, [`It said ${said.type} too early.`])
        if (step === firstStep + steps) throw new TrainerError(name, ['It takes too many steps.'])
        await onStep?.({ ...said, step })
      }
    } catch (error) {
      kill()
      await conversation.ended
      throw error
    } finally {
      signal?.removeEventListener('abort', kill)
    }
    const trained = read(name, output, { parameters, isTrained: layout.isTrained })
    return start.map((bytes, index) => {
      if (graph.state[index]!.name === 'step') return bytesOf(Uint32Array.of(firstStep + steps))
      return trained[index] ?? bytes
    })
  }
  return {
    name,
    train,
    async [Symbol.asyncDispose]() {
      conversation.kill()
      await conversation.ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export declare namespace startProcessTrainer {
  type Options = {
    /** The program and its arguments. */
    command: readonly string[]
    /** What is trained; the same for all segments. */
    recipe: Recipe
    graph: Graph
    /** For the files that go to and fro; removed at the end. */
    folder: string
    /** How long it may say nothing. @default ten minutes */
    silenceMs?: number | undefined
  }
}

/** The command of a trainer as its user names it: `torch` for the one that Weft brings, else what a shell takes. */
export function commandOf(
  trainer: string,
  { threads }: { threads?: number | undefined } = {},
): readonly string[] {
  if (trainer !== 'torch') return ['/bin/sh', '-c', `exec ${trainer}`]
  return ['python3', torchTrainer, ...(threads === undefined ? [] : ['--threads', String(threads)])]
}

const torchTrainer = join(import.meta.dirname, '../../training/trainers/torch_trainer.py')

const version = 1
const lineLimit = 64 * 1024
const tailLines = 20

/** What a trainer may say. */
const saying = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), name: z.string().check(z.maxLength(200)) }),
  z.object({
    type: z.literal('step'),
    loss: z.number(),
    gradientNorm: z._default(z.number(), Number.NaN),
    learningRate: z._default(z.number(), Number.NaN),
  }),
  z.object({ type: z.literal('done') }),
  z.object({ type: z.literal('error'), message: z.string().check(z.maxLength(lineLimit)) }),
])
type Saying = z.infer<typeof saying>

type Conversation = {
  readonly name: string
  isOver(): boolean
  tell(message: object): void
  /** The next line it says; rejects when it is silent, dies, or says that it failed. */
  next(): Promise<Exclude<Saying, { type: 'error' }>>
  kill: () => void
  readonly ended: Promise<void>
}

async function begin({
  command,
  recipe,
  silenceMs,
}: startProcessTrainer.Options): Promise<Conversation> {
  const conversation = talk(command, silenceMs)
  try {
    conversation.tell({ type: 'begin', version, recipe })
    const said = await conversation.next()
    if (said.type !== 'ready') throw new TrainerError(command.join(' '), ['It did not say ready.'])
    return { ...conversation, name: said.name }
  } catch (error) {
    conversation.kill()
    throw error
  }
}

function talk(command: readonly string[], silenceMs = 600_000): Omit<Conversation, 'name'> {
  const [program = '', ...args] = command
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const tail: string[] = []
  const lines: string[] = []
  let wake = () => {}
  let isOver = false
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line.slice(0, 500))
    if (tail.length > tailLines) tail.shift()
  })
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    // Whoever says more than is listened to waits.
    if (lines.length > 64) reader.pause()
    wake()
  })
  const ended = new Promise<void>((resolve) => {
    const end = (how: string) => {
      if (!isOver) tail.push(how)
      isOver = true
      wake()
      resolve()
    }
    child.once('error', (error) => end(`It cannot be started: ${error.message}`))
    child.once('close', (code, signal) => end(`It ended with ${signal ?? code}.`))
    // A write to one that has died; its end says more.
    child.stdin.on('error', () => {})
  })
  const kill = () => void child.kill('SIGKILL')
  const fail = (...reasons: string[]) => new TrainerError(command.join(' '), [...reasons, ...tail])

  return {
    isOver: () => isOver,
    tell: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    kill,
    ended,
    async next() {
      while (lines.length === 0) {
        if (isOver) throw fail()
        const { promise, resolve } = Promise.withResolvers<boolean>()
        wake = () => resolve(true)
        const limit = setTimeout(() => resolve(false), silenceMs)
        const isHeard = await promise
        clearTimeout(limit)
        if (!isHeard) throw fail(`It said nothing for ${silenceMs / 1000} s.`)
      }
      const said = parse(lines.shift()!)
      reader.resume()
      if (!said) throw fail('It said what is no message of the protocol.')
      if (said.type === 'error') throw fail(said.message)
      return said
    },
  }
}

function parse(line: string): Saying | undefined {
  if (line.length > lineLimit) return undefined
  try {
    return z.parse(saying, JSON.parse(line))
  } catch {
    return undefined
  }
}

/** Reads what came out: all trained parameters, each of its shape, each number finite. */
function read(
  name: string,
  path: string,
  {
    parameters,
    isTrained,
  }: { parameters: readonly Safetensors.Tensor[]; isTrained: readonly boolean[] },
): readonly (Uint8Array | undefined)[] {
  const wrong = (reason: string) => new TrainerError(name, [reason])
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined) throw wrong('It wrote no parameters.')
  const expected = parameters.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  if (size > expected + Safetensors.limits.headerBytes)
    throw wrong(`It wrote ${size} bytes, and the parameters have ${expected}.`)
  const found = new Map(
    Safetensors.read(readFileSync(path)).tensors.map((each) => [each.name, each]),
  )
  return parameters.map(({ name: slot, shape }, index) => {
    if (!isTrained[index]) return undefined
    const tensor = found.get(slot)
    if (!tensor) throw wrong(`It wrote no ${slot}.`)
    if (tensor.dtype !== 'F32' || tensor.shape.join() !== shape.join())
      throw wrong(`${slot} is ${tensor.dtype} [${tensor.shape.join()}], not F32 [${shape.join()}].`)
    const bytes = Uint8Array.from(tensor.bytes)
    if (!new Float32Array(bytes.buffer).every((value) => Number.isFinite(value)))
      throw wrong(`${slot} has numbers that are not finite.`)
    return bytes
  })
}

/** Thrown when a trainer does not do what the protocol says. */
export class TrainerError extends BaseError {
  override readonly code = 'Cli.TrainerError'

  constructor(name: string, [reason = 'It failed.', ...details]: readonly string[]) {
    super(`The trainer ${name} is of no use: ${reason}`, {
      metaMessages: [
        ...details,
        'Fix: run its command by hand; docs/trainer-protocol.md says what it has to say.',
      ],
    })
  }
}
