import type { Clock } from '../../runtime/Clock.ts'
import { formatUsd } from '../money.ts'
import { progressBar } from '../progressBar.ts'
import type { Money } from './openLedger.ts'
import type { LocalNetwork } from './startLocalNetwork.ts'

/** Speaks to the person in front of the terminal while `weft demo` works. */
export type Printer = {
  title(text: string): void
  line(text: string): void
  /** Shows a step as it runs, and how long it took. */
  step<type>(text: string, work: () => Promise<type>): Promise<type>
  /** Rewrites the last line on a terminal; prints every quarter elsewhere. */
  progress(done: number, total: number, text: string): void
  table(rows: readonly (readonly string[])[]): void
  money(title: string, money: Money): void
  invitation(network: LocalNetwork): void
}

/** Creates a printer that writes to standard output, or keeps silent. */
export function printer(options: { quiet: boolean; clock: Clock }): Printer {
  const { quiet, clock } = options
  const terminal = process.stdout.isTTY && !quiet
  const write = (text: string) => {
    if (!quiet) process.stdout.write(text)
  }
  const paint = (code: number, text: string) =>
    terminal ? `\u001b[${code}m${text}\u001b[0m` : text
  const line = (text: string) => write(`${text}\n`)
  const dim = (text: string) => paint(2, text)
  const bold = (text: string) => paint(1, text)

  return {
    title: (text) => line(`\n${bold(text)}\n`),
    line,
    async step(text, work) {
      const startedAt = clock.now()
      if (terminal) write(`  ${dim('...')} ${text}`)
      const result = await work()
      const seconds = ((clock.now() - startedAt) / 1000).toFixed(1)
      write(`${terminal ? '\r\u001b[K' : ''}  ${paint(32, 'ok')}  ${text} ${dim(`${seconds} s`)}\n`)
      return result
    },
    progress(done, total, text) {
      const bar = progressBar(done / total, { width: 24 })
      if (terminal)
        write(`\r\u001b[K  ${bar} ${done}/${total} ${text}${done === total ? '\n' : ''}`)
      else if (done === total || done % Math.ceil(total / 4) === 0)
        line(`  ${done}/${total} ${text}`)
    },
    table(rows) {
      const [header = [], ...body] = rows
      const widths = header.map((_, column) =>
        Math.max(...rows.map((row) => (row[column] ?? '').length)),
      )
      const format = (row: readonly string[]) =>
        `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd()
      line('')
      line(bold(format(header)))
      for (const row of body) line(format(row))
      line('')
    },
    money(title, money) {
      line(`  ${bold(title)}`)
      const rows: readonly (readonly [string, bigint])[] = [
        ['buyer, in the wallet', money.buyerWallet],
        ['buyer, free in the vault', money.buyerFree],
        ['buyer, reserved in leases', money.buyerReserved],
        ['providers, earned', money.providersEarned],
        ['providers, staked', money.providersStaked],
        ['disputes, credit and bonds', money.disputes],
        ['training, deposit and pay', money.training],
      ]
      for (const [name, amount] of rows)
        line(`    ${name.padEnd(28)}${formatUsd(amount).padStart(14)}`)
      const sum = `${formatUsd(money.accounted)} of ${formatUsd(money.minted)} minted`
      line(
        `    ${'accounted for'.padEnd(28)}${sum.padStart(14)}${money.conserved ? '' : '  NOT CONSERVED'}`,
      )
      line('')
    },
    invitation({ urls, apiKey, model }) {
      line(`  ${bold('Look at it')}   ${urls.explorer}`)
      line(`  ${bold('Try it')}`)
      line(`    curl ${urls.gateway}/v1/chat/completions \\`)
      line(`      -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\`)
      line(`      -d '{"model":"${model}","messages":[{"role":"user","content":"What is Weft?"}]}'`)
      line(`\n  ${dim('Everything runs until Ctrl-C; the state is kept for the next start.')}\n`)
    },
  }
}
