import { mkdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { Command } from 'commander'
import { build } from '../exact/train/Recipe.ts'
import { exportModel } from './exact/export.ts'
import { onDisk } from './exact/DiskError.ts'
import { run } from './run.ts'
import { refuseIdlePrices, sell, type SellOptions, withSellingOptions } from './sell.ts'
import { newestState } from './train/newestState.ts'
import { openRun } from './train/openRun.ts'
import { layoutOf } from './train/prepareRun.ts'
import { modelName, writeModel } from './train/writeModel.ts'

/** `weft serve`: sells answers of the model that a run of training has come to. */
export function serveCommand(): Command {
  return withSellingOptions(new Command('serve'))
    .description('put the model of a run of `weft train` on the network, as it is now')
    .argument('<folder>', 'folder of `weft train run` or `weft train join`')
    .addHelpText('after', help)
    .action((folder: string, options: SellOptions, command: Command) =>
      run(options, async () => {
        refuseIdlePrices(command, options)
        const { path, rounds, ordered, isOver } = await exportNewest(folder)
        const { modelId = nameOf(folder), json } = options
        if (json) console.log(JSON.stringify({ event: 'model', path, rounds, isOver }))
        else
          console.log(
            `${modelId}: ${rounds} of ${ordered} rounds of training` +
              (isOver
                ? ''
                : '; the run goes on, and the same command serves what it comes to later'),
          )
        await sell({ ...options, model: path, modelId })
      }),
    )
}

/** Writes the newest state of a run as a GGUF file beside it. */
async function exportNewest(folder: string) {
  const { file, log } = await openRun(folder)
  const layout = layoutOf(build(file.recipe))
  const replica = await newestState(folder, { run: log.run, layout })
  const place = join(folder, 'serve')
  onDisk(place, 'The folder cannot be made', () => mkdirSync(place, { recursive: true }))
  const model = writeModel(join(place, modelName), { file, layout }, replica)
  const [path = ''] = await exportModel(model, join(place, `${nameOf(folder)}.gguf`), {
    type: 'F32',
  })
  const { phase, round } = log.state()
  const isOver = phase === 'ended' && replica.rounds === round.number
  return { path, rounds: replica.rounds, ordered: log.order.rounds, isOver }
}

/** What buyers ask for when nothing else is said: `book` of `book.run`. */
function nameOf(folder: string): string {
  return basename(resolve(folder)).replace(/\.(run|join)$/, '')
}

const help = `
Example, on the network of \`npm start\`:
  weft train run --data book.txt
  weft serve book.run --network .weft/demo/network.json --home .weft/seller
  weft ask "Once upon" --model book --network .weft/demo/network.json --home .weft/me --deposit 5
`
