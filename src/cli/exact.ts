import { Command } from 'commander'
import { trainCommand } from './exact/train.ts'

/** `weft exact`: the exact engine by itself, without a network. */
export function exactCommand(): Command {
  const command = new Command('exact').description(
    'train and run models whose every bit anyone can repeat, without a network',
  )
  for (const create of [trainCommand]) command.addCommand(create())
  return command
}
