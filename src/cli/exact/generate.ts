import { Command, InvalidArgumentError } from 'commander'
import type { Backend } from '../../exact/Backend.ts'
import { tokensOf } from '../../exact/data.ts'
import { startGenerator } from '../../exact/generate/startGenerator.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { parseInteger, parseShare } from '../parseOptions.ts'
import { run } from '../run.ts'
import * as Config from './Config.ts'
import { claimGeneration } from './claimGeneration.ts'
import * as SavedModel from './SavedModel.ts'
import { startBackend } from './startBackend.ts'
import { tokenPrinter } from './tokenPrinter.ts'

type GenerateOptions = {
  prompt: string
  maxTokens?: number
  temperature: number
  topK?: number
  topP?: number
  seed: number
  claim?: string
  threads?: number
  backend: string
  json?: boolean
}

/** `weft exact generate`: lets a model that was trained here continue a text. */
export function generateCommand(): Command {
  return new Command('generate')
    .description('continue a text with a model trained here; the same seed, the same text anywhere')
    .argument('<run>', 'folder of a run, or a checkpoint')
    .requiredOption('--prompt <text>', 'how the text begins')
    .option(
      '--max-tokens <count>',
      'longest continuation, in bytes (default: 200, or what the model has room for)',
      parseInteger({ min: 1, max: 2 ** 20 }),
    )
    .option('--temperature <number>', '0 takes the likeliest byte each time', parseTemperature, 0.8)
    .option(
      '--top-k <count>',
      'draw among the likeliest only',
      parseInteger({ min: 1, max: 65_536 }),
    )
    .option('--top-p <share>', 'draw among as many as have this share of the chances', parseShare)
    .option(
      '--seed <number>',
      'seed of the draws',
      parseInteger({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      0,
    )
    .option('--claim <dir>', 'generate step by step and keep a run there that others can verify')
    .option('--threads <count>', '1 to 8; changes no bit', parseInteger({ min: 1, max: 8 }), 1)
    .option('--backend <name>', 'wasm, or reference (very slow); changes no bit', 'wasm')
    .option('--json', 'print one JSON line for machines')
    .action((place: string, options: GenerateOptions) =>
      run(options, () => generate(place, options)),
    )
}

async function generate(place: string, options: GenerateOptions): Promise<void> {
  const saved = SavedModel.read(place)
  const { positions } = saved.model.config
  const prompt = tokensOf(options.prompt)
  const { maxTokens = Math.max(1, Math.min(200, positions - prompt.length)) } = options
  await using backend = await startBackend(options.backend, options)
  const tokens = options.claim
    ? claimGeneration({ backend }, saved, claimOf(options.claim, prompt, { ...options, maxTokens }))
    : plainly({ backend }, saved, prompt, { ...options, maxTokens })
  const { json } = options
  const printer = tokenPrinter({ isTerminal: process.stdout.isTTY && !json })
  let text = ''
  const show = (part: string) => {
    text += part
    if (!json) process.stdout.write(part)
  }
  show(options.prompt)
  let count = 0
  for await (const token of tokens) {
    count++
    show(printer.text(token))
  }
  show(printer.rest())
  const { claim } = options
  if (json) console.log(JSON.stringify({ text, tokens: count, ...(claim ? { claim } : {}) }))
  else process.stdout.write('\n')
  if (claim && !json) process.stderr.write(`Check it: weft exact verify ${claim}\n`)
}

async function* plainly(
  { backend }: { backend: Backend },
  { model, weights }: SavedModel.SavedModel,
  prompt: Uint32Array,
  { maxTokens, temperature, topK, topP, seed }: GenerateOptions & { maxTokens: number },
): AsyncGenerator<number> {
  // Reading a long prompt many tokens at a time changes no bit and is faster.
  const prefillWidth = prompt.length > 16 ? 16 : 1
  await using generator = await startGenerator({ backend, model, weights }, { prefillWidth })
  yield* generator.generate(prompt, {
    maxTokens,
    temperature,
    topK,
    topP,
    seed: Config.seedOf(seed),
  })
}

function claimOf(
  folder: string,
  prompt: Uint32Array,
  { maxTokens, temperature, topK, topP, seed }: GenerateOptions & { maxTokens: number },
): claimGeneration.Options {
  if (topK !== undefined || topP !== undefined) throw new ClaimOptionError()
  return { folder, prompt, maxTokens, temperature, seed: Config.seedOf(seed) }
}

function parseTemperature(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 100) return value
  throw new InvalidArgumentError('Expected a number from 0 to 100.')
}

/** Thrown when a generation is to be claimed with options that its graph does not have. */
class ClaimOptionError extends BaseError {
  override readonly code = 'Cli.ClaimOptionError'

  constructor() {
    super('A generation with --claim draws among all tokens: leave out --top-k and --top-p.')
  }
}
