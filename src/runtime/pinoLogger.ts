import { pino } from 'pino'
import type { Logger } from './Logger.ts'

/** Logs JSON lines to standard error, or to `destination` when one is given. */
export function pinoLogger(options: pinoLogger.Options = {}): Logger {
  const { level = 'info', name, destination } = options
  const settings = {
    level,
    redact: {
      paths: secretNames.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
      censor: '[redacted]',
    },
    ...(name === undefined ? {} : { name }),
    serializers: { error: pino.stdSerializers.err },
    formatters: { log: plain },
  }
  return pino(settings, destination ?? pino.destination({ fd: 2, sync: true }))
}

export declare namespace pinoLogger {
  type Options = {
    /** @default 'info' */
    level?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined
    /** Who is speaking, on every line. */
    name?: string | undefined
    /** Where the lines go. @default standard error */
    destination?: { write(line: string): void } | undefined
  }
}

const secretNames = ['privateKey', 'apiKey', 'authorization', 'token', 'secret', 'password', 'key']

/** JSON has no bigint: amounts are logged as decimal strings. */
function plain(facts: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? value.toString() : value,
    ]),
  )
}
