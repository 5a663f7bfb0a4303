import { Command } from 'commander'
import { benchCommand } from './exact/bench.ts'
import { exportCommand } from './exact/export.ts'
import { generateCommand } from './exact/generate.ts'
import { showCommand } from './exact/show.ts'
import { trainCommand } from './exact/train.ts'
import { verifyCommand } from './exact/verify.ts'

/** `weft exact`: the exact engine by itself, without a network. */
export function exactCommand(): Command {
  const command = new Command('exact')
    .description('train and run models whose every bit anyone can repeat, without a network')
    .addHelpText('after', help)
  for (const create of [
    trainCommand,
    generateCommand,
    verifyCommand,
    showCommand,
    exportCommand,
    benchCommand,
  ])
    command.addCommand(create())
  return command
}

const help = `
Example:
  weft exact train --data book.txt                      # makes book.run
  weft exact generate book.run --prompt "Once upon"
  weft exact verify book.run                            # on any other machine, too
`
