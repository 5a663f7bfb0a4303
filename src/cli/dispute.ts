import { Command } from 'commander'
import { claimCommand } from './dispute/claim.ts'
import { depositCommand, withdrawCommand } from './dispute/credit.ts'
import { openCommand } from './dispute/open.ts'
import { playCommand } from './dispute/play.ts'
import { statusCommand } from './dispute/status.ts'

/** `weft dispute`: who is right about exact work, decided on the chain. */
export function disputeCommand(): Command {
  const command = new Command('dispute')
    .description('have the chain decide whether a claim of exact work is true')
    .addHelpText('after', help)
  for (const create of [
    claimCommand,
    openCommand,
    statusCommand,
    playCommand,
    depositCommand,
    withdrawCommand,
  ])
    command.addCommand(create())
  return command
}

const help = `
A claim says: this graph, from this state, on this data and seed, gives this run. Whoever computed something else
disputes it; the contract narrows the dispute to one segment of one element and computes that. docs/disputes.md has
the rules. \`weft provide\` defends its claims by itself, \`weft validate --challenge\` disputes false ones.

Example:
  weft dispute deposit 5                                # for the bond
  weft dispute open answer.json                         # what \`weft ask --tier exact --json\` printed
  weft dispute play --model model.gguf                  # until it is over
  weft dispute status
`
