import { Command } from 'commander'
import { accountCommand } from './account.ts'
import { askCommand } from './ask.ts'
import { balanceCommand } from './balance.ts'
import { bootstrapCommand } from './bootstrap.ts'
import { chainCommand } from './chain.ts'
import { demoCommand } from './demo.ts'
import { depositCommand } from './deposit.ts'
import { disputeCommand } from './dispute.ts'
import { doctorCommand } from './doctor.ts'
import { exactCommand } from './exact.ts'
import { explorerCommand } from './explorer.ts'
import { faucetCommand } from './faucet.ts'
import { gatewayCommand } from './gateway.ts'
import { keysCommand } from './keys.ts'
import { offersCommand } from './offers.ts'
import { provideCommand } from './provide.ts'
import { receiptCommand } from './receipt.ts'
import { serveCommand } from './serve.ts'
import { trainCommand } from './train.ts'
import { validateCommand } from './validate.ts'
import { withdrawCommand } from './withdraw.ts'

/** The `weft` program: one command a file. */
export function program(): Command {
  const root = new Command('weft')
    .description('An open market for AI compute in which every result carries evidence.')
    .version('0.1.0')
    .showHelpAfterError('Run with --help to see what this command takes.')
  root.commandsGroup('A whole network on this machine:')
  root.addCommand(demoCommand())
  root.commandsGroup('Compute that anyone can repeat:')
  root.addCommand(exactCommand())
  root.addCommand(trainCommand())
  root.commandsGroup('Buy:')
  for (const create of [askCommand, gatewayCommand, keysCommand, offersCommand])
    root.addCommand(create())
  root.commandsGroup('Sell and check:')
  for (const create of [
    provideCommand,
    serveCommand,
    validateCommand,
    receiptCommand,
    disputeCommand,
  ])
    root.addCommand(create())
  root.commandsGroup('Money:')
  for (const create of [
    accountCommand,
    balanceCommand,
    depositCommand,
    withdrawCommand,
    faucetCommand,
  ])
    root.addCommand(create())
  root.commandsGroup('Run parts of a network:')
  for (const create of [chainCommand, bootstrapCommand, explorerCommand, doctorCommand])
    root.addCommand(create())
  return root
}
