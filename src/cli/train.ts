import { Command } from 'commander'
import { joinCommand } from './train/join.ts'
import { runCommand } from './train/run.ts'

/** `weft train`: one model, trained by machines that need not know each other. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('train one model on many machines, over slow links, with every step checkable')
    .addHelpText('after', help)
  for (const create of [runCommand, joinCommand]) command.addCommand(create())
  return command
}

const help = `
Example:
  weft train run --data book.txt                        # makes book.run, and works
  weft train join book.run/run.json --data book.txt     # in a second terminal, or elsewhere
`
