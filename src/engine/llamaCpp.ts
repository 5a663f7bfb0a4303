import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { availableParallelism, homedir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type {
  ControlledEvaluateIndexOutput,
  Llama,
  LlamaContextSequence,
  LlamaLogLevel,
  LlamaModel,
  Token,
} from 'node-llama-cpp'
import * as Gguf from '../exact/weights/Gguf.ts'
import { BaseError } from '../runtime/Errors.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as Hex from '../protocol/Hex.ts'
import {
  ContextLengthError,
  EngineError,
  UnknownModelError,
  type CompletionEvent,
  type Engine,
} from './Engine.ts'
import { chatPrompt } from './internal/chatPrompt.ts'
import { hashFile } from './internal/hashFile.ts'
import { slotPool } from './internal/slotPool.ts'
import { sampleToken, type Candidate } from './internal/sampleToken.ts'
import { textStream, type Piece } from './internal/textStream.ts'
import { readGguf } from './readGguf.ts'

/**
 * Runs a GGUF file with llama.cpp in this process.
 *
 * Equal requests give equal tokens on every machine with the same `build`, whatever ran before or
 * runs beside: each job has a context of its own that starts empty, prompts are cut into the same
 * batches, and the token is chosen here from the raw scores (`sampleToken`), not by the runtime.
 * Sampling considers the 1024 most likely tokens.
 *
 * @throws {LlamaMissingError} when node-llama-cpp is not installed or has no build for this machine.
 * @throws {Gguf.InvalidError} when the file is not a whole GGUF model.
 * @throws {EngineError} when llama.cpp refuses the model.
 */
export async function llamaCppEngine(options: llamaCppEngine.Options): Promise<Engine> {
  const { path, concurrency = 4, threads = availableParallelism() } = options
  const header = await readGguf(path)
  if (header.tensors.length === 0 || Gguf.text(header, 'general.architecture') === undefined)
    throw new Gguf.InvalidError({ path, reason: 'it names no architecture or has no weights' })

  await using stack = new AsyncDisposableStack()
  const said: string[] = []
  const onError = (message: string) => {
    if (said.length < 5 && !said.includes(message)) said.push(message)
  }
  const llama = stack.use(await startLlama({ ...options, onError }))
  const { weights, model } = await loadModel(llama, path, said)
  stack.use(model)
  const trained = model.trainContextSize
  const contextTokens = Math.min(options.contextTokens ?? 4096, trained || 4096)
  const slots = stack.use(
    slotPool({ size: concurrency, open: () => openSequence(model, { contextTokens, threads }) }),
  )
  const runtime: Runtime = {
    model,
    slots,
    id: options.id ?? basename(path).replace(/\.gguf$/i, ''),
    contextTokens,
    template: Gguf.text(header, 'tokenizer.chat_template'),
  }
  // The first context is opened now, so that a model that does not fit is refused here.
  await using _ = await slots.acquire({})
  const owned = stack.move()
  return {
    models: [
      {
        id: runtime.id,
        weights,
        quantisation: Gguf.quantisation(header),
        build: await buildOf(llama),
        contextTokens,
        tiers: ['statistical', 'unverified'],
      },
    ],
    complete: (request, { signal }) => complete(runtime, request, signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace llamaCppEngine {
  type Options = {
    /** The GGUF file. */
    path: string
    /** Name buyers ask for. @default the file's name without `.gguf` */
    id?: string | undefined
    /** Prompt and answer together; never more than the model was trained for. @default 4096 */
    contextTokens?: number | undefined
    /** Threads of one job; they do not change its tokens. @default one per core */
    threads?: number | undefined
    /** Jobs that run at once, each with a context of its own; more wait. @default 4 */
    concurrency?: number | undefined
    /** `false` keeps to the CPU; otherwise the GPU build of `gpuFolder` is used where it is installed. */
    gpu?: false | 'auto' | undefined
    /** Where the GPU build is installed, as `weft doctor` says. @default ~/.weft/gpu */
    gpuFolder?: string | undefined
  }
}

/** Where `weft doctor` has the GPU build of node-llama-cpp installed. */
export const gpuFolder = join(homedir(), '.weft', 'gpu')

/**
 * Finds and starts the native runtime; its `gpu` says which one it is.
 *
 * @throws {LlamaMissingError} when there is none for this machine.
 */
export async function startLlama(options: startLlama.Options = {}): Promise<Llama> {
  const { gpu = 'auto', gpuFolder: folder = gpuFolder, onError = () => {} } = options
  const entry = join(folder, 'node_modules', 'node-llama-cpp', 'dist', 'index.js')
  const useGpu = gpu !== false && existsSync(entry)
  try {
    const { getLlama } = useGpu
      ? ((await import(pathToFileURL(entry).href)) as typeof import('node-llama-cpp'))
      : await import('node-llama-cpp')
    return await getLlama({
      gpu: useGpu ? 'auto' : false,
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      logLevel: 'error' as LlamaLogLevel,
      logger: (_, message) => onError(message.trim()),
      maxThreads: 0,
    })
  } catch (cause) {
    throw new LlamaMissingError({ cause, entry: useGpu ? entry : 'node-llama-cpp' })
  }
}

export declare namespace startLlama {
  type Options = {
    gpu?: false | 'auto' | undefined
    gpuFolder?: string | undefined
    /** Hears what llama.cpp says about its failures. */
    onError?: ((message: string) => void) | undefined
  }
}

/** What equal strings promise equal tokens for: llama.cpp's release, the processor code or GPUs in use, our sampling. */
export async function buildOf(
  llama: Pick<Llama, 'llamaCppRelease' | 'gpu' | 'systemInfo' | 'getGpuDeviceNames'>,
): Promise<string> {
  const features = [...llama.systemInfo.matchAll(/(\w+) = 1/g)].map(([, name]) => name).join('+')
  const devices = llama.gpu === false ? [] : await llama.getGpuDeviceNames()
  const backend = llama.gpu === false ? 'cpu' : `${llama.gpu} ${devices.join(', ')} and cpu`
  return `llama.cpp ${llama.llamaCppRelease.release} ${backend} ${features} sampler 1`
}

type Runtime = {
  readonly model: LlamaModel
  readonly slots: slotPool.Pool<LlamaContextSequence & AsyncDisposable>
  readonly id: string
  readonly contextTokens: number
  readonly template: string | undefined
}

/** llama.cpp evaluates at most this many tokens at once; prompts are always cut at its multiples. */
const batchTokens = 512
const candidateLimit = 1024
/** Tokens held back at most while they are no whole characters. */
const heldTokens = 16

async function* complete(
  runtime: Runtime,
  request: Completion.Request,
  signal: AbortSignal,
): AsyncGenerator<CompletionEvent> {
  signal.throwIfAborted()
  if (request.model !== runtime.id)
    throw new UnknownModelError({ model: request.model, models: [runtime.id] })
  if (runtime.model.disposed) throw new EngineError('The engine has been closed.')
  const prompt = tokenize(runtime, request.input)
  const { maxTokens } = request
  const { contextTokens } = runtime
  if (prompt.length + maxTokens > contextTokens)
    throw new ContextLengthError({ inputTokens: prompt.length, maxTokens, contextTokens })

  await using slot = await runtime.slots.acquire({ signal })
  const stream = textStream({ stop: request.stop })
  const pieces = pieceStream(runtime.model, prompt)
  let finishReason: Completion.FinishReason = 'length'
  let outputTokens = 0
  for await (const { token, logprob } of generate(runtime, slot.value, prompt, request, signal)) {
    if (runtime.model.isEogToken(token)) {
      finishReason = 'stop'
      break
    }
    outputTokens++
    const piece = pieces.push(token, logprob)
    const delta = piece && stream.push(piece)
    if (delta) yield { type: 'completion-delta', delta }
    if (stream.stopped) {
      finishReason = 'stop'
      break
    }
  }
  for (const delta of ending(stream, pieces)) yield { type: 'completion-delta', delta }
  if (stream.stopped) finishReason = 'stop'
  signal.throwIfAborted()
  const usage = { inputTokens: prompt.length, outputTokens }
  yield { type: 'completion-end', finishReason, usage }
}

/** What is still held back when no more tokens come. */
function* ending(
  stream: ReturnType<typeof textStream>,
  pieces: ReturnType<typeof pieceStream>,
): Generator<Completion.Delta> {
  const piece = stream.stopped ? undefined : pieces.end()
  const delta = piece && stream.push(piece)
  if (delta) yield delta
  const rest = stream.end()
  if (rest) yield rest
}

type Generated = { readonly token: Token; readonly logprob: Completion.Logprob | undefined }

/** At most `maxTokens` tokens, the one that ends the answer included. */
async function* generate(
  runtime: Runtime,
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  request: Completion.Request,
  signal: AbortSignal,
): AsyncGenerator<Generated> {
  const wanted = wantedScores(request)
  try {
    await sequence.clearHistory()
    const lastBatch = Math.floor((prompt.length - 1) / batchTokens) * batchTokens
    for (let at = 0; at < lastBatch; at += batchTokens) {
      signal.throwIfAborted()
      await sequence.controlledEvaluate(prompt.slice(at, at + batchTokens))
    }
    let input = prompt.slice(lastBatch)
    for (let position = 0; position < request.maxTokens; position++) {
      signal.throwIfAborted()
      const output = await sequence.controlledEvaluate([
        ...input.slice(0, -1),
        [input.at(-1)!, { generateNext: wanted }],
      ])
      const generated = choose(runtime, output.at(-1)?.next, request, position)
      yield generated
      input = [generated.token]
    }
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof BaseError) throw cause
    throw new EngineError('llama.cpp failed while it made an answer.', {
      cause,
      metaMessages: [`Reason: ${cause instanceof Error ? cause.message : String(cause)}`],
    })
  }
}

/**
 * Greedy answers need the best token only, sampled ones the scores of the most likely, which are
 * quick to find; log-probabilities also need the whole vocabulary's weight, which takes a full sort.
 * A temperature of 1 here leaves the scores as they are.
 */
function wantedScores(request: Completion.Request) {
  if (request.logprobs > 0)
    return {
      logits: { filter: { tokens: [], includeTop: candidateLimit } },
      totalLogitWeight: true,
      options: { temperature: 0 },
    }
  if (request.temperatureMicro === 0) return { token: true, options: { temperature: 0 } }
  const options = { temperature: 1, topK: candidateLimit, topP: 1, minP: 0, seed: 0 }
  return { logits: true, options }
}

function choose(
  { model }: Runtime,
  next: ControlledEvaluateIndexOutput['next'] | undefined,
  request: Completion.Request,
  position: number,
): Generated {
  if (next?.token !== undefined && next.token !== null)
    return { token: next.token, logprob: undefined }
  const candidates = [...(next?.logits ?? [])].map(([token, logit]) => ({ token, logit }))
  if (candidates.length === 0) throw new EngineError('llama.cpp gave no scores for the next token.')
  const chosen = sampleToken(candidates, { ...request, position })
  const token = chosen.token as Token
  const weight = next?.totalLogitWeight
  if (request.logprobs === 0 || weight === undefined) return { token, logprob: undefined }
  return { token, logprob: logprobOf(model, { candidates, chosen, weight }, request.logprobs) }
}

/** `weight` is the sum of exp(logit - best logit) over the whole vocabulary. */
function logprobOf(
  model: LlamaModel,
  scores: { candidates: readonly Candidate[]; chosen: Candidate; weight: number },
  count: number,
): Completion.Logprob {
  const sorted = scores.candidates.toSorted((a, b) => b.logit - a.logit || a.token - b.token)
  const best = sorted[0]!.logit
  const describe = ({ token, logit }: Candidate) => ({
    token: model.detokenize([token as Token], true),
    logprob: logit - best - Math.log(scores.weight),
  })
  return { ...describe(scores.chosen), top: sorted.slice(0, count).map(describe) }
}

/**
 * Joins tokens until their bytes are whole characters. A character has four bytes at most; bytes that
 * are none at all would be held back for ever, so a run of them is let through after a while.
 */
function pieceStream(model: LlamaModel, prompt: readonly Token[]) {
  let before = prompt.slice(-4)
  let tokens: Token[] = []
  let logprobs: Completion.Logprob[] = []
  const take = (text: string): Piece => {
    const piece = { text, tokenIds: tokens, logprobs }
    before = [...before, ...tokens].slice(-4)
    tokens = []
    logprobs = []
    return piece
  }
  const text = () => model.detokenize(tokens, false, before)
  return {
    push(token: Token, logprob: Completion.Logprob | undefined): Piece | undefined {
      tokens.push(token)
      if (logprob) logprobs.push(logprob)
      const made = text()
      return made.endsWith('\ufffd') && tokens.length < heldTokens ? undefined : take(made)
    },
    end: () => (tokens.length > 0 ? take(text()) : undefined),
  }
}

function tokenize(
  { model, template }: Runtime,
  input: Completion.Request['input'],
): readonly Token[] {
  const { bos, bosString, eosString } = model.tokens
  const text =
    input.kind === 'text'
      ? input.prompt
      : chatPrompt(input.messages, { template, bos: bosString ?? '', eos: eosString ?? '' })
  // Only a template may write control tokens; a prompt's text stays text.
  const tokens = model.tokenize(text, input.kind === 'chat' && template !== undefined)
  const needsStart = model.tokens.shouldPrependBosToken && bos !== null && tokens[0] !== bos
  const all = needsStart ? [bos, ...tokens] : tokens
  if (all.length === 0)
    throw new EngineError('The prompt is empty, and this model needs a token to start from.')
  return all
}

async function openSequence(
  model: LlamaModel,
  options: { contextTokens: number; threads: number },
): Promise<LlamaContextSequence & AsyncDisposable> {
  try {
    const context = await model.createContext({
      // The runtime keeps one place free, and the last token of an answer needs none.
      contextSize: options.contextTokens,
      batchSize: batchTokens,
      sequences: 1,
      flashAttention: false,
      threads: options.threads,
    })
    const sequence = context.getSequence()
    return Object.assign(sequence, { [Symbol.asyncDispose]: () => context.dispose() })
  } catch (cause) {
    throw new EngineError('llama.cpp could not make room for a context.', {
      cause,
      metaMessages: [
        `Context: ${options.contextTokens} tokens`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: free some memory, or ask for fewer context tokens or less concurrency.',
      ],
    })
  }
}

async function loadModel(
  llama: Llama,
  path: string,
  said: readonly string[],
): Promise<{ weights: Hex.Hex; model: LlamaModel }> {
  const before = await stat(path)
  const weights = await hashFile(path)
  const model = await llama
    .loadModel({
      modelPath: path,
      checkTensors: true,
      defaultContextFlashAttention: false,
      // All or nothing: a split that follows the free memory would change the tokens.
      gpuLayers: llama.gpu === false ? 0 : 'max',
    })
    .catch((cause: unknown) => {
      throw new EngineError('llama.cpp does not load this model.', {
        cause,
        metaMessages: [
          `File: ${path}`,
          `Reason: ${[String(cause), ...said].join('; ')}`,
          'Fix: use a model that this release of llama.cpp knows and that fits into memory.',
        ],
      })
    })
  const after = await stat(path)
  if (after.mtimeMs === before.mtimeMs && after.size === before.size) return { weights, model }
  await model.dispose()
  throw new EngineError('The model file changed while it was loaded.', {
    metaMessages: [`File: ${path}`, 'Fix: start again when it is complete.'],
  })
}

/** Thrown when llama.cpp cannot run here. */
export class LlamaMissingError extends BaseError {
  override readonly code = 'LlamaCpp.MissingError'

  constructor({ cause, entry }: { cause: unknown; entry: string }) {
    super('llama.cpp cannot run here.', {
      cause,
      metaMessages: [
        `Package: ${entry}`,
        `Reason: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`,
        'Fix: run `npm install --include=optional` in the folder of weft, or serve a model of another',
        'program with --upstream URL. `weft doctor` says more.',
      ],
    })
  }
}
