import { mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Command, Option } from 'commander'
import * as DecoderGguf from '../../exact/weights/DecoderGguf.ts'
import * as DecoderSafetensors from '../../exact/weights/DecoderSafetensors.ts'
import { run } from '../run.ts'
import { onDisk } from './DiskError.ts'
import * as SavedModel from './SavedModel.ts'
import { startBackend } from './startBackend.ts'
import { writeAtomically } from './writeAtomically.ts'

type ExportOptions = { type: 'F32' | 'Q8_0'; json?: boolean }

/** `weft exact export`: a model for other programs. */
export function exportCommand(): Command {
  return exportOf({
    description: 'write a model trained here for llama.cpp (GGUF) or Hugging Face (safetensors)',
    place: ['<run>', 'folder of a run, or a checkpoint'],
    modelIn: (run) => run,
  })
}

/** A command `export` for what is found in a place. */
export function exportOf({ description, place, modelIn }: exportOf.Options): Command {
  return new Command('export')
    .description(description)
    .argument(...place)
    .argument(
      '<target>',
      'a file that ends with .gguf, or a folder for config.json and safetensors',
    )
    .addOption(
      new Option('--type <type>', 'how a GGUF file holds matrices')
        .choices(['F32', 'Q8_0'])
        .default('F32'),
    )
    .option('--json', 'print one JSON line for machines')
    .action((path: string, target: string, options: ExportOptions) =>
      run(options, async () => {
        const files = await exportModel(modelIn(path), target, options)
        if (options.json) console.log(JSON.stringify({ files }))
        else for (const file of files) console.log(file)
      }),
    )
}

export declare namespace exportOf {
  type Options = {
    description: string
    /** The first argument's name and what it is. */
    place: readonly [name: string, description: string]
    /** The folder of a run or the checkpoint that a place means. */
    modelIn: (place: string) => string
  }
}

/** Writes the model of a run or a checkpoint as GGUF, or into a folder; returns the paths. */
export async function exportModel(
  place: string,
  target: string,
  { type }: Pick<ExportOptions, 'type'>,
): Promise<readonly string[]> {
  await using backend = await startBackend('wasm', { threads: 1 })
  const decoder = await SavedModel.find(place).load({ backend })
  const files: readonly (readonly [path: string, content: string | Uint8Array])[] = target.endsWith(
    '.gguf',
  )
    ? [[target, Buffer.concat([...DecoderGguf.write(decoder, { type, name: basename(place) })])]]
    : published(target, DecoderSafetensors.write(decoder))
  for (const [path, content] of files)
    onDisk(dirname(path), `${basename(path)} cannot be written`, () => {
      mkdirSync(dirname(path), { recursive: true })
      writeAtomically(path, content)
    })
  return files.map(([path]) => path)
}

function published(folder: string, { config, file }: ReturnType<typeof DecoderSafetensors.write>) {
  return [
    [join(folder, 'model.safetensors'), file],
    [join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`],
  ] as const
}
