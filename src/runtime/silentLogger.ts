import type { Logger } from './Logger.ts'

/** Says nothing. */
export function silentLogger(): Logger {
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error() {},
    child: () => logger,
  }
  return logger
}
