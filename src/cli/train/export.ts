import { join } from 'node:path'
import type { Command } from 'commander'
import { exportOf } from '../exact/export.ts'
import { modelName } from './writeModel.ts'

/** `weft train export`: the model of a run for other programs. */
export function exportCommand(): Command {
  return exportOf({
    description: 'write the newest model of a run for llama.cpp (GGUF) or Hugging Face',
    place: ['<folder>', 'folder of `weft train run` or `weft train join`'],
    modelIn: (folder) => join(folder, modelName),
  })
}
