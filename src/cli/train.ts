import { Command } from 'commander'
import { auditCommand } from './train/audit.ts'
import { exportCommand } from './train/export.ts'
import { joinCommand } from './train/join.ts'
import { runCommand } from './train/run.ts'
import { statusCommand } from './train/status.ts'

/** `weft train`: one model, trained by machines that need not know each other. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('train one model on many machines, over slow links, with every step checkable')
    .addHelpText('after', help)
  for (const create of [runCommand, joinCommand, statusCommand, auditCommand, exportCommand])
    command.addCommand(create())
  return command
}

const help = `
Example:
  weft train run --data book.txt                        # makes book.run, and works
  weft train join book.run/run.json --data book.txt     # in a second terminal, or elsewhere
  weft train status book.run
  weft train audit book.run --data book.txt --rate 0.2
  weft train export book.run book.gguf
`
