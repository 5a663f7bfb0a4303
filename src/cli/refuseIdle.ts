import type { Command } from 'commander'
import { BaseError } from '../runtime/Errors.ts'

/**
 * Refuses options that somebody gave and that would do nothing, so that nobody waits for what they say.
 *
 * @param names as commander names their values, such as `priceInput`.
 * @param fix what to do instead.
 * @throws {IdleOptionError} when one of them was given.
 */
export function refuseIdle(command: Command, names: readonly string[], fix: string): void {
  const given = command.options.filter((option) => {
    const name = option.attributeName()
    return names.includes(name) && command.getOptionValueSource(name) === 'cli'
  })
  if (given.length > 0) throw new IdleOptionError({ given: given.map(({ flags }) => flags), fix })
}

/** Thrown when an option was given that would do nothing. */
class IdleOptionError extends BaseError {
  override readonly code = 'Cli.IdleOptionError'

  constructor({ given, fix }: { given: readonly string[]; fix: string }) {
    super('An option does nothing with the others.', {
      metaMessages: [`Option: ${given.join(', ')}`, `Fix: ${fix}`],
    })
  }
}
