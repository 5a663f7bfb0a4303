import { statSync } from 'node:fs'
import { type Decoder, decoder, type Model } from '../../exact/models/decoder.ts'
import { same } from '../../exact/Tensor.ts'
import * as Safetensors from '../../exact/weights/Safetensors.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { readBytes } from '../readBytes.ts'
import * as Config from './Config.ts'
import * as RunFile from './RunFile.ts'
import * as RunFolder from './RunFolder.ts'

/** A model and its weights, as a checkpoint holds them. */
export type SavedModel = {
  readonly model: Model
  /** Bytes of the model's parameters, in order. */
  readonly weights: readonly Uint8Array[]
  readonly path: string
}

/**
 * Reads the model of a run's newest checkpoint, or of a checkpoint named itself.
 *
 * @throws {SavedModelError} when there is none, or it is damaged.
 */
export function read(place: string): SavedModel {
  const path = isFolder(place) ? newestIn(place) : place
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
  return { model, weights, path }
}

/** Whether a path is a folder. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
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
      metaMessages: ['Fix: name a folder or a checkpoint that `weft exact train` wrote.'],
    })
  }
}
