import * as Safetensors from '../../exact/weights/Safetensors.ts'
import type { Layout, Replica } from '../../training/Replica.ts'
import { onDisk } from '../exact/DiskError.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import type { RunFile } from './RunFile.ts'

/** The newest model in a folder, for `weft exact generate` and for export. */
export const modelName = 'model.safetensors'

/** Writes the model of a state of a run, whole or not at all; returns the path. */
export function writeModel(
  path: string,
  { file, layout }: { readonly file: RunFile; readonly layout: Layout },
  { rounds, parameters }: Replica,
): string {
  const tensors = layout.slots.map(({ name, shape }, index) => ({
    name,
    dtype: 'F32' as const,
    shape,
    bytes: parameters[index]!,
  }))
  const metadata = {
    format: 'weft training model 1',
    model: JSON.stringify(file.recipe.model),
    start: file.order.message.start,
    rounds: String(rounds),
  }
  const bytes = Safetensors.write({ metadata, tensors })
  onDisk(path, 'The model cannot be written', () => writeAtomically(path, bytes))
  return path
}
