import { Command, InvalidArgumentError } from 'commander'
import type { Backend } from '../../exact/Backend.ts'
import { startGenerator } from '../../exact/generate/startGenerator.ts'
import type { DecoderWeights } from '../../exact/weights/assembleDecoder.ts'
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
  tokenizer?: string
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
    .description('continue a text with a model; the same seed gives the same text on any machine')
    .argument('<model>', 'folder of a run, a checkpoint, a GGUF file, or a folder with config.json')
    .requiredOption('--prompt <text>', 'how the text begins')
    .option(
      '--max-tokens <count>',
      'longest continuation (default: 200, or what the model has room for)',
      parseInteger({ min: 1, max: 2 ** 20 }),
    )
    .option(
      '--temperature <number>',
      '0 takes the likeliest token each time',
      parseTemperature,
      0.8,
    )
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
    .option('--tokenizer <file>', 'tokenizer.json of a model that is not trained here')
    .option('--claim <dir>', 'generate step by step and keep a run there that others can verify')
    .option('--threads <count>', '1 to 8; changes no bit', parseInteger({ min: 1, max: 8 }), 1)
    .option('--backend <name>', 'wasm, or reference (very slow); changes no bit', 'wasm')
    .option('--json', 'print one JSON line for machines')
    .action((place: string, options: GenerateOptions) =>
      run(options, () => generate(place, options)),
    )
}

async function generate(place: string, options: GenerateOptions): Promise<void> {
  const saved = SavedModel.find(place, { tokenizer: options.tokenizer })
  const { tokenizer } = saved
  const prompt = tokenizer.encode(options.prompt)
  const { json, claim } = options
  const positions = prompt.length + (options.maxTokens ?? usualTokens)
  await using backend = await startBackend(options.backend, options)
  const loaded = await saved.load({ backend }, { positions: Math.ceil(positions / 64) * 64 })
  const room = loaded.model.config.positions - prompt.length
  const maxTokens = options.maxTokens ?? Math.max(1, Math.min(usualTokens, room))
  const tokens = claim
    ? claimGeneration({ backend }, loaded, claimOf(claim, prompt, { ...options, maxTokens }))
    : plainly({ backend }, loaded, prompt, { ...options, maxTokens })
  const show = (part: string) => {
    if (!json) process.stdout.write(part)
  }
  const printer = tokenPrinter({ tokenizer }, { isTerminal: process.stdout.isTTY, prompt })
  show(options.prompt)
  const all: number[] = []
  for await (const token of tokens) {
    all.push(token)
    show(printer.text(token))
  }
  show(`${printer.rest()}\n`)
  const text = tokenizer.decode([...prompt, ...all].filter((token) => token < tokenizer.vocabulary))
  if (json) console.log(JSON.stringify({ text, tokens: all.length, ...(claim ? { claim } : {}) }))
  else if (claim) process.stderr.write(`Check it: weft exact verify ${claim}\n`)
}

const usualTokens = 200

async function* plainly(
  { backend }: { backend: Backend },
  { model, weights }: DecoderWeights,
  prompt: Uint32Array,
  { maxTokens, temperature, topK, topP, seed }: GenerateOptions & { maxTokens: number },
): AsyncGenerator<number> {
  // Reading a long prompt many tokens at a time changes no bit and is faster.
  const prefillWidth = prompt.length > 16 ? 16 : 1
  await using generator = await startGenerator({ backend, model, weights }, { prefillWidth })
  const draw = { temperature, topK, topP, seed: Config.seedOf(seed) }
  yield* generator.generate(prompt, { maxTokens, ...draw })
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
