import { Command } from 'commander'
import { cidOf } from '../../exact/encode.ts'
import type { Graph } from '../../exact/Graph.ts'
import { generationGraph } from '../../exact/generate/generationGraph.ts'
import { rootOf } from '../../exact/judgeable.ts'
import { decoder } from '../../exact/models/decoder.ts'
import { print } from '../../exact/print.ts'
import { hashOf } from '../../exact/run/Claim.ts'
import { build } from '../../exact/train/Recipe.ts'
import { readBytes } from '../readBytes.ts'
import { run } from '../run.ts'
import * as Config from './Config.ts'
import * as RunFile from './RunFile.ts'
import * as SavedModel from './SavedModel.ts'

/** `weft exact show`: the graph of a run or of settings, for people. */
export function showCommand(): Command {
  return new Command('show')
    .description('print the graph of a run, or of settings: every op of a step, one line each')
    .argument('<run>', 'folder of a run, or a file of settings')
    .option('--json', 'print the names of the graph only, as one JSON line')
    .action((place: string, options: { json?: boolean }) =>
      run(options, () => {
        const graph = graphOf(place)
        const names = { graphCid: cidOf(graph), graphRoot: hashOf(rootOf(graph)) }
        if (options.json) console.log(JSON.stringify({ ...names, ops: graph.ops.length }))
        else
          process.stdout.write(`cid:  ${names.graphCid}\nroot: ${names.graphRoot}\n${print(graph)}`)
        return Promise.resolve()
      }),
    )
}

function graphOf(place: string): Graph {
  if (!SavedModel.isFolder(place))
    return build(Config.parse(new TextDecoder().decode(readBytes(place))).recipe).graph
  const file = RunFile.read(place)
  return file.kind === 'training' ? build(file.recipe).graph : generationGraph(decoder(file.model))
}
