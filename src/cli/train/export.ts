import { join } from 'node:path'
import { Command, Option } from 'commander'
import { type ExportType, writeModel } from '../exact/export.ts'
import { run } from '../run.ts'
import { modelName } from './work.ts'

/** `weft train export`: the model of a run for other programs. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write the newest model of a run for llama.cpp (GGUF) or Hugging Face')
    .argument('<folder>', 'folder of `weft train run` or `weft train join`')
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
    .action((folder: string, target: string, options: { type: ExportType; json?: boolean }) =>
      run(options, async () => {
        const files = await writeModel(join(folder, modelName), target, options)
        if (options.json) console.log(JSON.stringify({ files }))
        else for (const file of files) console.log(file)
      }),
    )
}
