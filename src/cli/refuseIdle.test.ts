import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { refuseIdle } from './refuseIdle.ts'

const fix = 'add --exact.'
const parse = (...args: readonly string[]) =>
  new Command()
    .option('--bond <usd>', '', '1')
    .option('--price-exact <usd>', '')
    .option('--stake <usd>', '')
    .parse(args, { from: 'user' })

describe('refuseIdle', () => {
  test('lets defaults and other options pass', () => {
    expect(() => refuseIdle(parse('--stake', '1'), ['bond', 'priceExact'], fix)).not.toThrow()
  })

  test('names what was given for nothing, and the fix, even where it is the default', () => {
    const command = parse('--bond', '1', '--price-exact', '2', '--stake', '3')
    const refuse = () => refuseIdle(command, ['bond', 'priceExact'], fix)
    expect(refuse).toThrow('--bond <usd>, --price-exact <usd>')
    expect(refuse).toThrow('Fix: add --exact.')
    expect(refuse).toThrow(expect.objectContaining({ code: 'Cli.IdleOptionError' }))
  })
})
