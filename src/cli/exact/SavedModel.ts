import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import { fileSource } from '../../engine/fileSource.ts'
import { type Decoder, decoder } from '../../exact/models/decoder.ts'
import { same } from '../../exact/Tensor.ts'
import * as Tokenizer from '../../exact/Tokenizer.ts'
import type { DecoderWeights } from '../../exact/weights/assembleDecoder.ts'
import { loadDecoder } from '../../exact/weights/loadDecoder.ts'
import * as Safetensors from '../../exact/weights/Safetensors.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { readBytes } from '../readBytes.ts'
import * as Config from './Config.ts'
import * as RunFile from './RunFile.ts'
import * as RunFolder from './RunFolder.ts'

/** A model on the disk: how it reads text, and how it is loaded. */
export type SavedModel = {
  readonly tokenizer: Tokenizer.Tokenizer
  /**
   * Loads its weights.
   *
   * @param options.positions the longest text that it will read; changes no bit. Models trained here
   * have all the positions that they were trained with.
   */
  load(
    ports: { readonly backend: Backend },
    options?: { readonly positions?: number | undefined },
  ): Promise<DecoderWeights>
}

/**
 * Finds the model in the folder of a run, in a checkpoint, in a folder as Hugging Face publishes it, or in
 * a GGUF file.
 *
 * @param options.tokenizer path of a `tokenizer.json`, for models whose own is not beside them.
 * @throws {SavedModelError} when there is none.
 */
export function find(
  place: string,
  { tokenizer }: { tokenizer?: string | undefined } = {},
): SavedModel {
  if (isFolder(place) && existsSync(join(place, 'config.json'))) return published(place, tokenizer)
  if (!isFolder(place) && isGguf(place)) return foreign({ paths: [place], tokenizer })
  const path = isFolder(place) ? newestIn(place) : place
  return { tokenizer: Tokenizer.bytes, load: () => Promise.resolve(trainedHere(path)) }
}

/** Whether a path is a folder. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function trainedHere(path: string): DecoderWeights {
  const { metadata, tensors } = Safetensors.read(readBytes(path))
  if (metadata['model'] === undefined)
    throw new SavedModelError(`${path} does not say which model its weights are of`)
  const text = new TextEncoder().encode(metadata['model'])
  const config: Decoder = Json.decode(Config.decoder, text, { what: 'model' })
  const model = decoder(config)
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const weights = model.parameters.map(({ slot }) => {
    const name = slot.op.kind === 'state' ? slot.op.name : ''
    const tensor = byName.get(name)
    if (!tensor || tensor.dtype !== 'F32' || !same(tensor.shape, slot.shape))
      throw new SavedModelError(`${path} lacks ${name} in the shape [${slot.shape.join(', ')}]`)
    return tensor.bytes
  })
  return { model, weights }
}

function published(folder: string, given: string | undefined): SavedModel {
  const own = join(folder, 'tokenizer.json')
  const names = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
  return foreign({
    paths: names.toSorted().map((name) => join(folder, name)),
    config: join(folder, 'config.json'),
    tokenizer: given ?? (existsSync(own) ? own : undefined),
  })
}

type Foreign = {
  readonly paths: readonly string[]
  readonly config?: string
  readonly tokenizer: string | undefined
}

function foreign({ paths, config, tokenizer: path }: Foreign): SavedModel {
  const tokenizer = path ? Tokenizer.fromHuggingFace(json(path)) : Tokenizer.bytes
  return {
    tokenizer,
    async load({ backend }, { positions } = {}) {
      await using stack = new AsyncDisposableStack()
      const sources = []
      for (const each of paths) sources.push(stack.use(await fileSource(each)))
      const files = { sources, ...(config ? { config: json(config) } : {}) }
      const loaded = await loadDecoder({ backend }, files, { positions })
      const { vocabulary } = loaded.model.config
      if (path === undefined && vocabulary > mostOfBytes)
        throw new SavedModelError(
          `its tokens are not bytes, since there are ${vocabulary}: give --tokenizer tokenizer.json`,
        )
      return loaded
    },
  }
}

/** Bytes, a start, an end and fillers: what a model over bytes has at most. */
const mostOfBytes = 512

/** A tokenizer's file may be longer than a message. */
function json(path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(readBytes(path)))
  } catch (cause) {
    if (cause instanceof BaseError) throw cause
    throw new SavedModelError(`${path} is not JSON`)
  }
}

function isGguf(path: string): boolean {
  return path.endsWith('.gguf')
}

function newestIn(folder: string): string {
  // Says whether it is a run at all.
  RunFile.read(folder)
  const [newest] = RunFolder.checkpointPaths(folder)
  if (newest) return newest
  throw new SavedModelError(`${folder} has no checkpoint yet`)
}

/** Thrown when a path leads to no model. */
class SavedModelError extends BaseError {
  override readonly code = 'Cli.SavedModelError'

  constructor(reason: string) {
    super(`There is no model to use: ${reason}.`, {
      metaMessages: [
        'A model is a folder or a checkpoint that `weft exact train` wrote, a folder with config.json and',
        'safetensors, or a GGUF file.',
      ],
    })
  }
}
